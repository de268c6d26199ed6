/** Contacts, requests and blocks in the page, with two people who have it open. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  composer,
  fate,
  find,
  launch,
  person,
  phone,
  say,
  startServer,
  until,
  violations,
} from '../harness.mjs';

/** A folder that pictures of what is tested go to. */
const pictures = process.env.TEST_PICTURES;

let server;
let browser;
let ana;
let ben;
const opened = [];

before(async () => {
  server = await startServer();
  browser = await launch();
  ana = await person(browser, server, 'Ana', phone);
  ben = await person(browser, server, 'Ben', { viewport: { width: 1280, height: 800 } });
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const shoot = async (page, name) => {
  if (pictures) await page.screenshot({ path: `${pictures}/contacts-${name}.png` });
};
const press = (page, name) => page.getByRole('button', { name, exact: true }).click();
const dialog = (page) => page.locator('dialog');
const close = (page) => dialog(page).getByRole('button', { name: 'Close' }).click();
async function openContacts(page) {
  await page.getByRole('button', { name: 'Settings' }).click();
  await dialog(page)
    .getByRole('button', { name: /^Contacts/ })
    .click();
}
const openProfile = (page) => page.locator('.thread-head .who button').click();
/** The names in a part of the list. */
const namesIn = (page, part) =>
  dialog(page).getByRole('region', { name: part }).locator('li a').allTextContents();
const isNarrow = (page) => page.evaluate(() => document.querySelector('dialog').scrollWidth <= innerWidth);

test('somebody asks from a profile; the other, who has the page open, sees it and accepts', async () => {
  await find(ana.page, 'Ben');
  await openProfile(ana.page);
  await shoot(ana.page, 'profile-phone');
  assert.deepEqual(await violations(ana.page), []);
  await press(ana.page, 'Ask to be a contact');
  await ana.page.getByText('Ben hasn’t answered your request yet.').waitFor();
  await ben.page.getByText('1 person asks to be your contact').waitFor();
  await shoot(ben.page, 'request-desktop');
  await ben.page.getByRole('button', { name: '1 person asks to be your contact' }).click();
  assert.deepEqual(await namesIn(ben.page, 'Requests'), ['Ana']);
  await shoot(ben.page, 'requests-desktop');
  assert.deepEqual(await violations(ben.page), []);
  await dialog(ben.page).getByRole('button', { name: 'Accept Ana' }).click();
  await until('Ana to be a contact', async () => (await namesIn(ben.page, 'Contacts')).includes('Ana'));
  await ana.page.getByText('Ben is your contact.').waitFor();
  assert.equal(await ben.page.locator('.requests').count(), 0);
  await close(ben.page);
  await close(ana.page);
});

test('a block ends what one can write, on all devices of who blocks, and is taken back', async () => {
  await say(ana.page, 'before');
  await find(ben.page, 'Ana');
  await bubble(ben.page, 'before').waitFor();
  await openProfile(ben.page);
  await press(ben.page, 'Block');
  await dialog(ben.page).getByText('You have blocked Ana.').waitFor();
  await shoot(ben.page, 'profile-blocked-desktop');
  await close(ben.page);
  assert.equal(await composer(ben.page).count(), 0);
  assert.equal(await ben.page.locator('.blocked').textContent(), 'You have blocked Ana.Unblock');
  await shoot(ben.page, 'blocked-desktop');
  assert.deepEqual(await violations(ben.page), []);
  await ana.page.getByText('last seen').first().waitFor({ state: 'detached' });
  assert.equal(await ana.page.locator('.thread-head .status .on').count(), 0);

  await say(ana.page, 'too late');
  await ana.page
    .getByText('Not sent: this person takes messages from their contacts only, or none from you.')
    .waitFor();
  await shoot(ana.page, 'refused-phone');
  await openProfile(ana.page);
  await press(ana.page, 'Ask to be a contact');
  await ana.page.getByText('You can’t ask this person.').waitFor();
  await close(ana.page);
  assert.equal(await bubble(ben.page, 'too late').count(), 0);

  await openContacts(ben.page);
  assert.deepEqual(await namesIn(ben.page, 'Blocked'), ['Ana']);
  await shoot(ben.page, 'list-desktop');
  await dialog(ben.page).getByRole('button', { name: 'Unblock Ana' }).click();
  await until('the list to be empty', async () => (await dialog(ben.page).locator('.known').count()) === 0);
  await close(ben.page);
  await composer(ben.page).waitFor();
  await ana.page.getByRole('button', { name: 'Try again' }).click();
  await fate(ana.page, 'too late', 'read');
});

test('a request is withdrawn and declined; on a phone and in Chinese the list is whole', async () => {
  await find(ben.page, 'Ana');
  await openProfile(ben.page);
  await press(ben.page, 'Ask to be a contact');
  await ana.page.getByRole('button', { name: 'Back' }).click();
  await ana.page.getByRole('button', { name: '1 person asks to be your contact' }).waitFor();
  await shoot(ana.page, 'request-phone');
  await press(ben.page, 'Withdraw request');
  await ana.page.locator('.requests').waitFor({ state: 'detached' });
  await press(ben.page, 'Ask to be a contact');
  for (const name of ['Cem with a name that is longer than a line of a phone', 'Dora', 'Eve']) {
    const other = await server.account(name);
    const path = `/api/contacts/${ana.user_id}`;
    const headers = { authorization: `Bearer ${other.token}` };
    await fetch(`${server.origin}${path}`, { method: 'PUT', headers });
  }
  await ana.page.getByRole('button', { name: '4 people ask to be your contact' }).click();
  await until('all four', async () => (await namesIn(ana.page, 'Requests')).length === 4);
  await dialog(ana.page).getByRole('button', { name: 'Accept Eve' }).click();
  await until('Eve', async () => (await namesIn(ana.page, 'Contacts')).includes('Eve'));
  await shoot(ana.page, 'list-phone');
  assert.ok(await isNarrow(ana.page));
  assert.deepEqual(await violations(ana.page), []);
  await dialog(ana.page).getByRole('button', { name: 'Decline Ben' }).click();
  await dialog(ben.page).getByRole('button', { name: 'Ask to be a contact' }).waitFor();
  await close(ana.page);
  await ana.page.getByRole('button', { name: 'Settings' }).click();
  await ana.page.locator('select').selectOption('zh');
  await dialog(ana.page)
    .getByRole('button', { name: /联系人/ })
    .click();
  await dialog(ana.page).getByRole('region', { name: '联系人请求' }).waitFor();
  await shoot(ana.page, 'list-phone-zh');
  assert.ok(await isNarrow(ana.page));
});

test('where only contacts find each other, one types a whole name, asks, and writes once that is accepted', async (t) => {
  const closed = await startServer({ DIRECTORY: 'contacts' });
  t.after(() => closed.end());
  const gil = await person(browser, closed, 'Gil');
  const hal = await closed.account('Hal Miller');
  opened.push(gil);
  await gil.page.locator('#search').fill('Hal');
  await gil.page.getByText('No name has a word that begins with “Hal”.').waitFor();
  await find(gil.page, 'hal miller');
  await say(gil.page, 'hello');
  await gil.page.getByText('Not sent: this person takes messages from their contacts only').waitFor();
  await openProfile(gil.page);
  await dialog(gil.page).getByText('Today').waitFor();
  await press(gil.page, 'Ask to be a contact');
  await gil.page.getByText('Hal Miller hasn’t answered your request yet.').waitFor();
  const headers = { authorization: `Bearer ${hal.token}` };
  await fetch(`${closed.origin}/api/contacts/${gil.user_id}`, { method: 'PUT', headers });
  await gil.page.getByText('Hal Miller is your contact.').waitFor();
  await close(gil.page);
  await gil.page.getByRole('button', { name: 'Try again' }).click();
  await fate(gil.page, 'hello', 'sent');
});

test('nothing went wrong in any page', () => {
  assert.deepEqual(
    [ana, ben, ...opened].flatMap(({ errors }) => errors),
    [],
  );
});
