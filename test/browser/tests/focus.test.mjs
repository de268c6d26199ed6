import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  composer,
  fate,
  find,
  launch,
  open,
  person,
  phone,
  say,
  signIn,
  startServer,
  until,
} from '../harness.mjs';

let server;
let browser;
let friend;

before(async () => {
  server = await startServer();
  browser = await launch();
  friend = await server.account('Friend');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

/** What has the focus: a short name that a person would use. */
const focused = (page) =>
  page.evaluate(() => {
    const { activeElement: element } = document;
    if (!element || element === document.body) return 'nowhere';
    return element.id || element.getAttribute('aria-label') || element.textContent;
  });
const focusIs = (page, wanted) =>
  until(`the focus on ${wanted}`, async () => (await focused(page)).includes(wanted), 5_000).catch(
    async (error) => assert.fail(`${error.message}; it is on ${await focused(page)}`),
  );

async function member(t, name, options) {
  const opened = await person(browser, server, name, options);
  t.after(() => opened.context.close());
  return opened;
}

test('signing in, out and in again, the focus is where one goes on', async (t) => {
  const account = await server.account('In and out');
  const { page, context } = await open(browser, server.origin);
  t.after(() => context.close());
  await focusIs(page, 'username');
  await signIn(page, account);
  await focusIs(page, 'search');
  await find(page, 'Friend');
  await focusIs(page, 'Message to Friend');
  // The session ends: the name is filled in, the password is what is missing.
  await page.context().clearCookies();
  await page.reload();
  await page.getByText('Your session has ended').waitFor();
  await focusIs(page, 'password');
  await signIn(page, account);
  await focusIs(page, 'Message to ');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await focusIs(page, 'username');
});

test('Escape closes the conversation and leaves the focus on it in the list; a draft keeps it open', async (t) => {
  const { page } = await member(t, 'Escaper');
  await find(page, 'Friend');
  await say(page, 'so that it stands in the list');
  await fate(page, 'so that it stands', 'sent');
  await composer(page).fill('half a thought');
  await composer(page).press('Escape');
  await composer(page).press('Escape');
  assert.equal(await composer(page).inputValue(), 'half a thought');
  await focusIs(page, 'Message to Friend');
  await composer(page).fill('');
  await composer(page).press('Escape');
  await page.getByText('Pick a conversation').waitFor();
  await focusIs(page, 'so that it stands in the list');
  await page.keyboard.press('Enter');
  await focusIs(page, 'Message to Friend');
});

test('a button that goes away when it is pressed leaves the focus nearby', async (t) => {
  const { page, user_id } = await member(t, 'Presser');
  for (let n = 1; n <= 40; n++)
    await server.post('/api/messages', { to_user_id: user_id, content: `m ${n}` }, friend.token);
  await find(page, 'Friend');
  await page.locator('.newest').focus();
  await page.keyboard.press('Enter');
  await page.locator('.newest').waitFor({ state: 'detached' });
  await focusIs(page, 'Message to Friend');
});

test('on a phone, going in and back leaves the focus on what is shown', async (t) => {
  const { page } = await member(t, 'Phone focus', phone);
  await focusIs(page, 'Conversations');
  await find(page, 'Friend');
  await focusIs(page, 'Message history');
  await composer(page).fill('hello');
  await page.getByRole('button', { name: 'Send' }).click();
  await fate(page, 'hello', 'sent');
  await page.goBack();
  await focusIs(page, 'hello');
});

test('back closes what is on top first, on a phone as on a desktop', async (t) => {
  for (const options of [phone, {}]) {
    const { page } = await member(t, `Backer ${options === phone}`, options);
    await find(page, 'Friend');
    await say(page, 'open');
    await fate(page, 'open', 'sent');
    if (options === phone) await page.goBack();
    await page.getByRole('button', { name: 'Settings' }).click();
    if (options !== phone) {
      await page.getByRole('button', { name: 'Keyboard shortcuts' }).click();
      await page.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor();
    }
    await page.goBack();
    await page.locator('dialog').waitFor({ state: 'detached' });
    // What was beneath is as it was.
    if (options === phone) await page.locator('a.conversation', { hasText: 'Friend' }).click();
    await composer(page).waitFor();
    // Closed by hand, it leaves nothing behind that one has to go back through.
    if (options === phone) {
      await page.goBack();
      await page.locator('a.conversation', { hasText: 'Friend' }).waitFor();
      assert.equal(await page.locator('.main').isVisible(), false);
    } else {
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('button', { name: 'Close' }).click();
      await page.locator('dialog').waitFor({ state: 'detached' });
      await until('the entry to be gone', () => page.evaluate(() => !history.state?.cover));
      await page.goBack();
      await page.getByText('Pick a conversation').waitFor();
    }
  }
});
