import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bubble, fate, find, launch, person, say, startServer } from '../harness.mjs';

let server;
let browser;
const errors = [];

before(async () => {
  server = await startServer();
  browser = await launch();
  await server.account('Friend');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function member(t, name, prepare = async () => {}) {
  const opened = await person(browser, server, name);
  t.after(async () => {
    errors.push(...opened.errors);
    await opened.context.close();
  });
  await prepare(opened.context);
  await opened.page.goto('about:blank');
  await opened.page.goto(server.origin);
  await find(opened.page, 'Friend');
  return opened;
}

/** Between the page and the server: `handle` gets each frame of the page, and what passes it on. */
const between = (handle) => (context) =>
  context.routeWebSocket('**/ws', (page) => {
    const far = page.connectToServer();
    page.onMessage((data) => handle(JSON.parse(data), page, () => far.send(data)));
  });

test('a refused sync is asked again, and what is written goes out meanwhile', async (t) => {
  let refusals = 0;
  let mayPass = false;
  const { page } = await member(
    t,
    'Refused',
    between(({ type, id }, near, pass) => {
      if (type !== 'sync' || mayPass) return pass();
      refusals++;
      near.send(
        JSON.stringify({
          type: 'error',
          ...(id && { id }),
          code: 'unavailable',
          content: 'later',
          retryable: true,
        }),
      );
    }),
  );
  await page.locator('.banner', { hasText: 'Catching up' }).waitFor();
  await say(page, 'not held up');
  await fate(page, 'not held up', 'sent');
  assert.ok(refusals > 0);
  mayPass = true;
  await page.locator('.banner').waitFor({ state: 'detached' });
});

test('a sync that nobody answers ends its socket, and the next one is asked', async (t) => {
  let swallowed = false;
  const { page } = await member(
    t,
    'Unanswered',
    between(({ type }, _near, pass) => {
      if (type === 'sync' && !swallowed) swallowed = true;
      else pass();
    }),
  );
  await page.locator('.banner', { hasText: 'Catching up' }).waitFor();
  await page.locator('.banner').waitFor({ state: 'detached', timeout: 60_000 });
  await say(page, 'all is well');
  await fate(page, 'all is well', 'sent');
});

test('a message that nobody answers goes again by itself, though the socket lives', async (t) => {
  let swallowed = false;
  const { page } = await member(
    t,
    'Overheard',
    between(({ type }, _near, pass) => {
      if (type === 'chat' && !swallowed) swallowed = true;
      else pass();
    }),
  );
  await say(page, 'is anybody there');
  await bubble(page, 'is anybody there').locator('.fate.sent').waitFor({ timeout: 60_000 });
  assert.equal(swallowed, true);
});

test('a search that nobody answers says so', async (t) => {
  const { page } = await member(t, 'Searching');
  await page.route('**/api/users?*', () => {});
  await page.locator('#search').fill('Friend of mine');
  await page.getByText('People can’t be searched at the moment.').waitFor({ timeout: 60_000 });
});

test('nothing went wrong in any page', () => {
  assert.deepEqual(errors, []);
});
