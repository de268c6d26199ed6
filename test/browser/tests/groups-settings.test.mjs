// What one sets of a conversation for oneself, and of what one is told. Ana has two devices; the others are there over HTTP.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  fate,
  launch,
  open,
  person,
  phone,
  say,
  signIn,
  startServer,
  until,
  violations,
} from '../harness.mjs';

let server;
let browser;
let ana;
let far;
let ben;
const groups = {};

before(async () => {
  server = await startServer();
  browser = await launch();
  ana = await person(browser, server, 'Ana', { viewport: { width: 1280, height: 800 } });
  far = await open(browser, server.origin, phone);
  await signIn(far.page, ana);
  ben = await server.account('Ben');
  for (const [title, kind] of [
    ['Climbers', 'group'],
    ['Lunch', 'group'],
    ['Weather', 'channel'],
  ]) {
    const { data } = await server.post(
      '/api/conversations',
      { title, kind, user_ids: [ana.user_id] },
      ben.token,
    );
    groups[title] = data.conversation_id;
    await tell(title, `hello ${title}`);
  }
  await row(ana.page, 'hello Weather').waitFor();
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const row = (page, text) => page.locator('a.conversation', { hasText: text });
const dialog = (page) => page.locator('dialog');
const press = (page, name) => dialog(page).getByRole('button', { name, exact: true }).click();
const close = (page) => press(page, 'Close');
const tell = (title, content, beside = {}) =>
  server.post('/api/messages', { conversation_id: groups[title], content, ...beside }, ben.token);
const titles = async (page) => (await page.locator('.entries .name bdi').allTextContents()).join();
const order = (page, list) => until(list, async () => (await titles(page)) === list, 5_000);
const badge = (page, title, text) =>
  row(page, title).locator('.badge').getByText(text, { exact: true }).waitFor();
/** By the keyboard's or the mouse's own menu. */
const options = (page, title) => row(page, title).click({ button: 'right' });

/** Notifications that are on the screen, and all that ever were. */
const watched = () => {
  window.told = [];
  window.shown = new Set();
  window.Notification = class {
    static permission = 'granted';
    static requestPermission = async () => 'granted';
    constructor(title, { body }) {
      window.told.push(`${title}: ${body}`);
      window.shown.add(this);
    }
    close() {
      window.shown.delete(this);
    }
  };
};
const told = (page) => page.evaluate(() => window.told);
const hide = (page, hidden) =>
  page.evaluate((value) => {
    if (value) Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    else delete document.visibilityState;
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

test('what is pinned stands at the top, on each device', async () => {
  await order(ana.page, 'Weather,Lunch,Climbers');
  await options(ana.page, 'Climbers');
  assert.deepEqual(await violations(ana.page), []);
  await dialog(ana.page).getByRole('switch', { name: 'Pin to the top' }).check();
  await close(ana.page);
  for (const { page } of [ana, far]) await order(page, 'Climbers,Weather,Lunch');
  await tell('Lunch', 'soup');
  for (const { page } of [ana, far]) await order(page, 'Climbers,Lunch,Weather');
  await ana.page.reload();
  await order(ana.page, 'Climbers,Lunch,Weather');
  await options(ana.page, 'Climbers');
  await dialog(ana.page).getByRole('switch', { name: 'Pin to the top' }).uncheck();
  await close(ana.page);
  for (const { page } of [ana, far]) await order(page, 'Lunch,Weather,Climbers');
});

test('what is hidden comes back with the next message', async () => {
  await options(ana.page, 'Climbers');
  await press(ana.page, 'Hide from the list');
  for (const { page } of [ana, far]) await order(page, 'Lunch,Weather');
  await ana.page.reload();
  await order(ana.page, 'Lunch,Weather');
  await ana.page.locator('#search').fill('climb');
  await row(ana.page, 'Climbers').waitFor();
  await ana.page.locator('#search').fill('');
  await tell('Climbers', 'back');
  for (const { page } of [ana, far]) await order(page, 'Climbers,Lunch,Weather');
});

test('read on one device and marked as unread on the other', async () => {
  for (const text of ['one', 'two', 'three']) await tell('Lunch', text);
  await row(ana.page, 'Lunch').click();
  await bubble(ana.page, 'three').waitFor();
  for (const { page } of [ana, far])
    await row(page, 'Lunch').locator('.badge').waitFor({ state: 'detached' });
  // From a message on: the conversation closes, or it would be read again.
  await bubble(ana.page, 'two').hover();
  await bubble(ana.page, 'two').getByRole('button', { name: 'Actions' }).click();
  await ana.page.getByRole('menuitem', { name: 'Unread from here' }).click();
  await ana.page.getByText('Pick a conversation').waitFor();
  for (const { page } of [ana, far]) await badge(page, 'Lunch', '2');
  await ana.page.reload();
  await badge(ana.page, 'Lunch', '2');
  await row(far.page, 'Lunch').tap();
  await far.page
    .locator('.row', { has: far.page.locator('.divider') })
    .getByText('two', { exact: true })
    .waitFor();
  for (const { page } of [ana, far])
    await row(page, 'Lunch').locator('.badge').waitFor({ state: 'detached' });
  // All of it, from its own options.
  await far.page.getByRole('button', { name: 'Options of this conversation' }).tap();
  await press(far.page, 'Mark as unread');
  await row(far.page, 'Lunch').waitFor();
  for (const { page } of [ana, far]) await badge(page, 'Lunch', '1');
  await row(ana.page, 'Lunch').click();
  for (const { page } of [ana, far])
    await row(page, 'Lunch').locator('.badge').waitFor({ state: 'detached' });
});

test('a hidden page tells of a mention once, of nothing where that is muted, and takes it back where it is read', async () => {
  const { page } = ana;
  await ana.context.grantPermissions(['notifications'], { origin: server.origin });
  await page.evaluate(watched);
  await far.page.evaluate(watched);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('switch', { name: 'Show new messages' }).check();
  await close(page);
  const level = async (title, name) => {
    await options(page, title);
    await dialog(page).getByRole('group', { name: 'Tell me of' }).getByLabel(name, { exact: true }).check();
    await close(page);
  };
  await level('Climbers', 'Mentions');
  await options(page, 'Lunch');
  await press(page, '1 hour');
  await dialog(page)
    .getByText(/^Quiet until /)
    .waitFor();
  assert.deepEqual(await violations(page), []);
  await close(page);
  await row(page, 'Lunch').getByText('muted').waitFor({ state: 'attached' });
  await hide(page, true);
  await hide(far.page, true);
  const at = { mentions: [ana.user_id] };
  await tell('Lunch', 'quiet @Ana', at);
  await tell('Climbers', 'nothing to you');
  await tell('Climbers', 'come @Ana', at);
  // The channel isn't on the screen, so that what is said there isn't given, and is told of all the same.
  await tell('Weather', 'some wind');
  await tell('Weather', 'storm, @Ana', at);
  await badge(page, 'Weather', '@');
  await until('both to be told', async () => (await told(page)).length >= 2);
  assert.ok((await told(page)).includes('Climbers: Ben: come @Ana'));
  assert.ok((await told(page)).includes('Weather: Ben: storm, @Ana'));
  assert.equal((await told(page)).filter((text) => text.includes('storm')).length, 1);
  assert.deepEqual(
    (await told(page)).filter((text) => /Lunch|nothing/.test(text)),
    [],
  );
  // What is muted counts, and doesn't call.
  await badge(page, 'Lunch', '@');
  await row(page, 'Lunch').locator('.badges.quiet').waitFor();
  assert.equal(await page.title(), '(@2 · 4) Chat');
  // Read on the other device.
  await hide(far.page, false);
  await row(far.page, 'Climbers').tap();
  await bubble(far.page, 'come @Ana').waitFor();
  await far.page.locator('.back').tap();
  await row(far.page, 'Weather').tap();
  await bubble(far.page, 'storm, @Ana').waitFor();
  await until('the notifications to be gone', () => page.evaluate(() => window.shown.size === 0), 10_000);
  await far.page.locator('.back').tap();
  await until('the title', async () => (await page.title()) === 'Chat');
  assert.equal((await told(far.page)).length, 0);
});

test('do not disturb holds for everything, on each device', async () => {
  const { page } = far;
  await page.locator('.side-head').getByRole('button', { name: 'Settings' }).tap();
  const quiet = dialog(page).getByRole('group', { name: 'Do not disturb' });
  await quiet.getByRole('button', { name: 'For ever' }).tap();
  await quiet.getByText('Quiet, until you say otherwise.').waitFor();
  assert.deepEqual(await violations(page), []);
  await hide(ana.page, true);
  const before = (await told(ana.page)).length;
  await tell('Climbers', 'again @Ana', { mentions: [ana.user_id] });
  await badge(ana.page, 'Climbers', '@');
  await quiet.getByRole('button', { name: 'End' }).tap();
  await quiet.getByRole('button', { name: '1 hour' }).waitFor();
  await close(page);
  await tell('Climbers', 'and again @Ana', { mentions: [ana.user_id] });
  await until('that to be told', async () => (await told(ana.page)).length > before);
  assert.deepEqual((await told(ana.page)).slice(before), ['Climbers: Ben: and again @Ana']);
  await hide(ana.page, false);
});

test('a channel that is opened has all that was said meanwhile, begins where that begins, and reads on', async () => {
  const { page } = ana;
  await row(page, 'Climbers').click();
  await bubble(page, 'and again @Ana').waitFor();
  for (let n = 1; n <= 60; n++) await tell('Weather', `gust ${n}`);
  await badge(page, 'Weather', '60');
  await row(page, 'Ben: gust 60').click();
  await page
    .locator('.row', { has: page.locator('.divider') })
    .getByText('gust 1', { exact: true })
    .waitFor();
  await page.getByRole('button', { name: 'Jump to the newest' }).click();
  await bubble(page, 'gust 60').waitFor();
  await row(page, 'Weather').locator('.badge').waitFor({ state: 'detached' });
  await tell('Weather', 'calm');
  await bubble(page, 'calm').waitFor();
  await say(page, 'at last');
  await fate(page, 'at last', 'sent');
});

test('a conversation is left from its options', async () => {
  const { page } = ana;
  await options(page, 'Weather');
  await press(page, 'Leave');
  await press(page, 'Leave');
  await page.getByText('You are not a member any more.').waitFor();
  assert.equal(await page.title(), 'Chat');
});

test('nothing went wrong in any page', () => {
  assert.deepEqual([...ana.errors, ...far.errors], []);
});
