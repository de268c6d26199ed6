// Mentions in the page: chosen while one types, marked, counted and jumped to. Ana on a desktop, Ben on a phone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  composer,
  fate,
  launch,
  person,
  phone,
  say,
  startServer,
  until,
  violations,
} from '../harness.mjs';

let server;
let browser;
let ana;
let ben;
let wei;
let group;

before(async () => {
  server = await startServer();
  browser = await launch();
  ana = await person(browser, server, 'Ana', { viewport: { width: 1280, height: 800 } });
  ben = await person(browser, server, 'Ben', { ...phone, locale: 'zh-CN' });
  wei = await server.account('张伟');
  const dora = await server.account('Dora Lind');
  const user_ids = [ben, wei, dora].map(({ user_id }) => user_id);
  const { data } = await server.post('/api/conversations', { title: 'Climbers', user_ids }, ana.token);
  group = data.conversation_id;
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const row = (page, title) => page.locator('a.conversation', { hasText: title });
const options = (page) => page.getByRole('option');
const offered = async (page) => (await options(page).locator('bdi').allTextContents()).join();
const offers = (page, names) => until(`${names} to be offered`, async () => (await offered(page)) === names);
const tell = (who, content, beside = {}) =>
  server.post('/api/messages', { conversation_id: group, content, ...beside }, who.token);
const newest = async () => {
  const { data } = await server.get(`/api/conversations/${group}/messages?limit=1`, ana.token);
  return data.messages[0];
};
const marks = (page, text) => bubble(page, text).locator('.mention').allTextContents();

test('who is meant is found by any word of a name, in any script, and chosen with the keys', async () => {
  const { page } = ana;
  await row(page, 'Climbers').click();
  await composer(page).pressSequentially('hello @');
  await options(page).nth(3).waitFor();
  assert.equal(await composer(page).getAttribute('aria-activedescendant'), 'mention-0');
  assert.deepEqual(await violations(page), []);
  await page.keyboard.type('LI');
  await offers(page, 'Dora Lind');
  await page.keyboard.press('Tab');
  assert.equal(await composer(page).inputValue(), 'hello @Dora Lind ');
  await page.keyboard.type('and@张');
  assert.equal(await options(page).count(), 0, 'an @ in the middle of a word is an address');
  await page.keyboard.type(' @伟');
  await offers(page, '张伟');
  await page.keyboard.press('Escape');
  await offers(page, '');
  assert.equal(await composer(page).count(), 1, 'the conversation stays open');
  await page.keyboard.press('Backspace');
  await page.keyboard.press('Backspace');
  await page.keyboard.type('@');
  await options(page).nth(1).waitFor();
  await page.keyboard.press('ArrowUp');
  await page.locator('[role=option][aria-selected=true]').getByText('all', { exact: true }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.locator('[role=option]').nth(1).and(page.locator('[aria-selected=true]')).waitFor();
  await page.keyboard.press('Escape');
  await composer(page).fill('');
});

test('ids ride beside the text: of who was taken out of it, none does', async () => {
  const { page } = ana;
  await composer(page).pressSequentially('@do');
  await offers(page, 'Dora Lind');
  await page.keyboard.press('Enter');
  await page.keyboard.type('@be');
  await offers(page, 'Ben');
  await page.keyboard.press('Enter');
  // As an input method writes it, at once.
  await page.keyboard.insertText('@张伟你好');
  // What was begun is kept with whom it means.
  await page.reload();
  await until('the draft', async () => (await composer(page).inputValue()) === '@Dora Lind @Ben @张伟你好');
  await composer(page).fill('@Ben @张伟你好 anD @Dora');
  await page.keyboard.press('Enter');
  await fate(page, '你好', 'sent');
  const sent = await newest();
  assert.deepEqual(sent.mentions, [ben.user_id, wei.user_id]);
  assert.equal(sent.content, '@Ben @张伟你好 anD @Dora');
  assert.deepEqual(await marks(page, '你好'), ['@Ben', '@张伟']);
});

test('a finger chooses, too; all are mentioned in the language of the page', async () => {
  const { page } = ben;
  await row(page, 'Climbers').locator('.badge.at').getByText('@').waitFor();
  assert.equal(await page.title(), '(@1 · 1) 聊天');
  await row(page, 'Climbers').tap();
  assert.equal(await bubble(page, '你好').locator('mark.mention').textContent(), '@Ben');
  await composer(page).tap();
  await composer(page).pressSequentially('@所');
  await offers(page, '所有人');
  await options(page).first().tap();
  assert.ok(await composer(page).evaluate((field) => field === document.activeElement));
  await composer(page).pressSequentially('来');
  await page.locator('.send').tap();
  await fate(page, '所有人', 'sent');
  assert.equal((await newest()).mention_all, true);
  assert.deepEqual(await violations(page), []);
  assert.equal(await bubble(ana.page, '所有人').locator('mark.mention').textContent(), '@所有人');
});

test('mentions are counted apart; the line above what is new says how many, and one goes from one to the next', async () => {
  const { page } = ben;
  await page.locator('.back').tap();
  const at = { mentions: [ben.user_id] };
  for (let n = 1; n <= 70; n++)
    if (n === 35) await tell(wei, 'first @Ben', at);
    else if (n === 60) await tell(wei, 'second @Ben', at);
    else await tell(wei, `number ${n}`);
  await row(page, 'Climbers').locator('.badge.at').getByText('@2').waitFor();
  await row(page, 'Climbers').locator('.badge').getByText('70', { exact: true }).waitFor();
  assert.equal(await page.title(), '(@2 · 70) 聊天');
  await row(page, 'Climbers').tap();
  await page.getByText('以下为新消息 · 2 次提及').waitFor();
  const jump = page.getByRole('button', { name: '下一次提及' });
  const inSight = (text) =>
    until(text, () =>
      bubble(page, text).evaluate((element) => {
        const { top, bottom } = element.getBoundingClientRect();
        return top > 0 && bottom < innerHeight;
      }),
    );
  for (const text of ['first @Ben', 'second @Ben']) {
    await jump.tap();
    await bubble(page, text).waitFor();
    await inSight(text);
  }
  await jump.waitFor({ state: 'detached' });
  await page.locator('.back').tap();
  await row(page, 'Climbers').locator('.badge.at').waitFor({ state: 'detached' });
});

test('who left at a place finds the way to what is new since', async () => {
  const { page } = ben;
  await row(page, 'Climbers').tap();
  await page.locator('.scroller').evaluate((box) => {
    box.scrollTop = 300;
  });
  await page.locator('.newest').waitFor();
  await page.locator('.back').tap();
  await tell(wei, 'something new');
  await row(page, 'Climbers').locator('.badge').waitFor();
  await row(page, 'Climbers').tap();
  await page.getByRole('button', { name: '第一条未读消息' }).tap();
  await bubble(page, 'something new').waitFor();
  await page.locator('.first-unread').waitFor({ state: 'detached' });
  // What comes into sight needs no way to it.
  await tell(wei, 'in sight @Ben', { mentions: [ben.user_id] });
  await bubble(page, 'in sight').waitFor();
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
  assert.equal(await page.locator('.to-mention').count(), 0);
});

test('who has read the last one is told below it, live, and who on a tap', async () => {
  const { page } = ana;
  await say(page, 'Who comes?');
  await fate(page, 'Who comes?', 'sent');
  await page.getByRole('button', { name: 'Read by 1' }).waitFor();
  const { seq } = await newest();
  await server.post(`/api/conversations/${group}/read`, { seq }, wei.token);
  await page.getByRole('button', { name: 'Read by 2' }).click();
  await page.getByRole('region', { name: 'Read by 2' }).getByText('张伟').waitFor();
  await page.keyboard.press('Escape');
});

test('before more than 32 are notified that is asked', async () => {
  const { page } = ana;
  const many = await Promise.all(Array.from({ length: 30 }, (_, n) => server.account(`p${n}`)));
  await server.post(
    `/api/conversations/${group}/members`,
    { user_ids: many.map(({ user_id }) => user_id) },
    ana.token,
  );
  await page.getByText('34 members').waitFor();
  await composer(page).fill('');
  await composer(page).pressSequentially('@all');
  await page.keyboard.press('Enter');
  await page.keyboard.type('wake up');
  await page.keyboard.press('Enter');
  await page.getByRole('alertdialog', { name: 'Notify all 34 members?' }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Cancel' }).click();
  assert.equal(await composer(page).inputValue(), '@all wake up');
  await page.keyboard.press('Enter');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Send' }).click();
  await fate(page, 'wake up', 'sent');
  assert.equal((await newest()).mention_all, true);
});

test('nothing went wrong in either page', () => {
  assert.deepEqual([...ana.errors, ...ben.errors], []);
});
