import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  composer,
  fate,
  find,
  launch,
  open,
  say,
  signIn,
  startServer,
  until,
  violations,
} from '../harness.mjs';
import { startLine } from '../line.mjs';

let server;
let browser;
let friend;
const errors = [];

before(async () => {
  server = await startServer();
  browser = await launch();
  friend = await server.account('Friend');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function member(t, name) {
  const line = await startLine(server);
  const account = await server.account(name);
  const opened = await open(browser, line.origin);
  t.after(async () => {
    errors.push(...opened.errors);
    await opened.context.close();
    line.end();
  });
  await signIn(opened.page, account);
  return { ...account, ...opened, line };
}

const databases = (page) =>
  page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name).toSorted());

/** As if the session had ended. */
const endSession = (page) => page.context().clearCookies();

test('with a dead server a conversation opened by its address has its name', async (t) => {
  const { page, line, user_id } = await member(t, 'Offline reader');
  await find(page, 'Friend');
  await say(page, 'known');
  await fate(page, 'known', 'sent');
  await page.evaluate(() => navigator.serviceWorker.ready.then((ready) => ready.active.state));
  await until('the conversation to be kept', () => page.evaluate(keptThreads, user_id));
  line.cut();
  await page.reload();
  await bubble(page, 'known').waitFor();
  assert.equal(await page.locator('.thread-head h2').textContent(), 'Friend');
  assert.equal(await page.locator('.thread-head .avatar').textContent(), 'F');
  assert.equal(await page.locator('a.conversation .name').textContent(), 'Friend');
});

function keptThreads(user) {
  return new Promise((resolve) => {
    const request = indexedDB.open(`chat-user-${user}`);
    request.onsuccess = () => {
      const all = request.result.transaction('threads').objectStore('threads').getAll();
      all.onsuccess = () => {
        request.result.close();
        resolve(all.result.some(({ tail, user }) => tail.length > 0 && user.username));
      };
    };
  });
}

test('a name that couldn’t be told is asked for again once the server answers', async (t) => {
  const { page, line } = await member(t, 'Guest');
  let broken = true;
  await page.route(`**/api/users/${friend.user_id}`, (route) => (broken ? route.abort() : route.continue()));
  await page.goto(`${line.origin}/#/u/${friend.user_id}`);
  await composer(page).waitFor();
  assert.equal(await page.locator('.thread-head h2').textContent(), '…');
  broken = false;
  line.cut();
  await page.locator('.banner', { hasText: 'No connection' }).waitFor();
  line.mend();
  await page.evaluate(() => document.querySelector('.banner .link')?.click());
  await page.locator('.thread-head h2', { hasText: 'Friend' }).waitFor();
});

test('a number that nobody has says so, and leaves nothing in the list', async (t) => {
  const { page, line } = await member(t, 'Lost');
  await page.goto(`${line.origin}/#/u/987654321`);
  await page.getByText('No account has the number in this address.').waitFor();
  assert.equal(await composer(page).count(), 0);
  assert.equal(await page.locator('.thread-head h2').textContent(), '#987654321');
  assert.equal(await page.locator('a.conversation').count(), 0);
  assert.deepEqual(await violations(page), []);
});

test('after a session has ended somebody else gets the list, and nothing of the first one stays', async (t) => {
  const { page, line, user_id } = await member(t, 'First');
  const other = await server.account('Second');
  await find(page, 'Friend');
  await say(page, 'mine alone');
  await fate(page, 'mine alone', 'sent');
  await endSession(page);
  await page.reload();
  await page.getByText('Your session has ended').waitFor();
  assert.deepEqual(await databases(page), [`chat-user-${user_id}`]);
  await signIn(page, other);
  await page.getByText('They find you as “Second”.').waitFor();
  assert.equal(await composer(page).count(), 0);
  assert.equal(page.url(), `${line.origin}/`);
  await until(
    'the first one’s messages to be gone',
    async () => (await databases(page)).join() === `chat-user-${other.user_id}`,
  );
});

test('what the first one had not sent is not lost without a word', async (t) => {
  const { page, line, username, password } = await member(t, 'Careful');
  const other = await server.account('Careless');
  await find(page, 'Friend');
  line.cut();
  await page.locator('.banner', { hasText: 'No connection' }).waitFor();
  await say(page, 'not yet out');
  await fate(page, 'not yet out', 'waiting');
  await endSession(page);
  line.mend();
  await page.reload();
  await page.getByText('Your session has ended').waitFor();
  await page.getByLabel('Name').fill('Careless');
  await page.getByLabel('Password', { exact: true }).fill(other.password);
  await page.locator('button.primary').click();
  await page.getByText('1 message of Careful was not sent yet.').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await signIn(page, { username, password });
  await fate(page, 'not yet out', 'sent');
});

test('whoever signs out leaves no place behind', async (t) => {
  const { page, line } = await member(t, 'Leaving');
  const other = await server.account('Coming');
  await find(page, 'Friend');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, other);
  await page.getByText('They find you as “Coming”.').waitFor();
  assert.equal(page.url(), `${line.origin}/`);
});

test('a window doesn’t change hands without a word', async (t) => {
  const { page, context, line } = await member(t, 'One');
  const other = await server.account('Two');
  const second = await context.newPage();
  await second.goto(line.origin);
  await second.locator('#search').waitFor();
  await second.getByRole('button', { name: 'Settings' }).click();
  await second.getByRole('button', { name: 'Sign out' }).click();
  await second.getByRole('heading', { name: 'Welcome back' }).waitFor();
  await signIn(second, other);
  await page.getByRole('heading', { name: 'Two is signed in now' }).waitFor();
  assert.equal(await page.locator('#search').count(), 0);
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Go on as Two' }).click();
  await page.locator('#search').waitFor();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByText('Signed in as Two').waitFor();
});

test('nothing went wrong in any page', () => {
  assert.deepEqual(errors, []);
});
