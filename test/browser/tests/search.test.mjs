import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bubble, launch, open, person, phone, signIn, startServer, until, violations } from '../harness.mjs';

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function member(t, name, options) {
  const opened = await person(browser, server, name, options);
  t.after(() => opened.context.close());
  return opened;
}
const dialog = (page) => page.locator('dialog[open]');
const field = (page) => dialog(page).getByRole('searchbox');
const hits = (page) => dialog(page).locator('a.hit');
const picture = (page, name) =>
  process.env.PICTURES ? page.screenshot({ path: `${process.env.PICTURES}/${name}.png` }) : undefined;

/** Says something as somebody. */
async function send(from, to, content) {
  const { data } = await server.post('/api/messages', { to_user_id: to.user_id, content }, from.token);
  return data;
}
/** Until what was said last is found, all before it is. */
const indexed = (who, word) =>
  until('the last message to be indexed', async () => {
    const { data } = await server.get(`/api/search?query=${encodeURIComponent(word)}`, who.token);
    return data.messages.length > 0;
  });

/** Two who have talked for long. */
async function talkers(t, name, options) {
  const friend = await server.account(`${name} Friend`);
  const me = await member(t, name, options);
  await send(friend, me, 'the very first: a grapefruit and its peel');
  for (let i = 0; i < 150; i++) await send(i % 2 ? friend : me, i % 2 ? me : friend, `message ${i} of many`);
  await send(me, friend, 'Grâpefruits, again — 柚子很好吃');
  await indexed(me, 'again');
  return { me, friend };
}

test('people, conversations and messages are found by keyboard, and a message where it stands', async (t) => {
  const { me } = await talkers(t, 'Searcher');
  const { page, errors } = me;
  await server.post('/api/conversations', { title: 'Grapefruit growers' }, me.token);
  await server.account('Grapefruit Gina');
  await page.getByText('Grapefruit growers').first().waitFor();
  await page.locator('.pick').click();
  await page.keyboard.press('/');
  await page.getByRole('heading', { name: 'Search', exact: true }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.type('grapefruit');
  await hits(page).nth(1).waitFor();
  assert.deepEqual(await dialog(page).locator('.results h3').allTextContents(), [
    'People',
    'Conversations',
    'Messages',
  ]);
  assert.deepEqual(await dialog(page).locator('.person .name').allTextContents(), [
    'Grapefruit Gina',
    'Grapefruit growers',
  ]);
  // The very accents first.
  assert.deepEqual(await hits(page).locator('mark').allTextContents(), ['grapefruit', 'Grâpefruit']);
  assert.equal(await dialog(page).getByRole('status').textContent(), '2 messages found.');
  assert.deepEqual(await violations(page), []);
  await picture(page, 'search-desktop');
  for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowDown');
  assert.match(await page.evaluate(() => document.activeElement.textContent), /very first/);
  await page.keyboard.press('Enter');
  await dialog(page).waitFor({ state: 'detached' });
  const row = bubble(page, 'the very first');
  await row.waitFor();
  await page.locator('.row.sought', { hasText: 'the very first' }).waitFor();
  await page.waitForFunction(() =>
    document.activeElement?.closest('.row')?.textContent.includes('the very first'),
  );
  const box = await row.boundingBox();
  const log = await page.locator('.scroller').boundingBox();
  assert.ok(box.y >= log.y && box.y + box.height <= log.y + log.height, 'it is in view');
  await picture(page, 'search-jumped');
  // In the same thread, from its end.
  await page.getByRole('button', { name: 'Search this conversation' }).click();
  await field(page).fill('“message 77”');
  await hits(page).first().waitFor();
  assert.equal(await hits(page).count(), 1);
  assert.equal(await dialog(page).getByRole('radio', { name: 'Searcher Friend' }).isChecked(), true);
  await field(page).press('Enter');
  await page.locator('.row.sought', { hasText: 'message 77 of many' }).waitFor();
  assert.deepEqual(errors, []);
});

test('it can be narrowed down, goes on, and says when there is nothing or too little', async (t) => {
  const { me, friend } = await talkers(t, 'Narrower');
  const { page } = me;
  await page.keyboard.press('Control+k');
  await field(page).fill('message');
  await hits(page).nth(19).waitFor();
  assert.match(
    await dialog(page).getByRole('status').textContent(),
    /^20 messages found so far\. Searched back to Today\.$/,
  );
  await dialog(page).getByRole('button', { name: 'Search on' }).click();
  await hits(page).nth(39).waitFor();
  await dialog(page).getByText('Narrow down').click();
  await dialog(page).getByLabel('Written by').selectOption(String(friend.user_id));
  await field(page).fill('grapefruit');
  await hits(page).first().waitFor();
  assert.equal(await hits(page).count(), 1);
  await picture(page, 'search-narrowed');
  await dialog(page).getByLabel('Until').fill('2020-01-01');
  await dialog(page).getByText('Nothing was found.').waitFor();
  await dialog(page).getByLabel('Until').fill('');
  await field(page).fill('g');
  await dialog(page).getByText('Type two letters or more').waitFor();
});

test('in a group, who is in it is offered as writer, met before or not', async (t) => {
  const me = await member(t, 'Groupsearcher');
  const [silent, loud] = [await member(t, 'Silent Sam'), await member(t, 'Loud Lou')];
  const { data } = await server.post(
    '/api/conversations',
    { title: 'Orchard', user_ids: [silent.user_id, loud.user_id] },
    me.token,
  );
  const { conversation_id } = data;
  await server.post('/api/messages', { conversation_id, content: 'a plum of Lou' }, loud.token);
  await server.post('/api/messages', { conversation_id, content: 'a plum of mine' }, me.token);
  await indexed(me, 'mine');
  const { page } = me;
  await page.getByRole('link', { name: /Orchard/ }).click();
  await bubble(page, 'a plum of mine').waitFor();
  await page.keyboard.press('Control+k');
  await field(page).fill('plum');
  await hits(page).nth(1).waitFor();
  await dialog(page).getByRole('radio', { name: 'Orchard' }).check();
  await dialog(page).getByText('Narrow down').click();
  const writers = dialog(page).getByLabel('Written by');
  await until('the others to be offered', async () => (await writers.locator('option').count()) === 4);
  assert.deepEqual((await writers.locator('option').allTextContents()).slice(2), ['Loud Lou', 'Silent Sam']);
  await writers.selectOption('Loud Lou');
  await until('it to be narrowed down', async () => (await hits(page).count()) === 1);
  assert.match(await hits(page).first().textContent(), /a plum of Lou/);
});

test('on a phone it is a view of its own, and recent searches are kept until one signs out', async (t) => {
  const { me } = await talkers(t, 'Phoner', phone);
  const { page, context } = me;
  await page.locator('#search').fill('柚');
  await page.getByRole('button', { name: 'Search messages for “柚”' }).click();
  await hits(page).first().waitFor();
  assert.deepEqual(await hits(page).locator('mark').allTextContents(), ['柚']);
  assert.deepEqual(await dialog(page).boundingBox(), { x: 0, y: 0, width: 390, height: 844 });
  assert.deepEqual(await violations(page), []);
  await picture(page, 'search-phone');
  await field(page).fill('grape');
  await hits(page).nth(1).waitFor();
  await picture(page, 'search-phone-2');
  await hits(page).first().tap();
  await page.locator('.row.sought', { hasText: 'the very first' }).waitFor();
  await picture(page, 'search-phone-jumped');
  await page.reload();
  await page.getByRole('button', { name: 'Search this conversation' }).click();
  await dialog(page).getByRole('button', { name: 'grape' }).waitFor();
  await picture(page, 'search-phone-recent');
  await dialog(page).getByRole('button', { name: 'grape' }).tap();
  await hits(page).nth(1).waitFor();
  await page.goBack();
  await dialog(page).waitFor({ state: 'detached' });
  await page.goBack();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Name', { exact: true }).waitFor();
  await signIn(page, { username: me.username, password: me.password });
  await page.locator('#search').fill('x');
  await page.getByRole('button', { name: 'Search messages for' }).click();
  await field(page).fill('');
  await dialog(page).getByText('Finds people, conversations and messages').waitFor();
  assert.equal(await dialog(page).getByText('Recent searches').count(), 0);
  await context.close();
});

test('it speaks Chinese', async (t) => {
  const account = await server.account('小明');
  await send(account, account, '去北京吃烤鸭');
  await indexed(account, '烤鸭');
  const opened = await open(browser, server.origin, { ...phone, locale: 'zh-CN' });
  t.after(() => opened.context.close());
  const { page } = opened;
  await signIn(page, account);
  await page.locator('#search').fill('京');
  await page.getByRole('button', { name: '在消息中搜索“京”' }).click();
  await hits(page).first().waitFor();
  assert.equal(await dialog(page).getByRole('status').textContent(), '找到 1 条消息。');
  await picture(page, 'search-phone-zh');
  assert.deepEqual(opened.errors, []);
});
