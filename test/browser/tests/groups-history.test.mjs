// What one sees of a group's past: who joins late, who was away for long, and who came back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bubble, fate, launch, person, say, startServer, texts, until } from '../harness.mjs';
import { startLine } from '../line.mjs';

let server;
let browser;
let line;
let cem;

before(async () => {
  server = await startServer();
  browser = await launch();
  line = await startLine(server);
  cem = await server.account('Cem');
});
after(async () => {
  await line?.end();
  await browser?.close();
  await server?.end();
});

async function ask(method, path, body) {
  const headers = {
    authorization: `Bearer ${cem.token}`,
    ...(body && { 'content-type': 'application/json' }),
  };
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  assert.ok(answer.ok, `${method} ${path} ${answer.status}`);
  return (await answer.json()).data;
}
const make = async (body) => (await ask('POST', '/api/conversations', body)).conversation_id;
async function tell(id, from, to) {
  for (let n = from; n <= to; n += 25)
    await Promise.all(
      Array.from({ length: Math.min(25, to - n + 1) }, (_, i) =>
        ask('POST', '/api/messages', { conversation_id: id, content: `number ${n + i}` }),
      ),
    );
}
const rows = (page) => page.locator('.row');
const toTop = (page) =>
  page.locator('.scroller').evaluate((box) => {
    box.scrollTop = 0;
  });

test('who joins where newcomers see what is new has nothing above it, and who returns a gap that isn’t seen', async (t) => {
  const ana = await person(browser, server, 'Ana');
  t.after(() => ana.context.close());
  const id = await make({ title: 'From now on', history: 'joining' });
  await tell(id, 1, 260);
  await ask('POST', `/api/conversations/${id}/members`, { user_ids: [ana.user_id] });
  await tell(id, 261, 262);
  const { page } = ana;
  const entry = page.locator('a.conversation', { hasText: 'From now on' });
  await entry.locator('.badge').getByText('2', { exact: true }).waitFor();
  await entry.click();
  await bubble(page, 'number 262').waitFor();
  const seen = async () => (await texts(page)).toSorted();
  assert.deepEqual(await seen(), ['number 261', 'number 262']);
  await until('nothing to stand above', async () => (await rows(page).count()) === 3);

  await ask('DELETE', `/api/conversations/${id}/members/${ana.user_id}`);
  await page.getByText('You are not a member any more.').waitFor();
  await tell(id, 263, 500);
  await ask('POST', `/api/conversations/${id}/members`, { user_ids: [ana.user_id] });
  await tell(id, 501, 501);
  await bubble(page, 'number 501').waitFor();
  await until('both parts', async () => (await rows(page).count()) === 6);
  assert.deepEqual(await seen(), ['number 261', 'number 262', 'number 501']);
  await say(page, 'here again');
  await fate(page, 'here again', 'sent');

  // And so on a device that knows nothing.
  const other = await browser.newContext({ locale: 'en-GB' });
  t.after(() => other.close());
  const fresh = await other.newPage();
  await fresh.goto(`${server.origin}/#/c/${id}`);
  await fresh.getByLabel('Name').fill('Ana');
  await fresh.getByLabel('Password', { exact: true }).fill(ana.password);
  await fresh.locator('button.primary').click();
  await bubble(fresh, 'here again').waitFor();
  await until('what may be seen', async () => (await texts(fresh)).length === 4);
  await toTop(fresh);
  await until('nothing else', async () => (await rows(fresh).count()) === 7);
  assert.deepEqual(ana.errors, []);
});

test('who was away for more than a thousand messages has the last ones at once, and the others where they look', async (t) => {
  const ben = await person(browser, server, 'Ben', { origin: line.origin });
  t.after(() => ben.context.close());
  const { page } = ben;
  const id = await make({ title: 'Much to say', user_ids: [ben.user_id] });
  await tell(id, 1, 3);
  const entry = page.locator('a.conversation', { hasText: 'Much to say' });
  await entry.locator('.badge').getByText('3', { exact: true }).waitFor();
  line.cut();
  await page.locator('.banner', { hasText: 'No connection' }).waitFor();
  await tell(id, 4, 1300);
  line.mend();
  await page.evaluate(() => document.querySelector('.banner .link')?.click());
  await entry.getByText('number 1300').waitFor();
  await entry.locator('.badge').getByText('999+', { exact: true }).waitFor();
  await entry.click();
  // It opens where the unread ones begin, in the hole: what is there is read.
  await bubble(page, 'number 4').waitFor();
  await page.getByRole('button', { name: 'Jump to the newest' }).click();
  await bubble(page, 'number 1300').waitFor();
  await entry.locator('.badge').waitFor({ state: 'detached' });
  await toTop(page);
  await bubble(page, 'number 1').waitFor();
  await page.getByText('Cem added you').waitFor();
  await page.locator('.scroller').evaluate((box) => {
    box.scrollTop = box.scrollHeight / 2;
  });
  await until('the middle', async () => (await texts(page)).some((text) => /^number [67]\d\d$/.test(text)));
  assert.deepEqual(ben.errors, []);
});

test('what is written without a line goes into its group later, and a draft stays its own', async (t) => {
  const dan = await person(browser, server, 'Dan', { origin: line.origin });
  t.after(() => dan.context.close());
  const { page } = dan;
  for (const title of ['One', 'Two']) await make({ title, user_ids: [dan.user_id] });
  await page.locator('a.conversation', { hasText: 'One' }).click();
  line.cut();
  await page.locator('.banner', { hasText: 'No connection' }).waitFor();
  await say(page, 'for the first');
  await page.locator('a.conversation', { hasText: 'Two' }).click();
  await page.locator('.composer textarea').fill('not sent yet');
  await page.locator('a.conversation', { hasText: 'One' }).click();
  await page.locator('a.conversation', { hasText: 'Draft: not sent yet' }).waitFor();
  line.mend();
  await page.evaluate(() => document.querySelector('.banner .link')?.click());
  await fate(page, 'for the first', 'sent');
  await page.reload();
  await page.locator('a.conversation', { hasText: 'You: for the first' }).waitFor();
  await page.locator('a.conversation', { hasText: 'Draft: not sent yet' }).waitFor();
  const { data } = await server.get('/api/conversations', cem.token);
  const { last_message: last } = data.conversations.find(({ group }) => group?.title === 'One');
  assert.equal(last.content, 'for the first');
  assert.deepEqual(dan.errors, []);
});
