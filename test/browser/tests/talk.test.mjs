import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  bubbles,
  composer,
  fate,
  find,
  launch,
  person,
  say,
  startServer,
  violations,
} from '../harness.mjs';

let server;
let browser;
let ana;
let ben;

before(async () => {
  server = await startServer();
  browser = await launch();
  ana = await person(browser, server, 'Ana');
  ben = await person(browser, server, 'Ben');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

test('somebody new finds a person by name and is told what to do before', async () => {
  await ana.page.getByText('No conversations yet').waitFor();
  await ana.page.locator('#search').fill('Nobody');
  await ana.page.getByText('No name has a word that begins with “Nobody”.').waitFor();
  await find(ana.page, 'Ben');
  await ana.page.getByText('Say hello to Ben.').waitFor();
  assert.deepEqual(await violations(ana.page), []);
});

test('a message is sent, delivered and read, each only when it is', async () => {
  await say(ana.page, 'Hello Ben');
  await fate(ana.page, 'Hello Ben', 'delivered');
  const entry = ben.page.locator('a.conversation', { hasText: 'Ana' });
  await entry.locator('.badge').getByText('1', { exact: true }).waitFor();
  assert.equal(await ben.page.title(), '(1) Chat');
  assert.equal(await bubble(ana.page, 'Hello Ben').locator('.fate.read').count(), 0);
  await entry.click();
  await ben.page.getByText('New messages').waitFor();
  await fate(ana.page, 'Hello Ben', 'read');
  assert.equal(await ben.page.title(), 'Chat');
});

test('one who is away leaves it at "sent"', async () => {
  await ben.page.goto('about:blank');
  await ana.page.locator('.status', { hasText: 'last seen' }).waitFor();
  await say(ana.page, 'Are you there?');
  await fate(ana.page, 'Are you there?', 'sent');
  await ben.page.goto(server.origin);
  await fate(ana.page, 'Are you there?', 'delivered');
  await ben.page.locator('a.conversation', { hasText: 'Ana' }).click();
  await fate(ana.page, 'Are you there?', 'read');
});

test('typing is seen, and ends with the message', async () => {
  await composer(ben.page).pressSequentially('I am he');
  await ana.page.locator('.thread-head .typing').waitFor();
  await composer(ben.page).press('Enter');
  await bubble(ana.page, 'I am he').waitFor();
  await ana.page.locator('.thread-head .typing').waitFor({ state: 'detached' });
});

test('Enter sends, Shift+Enter breaks the line, an input method keeps its Enter', async () => {
  const box = composer(ana.page);
  await box.fill('one');
  await box.press('Shift+Enter');
  await box.pressSequentially('two');
  assert.equal(await box.inputValue(), 'one\ntwo');
  await box.evaluate((element) => {
    const press = (init) =>
      element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, ...init }));
    press({ isComposing: true });
    press({ keyCode: 229 });
  });
  assert.equal(await box.inputValue(), 'one\ntwo');
  await box.press('Enter');
  await fate(ana.page, 'two', 'read');
  assert.equal(await box.inputValue(), '');
});

test('text is never HTML; links, code, emoji and right-to-left text are what they are', async () => {
  await say(ana.page, '<img src=x onerror=alert(1)> & `a < b` https://example.org/x?y=1.');
  const shown = bubble(ben.page, 'onerror');
  await shown.waitFor();
  assert.equal(await shown.locator('img').count(), 0);
  assert.equal(await shown.locator('code').textContent(), 'a < b');
  assert.equal(await shown.locator('a').getAttribute('href'), 'https://example.org/x?y=1');
  assert.match(await shown.locator('a').getAttribute('rel'), /noopener/);
  await say(ana.page, '🎉🎉');
  await bubble(ben.page, '🎉🎉').locator('.bubble.emoji.large').waitFor();
  await say(ana.page, 'שלום עולם');
  await bubble(ben.page, 'שלום עולם').locator('.bubble[dir=rtl]').waitFor();
});

test('too long is said in bytes before anything is sent', async () => {
  const before = await bubbles(ana.page).count();
  await composer(ana.page).fill('好'.repeat(5462)); // 16,386 bytes
  await ana.page.getByText('Too long: 16,386 of 16,384 bytes. Shorten it by 2.').waitFor();
  assert.equal(await ana.page.getByRole('button', { name: 'Send' }).isDisabled(), true);
  await composer(ana.page).press('Enter');
  assert.equal(await bubbles(ana.page).count(), before);
  assert.deepEqual(await violations(ana.page), []);
  await composer(ana.page).fill('好'.repeat(5461));
  await ana.page.getByText('1 byte left').waitFor();
  await composer(ana.page).fill('');
});

test('a draft survives a reload and stands in the list', async () => {
  await composer(ana.page).fill('half a thought');
  await composer(ana.page).blur();
  await ana.page.reload();
  await ana.page.waitForFunction(
    () => document.querySelector('.composer textarea')?.value === 'half a thought',
  );
  await find(ana.page, 'Ana');
  await ana.page.locator('a.conversation', { hasText: 'Ben' }).getByText('Draft:').waitFor();
  await ana.page.locator('a.conversation', { hasText: 'Ben' }).click();
  await composer(ana.page).fill('');
});

test('a message that nobody can get says why, can be tried again and thrown away', async () => {
  // As long as the page can't know that nobody is there.
  await ana.page.route('**/api/users/987654321', (route) => route.abort());
  await ana.page.goto(`${server.origin}/#/u/987654321`);
  await say(ana.page, 'Into the void');
  await ana.page.getByText('Not sent: this person is gone.').waitFor();
  assert.deepEqual(await violations(ana.page), []);
  await ana.page.getByRole('button', { name: 'Try again' }).click();
  await ana.page.getByText('Not sent: this person is gone.').waitFor();
  await ana.page.getByRole('button', { name: 'Delete' }).click();
  await bubble(ana.page, 'Into the void').waitFor({ state: 'detached' });
  await ana.page.locator('a.conversation[href="#/u/987654321"]').waitFor({ state: 'detached' });
});

test('nothing went wrong in either page', () => {
  assert.deepEqual([...ana.errors, ...ben.errors], []);
});
