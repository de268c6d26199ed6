import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bubble, fate, find, launch, open, say, signIn, startServer, until } from '../harness.mjs';

let server;
let browser;
let friend;
let other;
const errors = [];

before(async () => {
  server = await startServer();
  browser = await launch();
  friend = await server.account('Friend');
  other = await server.account('Other');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

/** Somebody whose computer's clock is ahead by so many milliseconds. */
async function member(t, name, { shift = 0, prepare = async () => {}, ...options } = {}) {
  const account = await server.account(name);
  const opened = await open(browser, 'about:blank', options);
  t.after(async () => {
    errors.push(...opened.errors);
    await opened.context.close();
  });
  await opened.context.addInitScript((ms) => {
    const Real = Date;
    window.Date = class extends Real {
      constructor(...parts) {
        if (parts.length === 0) super(Real.now() + ms);
        else super(...parts);
      }
      static now = () => Real.now() + ms;
    };
  }, shift);
  await prepare(opened.context);
  await opened.page.goto(server.origin);
  await signIn(opened.page, account);
  return { ...account, ...opened };
}

const hours = 3_600_000;
const names = (page) => page.locator('a.conversation .name').allTextContents();

test('on a computer that is a day ahead the list is in order, and today is today', async (t) => {
  const { page, user_id } = await member(t, 'Early', { shift: 26 * hours });
  await find(page, 'Friend');
  await say(page, 'from tomorrow');
  await fate(page, 'from tomorrow', 'sent');
  assert.deepEqual(await page.locator('.day').allTextContents(), ['Today']);
  await server.post('/api/messages', { to_user_id: user_id, content: 'from today' }, other.token);
  await page.locator('a.conversation', { hasText: 'from today' }).waitFor();
  // Who it is from is asked for.
  await page.locator('a.conversation .name', { hasText: 'Other' }).waitFor();
  assert.deepEqual(await names(page), ['Other', 'Friend']);
  // Without a line too: the difference is known.
  await page.reload();
  await page.locator('a.conversation').nth(1).waitFor();
  assert.deepEqual(await names(page), ['Other', 'Friend']);
});

test('a database that fails for a while holds messages up no longer than it does', async (t) => {
  const tries = [];
  let works = false;
  const { page } = await member(t, 'Patient', {
    prepare: (context) =>
      context.routeWebSocket('**/ws', (near) => {
        const far = near.connectToServer();
        near.onMessage((data) => {
          const { type, id } = JSON.parse(data);
          if (type === 'chat') tries.push(performance.now());
          if (type !== 'chat' || works) far.send(data);
          else
            near.send(
              JSON.stringify({ type: 'error', id, code: 'unavailable', content: 'later', retryable: true }),
            );
        });
      }),
  });
  await find(page, 'Friend');
  await say(page, 'held up');
  await page.getByText('The server can’t store messages at the moment.').waitFor();
  await until('eight tries', () => tries.length >= 8, 240_000);
  const waits = tries.slice(1).map((at, i) => at - tries[i]);
  assert.ok(Math.max(...waits) < 6000, `waits of ${waits.map(Math.round).join(', ')} ms`);
  const before = tries.length;
  works = true;
  await page.locator('.banner', { hasText: 'can’t store' }).getByRole('button', { name: 'Try now' }).click();
  await until('another try', () => tries.length > before, 800);
  await fate(page, 'held up', 'sent');
  await page.locator('.banner').waitFor({ state: 'detached' });
});

for (const [locale, pattern, number] of [
  ['fr-FR', /^\d\d:\d\d$/, /Too long: 16\s386 of 16\s384/],
  ['en-US', /^\d\d:\d\d [AP]M$/, /Too long: 16,386 of 16,384/],
]) {
  test(`the hour and numbers are as a browser in ${locale} writes them, the words the page’s`, async (t) => {
    const { page } = await member(t, `In ${locale}`, { locale });
    await find(page, 'Friend');
    await say(page, 'what time is it');
    await fate(page, 'what time is it', 'sent');
    assert.match(await bubble(page, 'what time is it').locator('time').textContent(), pattern);
    assert.match(await page.locator('a.conversation time').textContent(), pattern);
    await page.locator('.composer textarea').fill('好'.repeat(5462));
    await page.getByText(number).waitFor();
  });
}

test('a date of another year has its year', async (t) => {
  const year = new Date().getUTCFullYear();
  const shift = Date.parse(`${year + 1}-01-10T12:00:00Z`) - Date.now();
  const reader = await server.account('New Year');
  await server.post('/api/messages', { to_user_id: reader.user_id, content: 'last year' }, friend.token);
  const { page } = await member(t, 'New Year', {
    shift,
    // The server is in the new year, too.
    prepare: (context) =>
      context.routeWebSocket('**/ws', (near) => {
        const far = near.connectToServer();
        far.onMessage((data) => {
          const frame = JSON.parse(data);
          if (frame.type === 'welcome') {
            frame.server_time = new Date(Date.parse(frame.server_time) + shift).toISOString();
            frame.token_expires_at = new Date(Date.parse(frame.token_expires_at) + shift).toISOString();
          }
          near.send(JSON.stringify(frame));
        });
      }),
  });
  await page.locator('a.conversation', { hasText: 'last year' }).click();
  await bubble(page, 'last year').waitFor();
  assert.match(await page.locator('.day').textContent(), new RegExp(`${year}`));
  assert.match(await page.locator('a.conversation time').textContent(), new RegExp(`${year}`));
});

test('nothing went wrong in any page', () => {
  assert.deepEqual(errors, []);
});
