// Groups and channels in the page: Ana on a phone, Ben on a desktop, others over HTTP.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  composer,
  fate,
  launch,
  open,
  person,
  phone,
  say,
  signIn,
  startServer,
  texts,
  until,
  violations,
} from '../harness.mjs';

let server;
let browser;
let ana;
let ben;
let cem;
let dora;

before(async () => {
  server = await startServer();
  browser = await launch();
  ana = await person(browser, server, 'Ana', phone);
  ben = await person(browser, server, 'Ben', { viewport: { width: 1280, height: 800 } });
  cem = await server.account('Cem');
  dora = await server.account('Dora');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const dialog = (page) => page.locator('dialog');
const press = (page, name, exact = true) => dialog(page).getByRole('button', { name, exact }).click();
const close = (page) => press(page, 'Close');
const row = (page, title) => page.locator('a.conversation', { hasText: title });
const lines = (page) => page.locator('.row.event .line').allTextContents();
const line = (page, text) => page.locator('.row.event', { hasText: text }).last().waitFor();
const isNarrow = (page) => page.evaluate(() => document.querySelector('dialog').scrollWidth <= innerWidth);
const toList = (page) => page.getByRole('button', { name: /^(Back to conversations|返回)/ }).click();
async function about(page, title) {
  await page.locator('.thread-head').getByRole('button', { name: title, exact: true }).click();
  await dialog(page).getByRole('region', { name: 'People' }).locator('li').first().waitFor();
}
/** Opens what can be done about somebody of a group. */
const unfold = (page, name) => dialog(page).locator('summary', { hasText: name }).click();

/** The number of a group, as somebody's list has it. */
async function numberOf(who, title) {
  const { data } = await server.get('/api/conversations', who.token);
  return data.conversations.find(({ group }) => group?.title === title).conversation_id;
}
const tell = (who, conversation_id, content) =>
  server.post('/api/messages', { conversation_id, content }, who.token);

test('a group is made in the page, and is there for those who were added', async () => {
  await ana.page.getByRole('button', { name: 'New conversation' }).first().click();
  await press(ana.page, 'New group');
  await press(ana.page, 'Create');
  await dialog(ana.page).getByText('Enter a title.').waitFor();
  await dialog(ana.page).getByLabel('Title').fill('Climbers');
  await dialog(ana.page).getByLabel('Ben').check();
  await dialog(ana.page).getByLabel('Search people').fill('ce');
  await dialog(ana.page).getByLabel('Cem').check();
  await dialog(ana.page).getByRole('list', { name: '2 people chosen' }).waitFor();
  assert.deepEqual(await violations(ana.page), []);
  assert.ok(await isNarrow(ana.page));
  await press(ana.page, 'Create');
  await line(ana.page, 'You added Ben and Cem');
  await line(ana.page, 'You made “Climbers”');
  assert.deepEqual(await lines(ana.page), ['You made “Climbers”', 'You added Ben and Cem']);
  await row(ben.page, 'Ana added you and Cem').waitFor();
  assert.equal(await row(ben.page, 'Climbers').locator('.badge').count(), 0, 'an event is no unread message');
  assert.equal(await ben.page.title(), 'Chat');
});

test('messages of several people have their names; each sender’s stand together', async () => {
  const id = await numberOf(ana, 'Climbers');
  await say(ana.page, 'Who comes tonight?');
  await fate(ana.page, 'Who comes tonight?', 'sent');
  for (const text of ['I do', 'and bring chalk']) await tell(cem, id, text);
  await bubble(ana.page, 'and bring chalk').waitFor();
  await row(ben.page, 'Cem: and bring chalk').locator('.badge').getByText('3', { exact: true }).waitFor();
  await row(ben.page, 'Climbers').click();
  await bubble(ben.page, 'Who comes tonight?').waitFor();
  await say(ben.page, 'Me too');
  await bubble(ana.page, 'Me too').waitFor();
  assert.deepEqual(await texts(ana.page), ['Who comes tonight?', 'I do', 'and bring chalk', 'Me too']);
  const named = (page) =>
    page
      .locator('.row')
      .evaluateAll((rows) => rows.map((one) => one.querySelector('.author bdi')?.textContent));
  assert.deepEqual(
    (await named(ana.page)).filter(Boolean),
    ['Cem', 'Ben'],
    'a name stands above the first of somebody’s',
  );
  assert.deepEqual((await named(ben.page)).filter(Boolean), ['Ana', 'Cem']);
  assert.deepEqual(await violations(ben.page), []);
  await row(ben.page, 'You: Me too').waitFor();
});

test('who has a message of one’s own, and who has read it, is told on a tap', async () => {
  const id = await numberOf(ana, 'Climbers');
  await composer(ana.page).blur();
  await bubble(ana.page, 'Who comes tonight?').locator('.bubble').tap();
  await ana.page.getByRole('menuitem', { name: 'Who has read it' }).click();
  const part = (name) => dialog(ana.page).getByRole('region', { name });
  await part('Read by 1').getByText('Ben').waitFor();
  assert.deepEqual(await violations(ana.page), []);
  await close(ana.page);
  await server.post(`/api/conversations/${id}/read`, { seq: 6 }, cem.token);
  await bubble(ana.page, 'Who comes tonight?').locator('.bubble').tap();
  await ana.page.getByRole('menuitem', { name: 'Who has read it' }).click();
  await part('Read by 2').getByText('Cem').waitFor();
  await close(ana.page);
  // Of others' messages there is nothing to tell.
  await bubble(ana.page, 'Me too').locator('.bubble').tap();
  await ana.page.getByRole('menuitem', { name: 'Copy text' }).waitFor();
  assert.equal(await ana.page.getByRole('menuitem', { name: 'Who has read it' }).count(), 0);
  await ana.page.keyboard.press('Escape');
  await dialog(ana.page).waitFor({ state: 'detached' });
});

const topic = 'Ropes, chalk and who drives on Thursdays; صخر و حبال, and 抱石 at the hall by the river';
test('somebody is added by a member; a group is renamed and given a topic, and only moderators write', async () => {
  await about(ben.page, 'Climbers');
  await press(ben.page, 'Add people');
  await dialog(ben.page).getByLabel('Dora').check();
  await press(ben.page, 'Add');
  await dialog(ben.page)
    .getByRole('region', { name: 'People' })
    .locator('bdi', { hasText: 'Dora' })
    .waitFor();
  await close(ben.page);
  await line(ana.page, 'Ben added Dora');
  // Whoever listens hears it, too.
  await ana.page.locator('[role=log].vh').getByText('Ben added Dora').waitFor({ state: 'attached' });
  await ana.page.getByText('4 members').waitFor();
  const { data } = await server.get('/api/conversations', dora.token);
  assert.equal(data.conversations[0].group.title, 'Climbers');

  await about(ana.page, 'Climbers');
  assert.ok(await isNarrow(ana.page));
  assert.deepEqual(await violations(ana.page), []);
  await dialog(ana.page).getByLabel('Title').fill('Boulderers');
  await press(ana.page, 'Save');
  await dialog(ana.page).locator('.title', { hasText: 'Boulderers' }).waitFor();
  await dialog(ana.page).getByLabel('Topic').fill('x'.repeat(251));
  await press(ana.page, 'Save');
  await dialog(ana.page).getByText('The topic has at most 250 characters; this one has 251.').waitFor();
  await dialog(ana.page).getByLabel('Topic').fill(topic);
  await press(ana.page, 'Save');
  await dialog(ana.page).locator('.topic', { hasText: topic }).waitFor();
  assert.deepEqual(await violations(ana.page), []);
  await dialog(ana.page).getByRole('group', { name: 'Who may write' }).getByLabel('Moderators').check();
  await ben.page.getByText('Only moderators write here.').waitFor();
  assert.equal(await composer(ben.page).count(), 0);
  await dialog(ana.page).getByRole('group', { name: 'Who may write' }).getByLabel('Everybody').check();
  await composer(ben.page).waitFor();
  await close(ana.page);
  await line(ana.page, 'You renamed it to “Boulderers”');
  await line(ana.page, `You changed the topic to “${topic}”`);
  await line(ana.page, 'You let everybody write');
  await row(ben.page, 'Boulderers').waitFor();
  // Under the title there is as much of it as there is room for.
  for (const { page } of [ana, ben]) {
    const status = page.locator('.thread-head .status', { hasText: `4 members · Topic: ${topic}` });
    await status.waitFor();
    assert.equal(await status.evaluate((line) => line.clientHeight), 18);
  }
  assert.deepEqual(await violations(ana.page), []);
  assert.ok(await ana.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
});

test('who is removed in mid-conversation reads what was, and gets nothing more', async () => {
  const id = await numberOf(ana, 'Boulderers');
  await composer(ben.page).fill('I was about to say');
  await about(ana.page, 'Boulderers');
  await unfold(ana.page, 'Ben');
  await press(ana.page, 'Remove Ben');
  await dialog(ana.page).getByText('Ben gets nothing any more').waitFor();
  await press(ana.page, 'Remove Ben');
  await dialog(ana.page).locator('summary', { hasText: 'Ben' }).waitFor({ state: 'detached' });
  await close(ana.page);
  await line(ben.page, 'Ana removed you');
  await ben.page.getByText('You are not a member any more.').waitFor();
  assert.equal(await composer(ben.page).count(), 0);
  await tell(cem, id, 'without Ben');
  await bubble(ana.page, 'without Ben').waitFor();
  await ben.page.reload();
  await line(ben.page, 'Ana removed you');
  await bubble(ben.page, 'Me too').waitFor();
  assert.equal(await bubble(ben.page, 'without Ben').count(), 0);
  assert.deepEqual(await violations(ben.page), []);
  const before = await texts(ben.page);

  // And comes back: with `all`, to all of it.
  await server.post(`/api/conversations/${id}/members`, { user_ids: [ben.user_id] }, ana.token);
  await line(ben.page, 'Ana added you');
  await composer(ben.page).waitFor();
  await until('what was said meanwhile', async () => (await texts(ben.page)).includes('without Ben'));
  assert.ok((await texts(ben.page)).length > before.length);
  await say(ben.page, 'back again');
  await bubble(ana.page, 'back again').waitFor();
});

test('the last owner hands over before leaving; what was written stays', async () => {
  await about(ana.page, 'Boulderers');
  await press(ana.page, 'Leave');
  await press(ana.page, 'Leave');
  await dialog(ana.page).getByText('Nobody else is an owner. Make somebody one first.').waitFor();
  await unfold(ana.page, 'Cem');
  await press(ana.page, 'Make an owner Cem');
  await dialog(ana.page).locator('summary', { hasText: 'Cem' }).getByText('owner').waitFor();
  await press(ana.page, 'Leave');
  await dialog(ana.page).waitFor({ state: 'detached' });
  await ana.page.getByText('You are not a member any more.').waitFor();
  await line(ben.page, 'Ana left');
  await line(ben.page, 'Ana made Cem an owner');
  await bubble(ana.page, 'back again').waitFor();
  await toList(ana.page);
  await row(ana.page, 'You left').waitFor();
});

test('a channel is found and joined by oneself, in Chinese too', async () => {
  await ana.page.getByRole('button', { name: 'New conversation' }).first().click();
  await press(ana.page, 'New group');
  await dialog(ana.page).getByLabel('Title').fill('Weather and wind');
  await dialog(ana.page).getByLabel('Channel').check();
  await dialog(ana.page).getByText('A channel is listed').waitFor();
  await press(ana.page, 'Create');
  await say(ana.page, 'Storm tomorrow');
  await fate(ana.page, 'Storm tomorrow', 'sent');
  await about(ana.page, 'Weather and wind');
  await dialog(ana.page).getByLabel('Topic').fill('Forecasts');
  await press(ana.page, 'Save');
  await dialog(ana.page).locator('.topic', { hasText: 'Forecasts' }).waitFor();
  await close(ana.page);

  await ben.page.getByRole('button', { name: 'Settings' }).click();
  await ben.page.locator('select').selectOption('zh');
  await dialog(ben.page).getByRole('button', { name: '关闭' }).click();
  await line(ben.page, 'Ana 离开了');
  await ben.page.getByRole('button', { name: '新会话' }).first().click();
  await press(ben.page, '频道');
  await dialog(ben.page).getByRole('searchbox').fill('wind');
  await dialog(ben.page).getByText('1 位成员').waitFor();
  await dialog(ben.page).locator('.topic', { hasText: '主题： Forecasts' }).waitFor();
  assert.deepEqual(await violations(ben.page), []);
  await press(ben.page, '加入 Weather and wind');
  await bubble(ben.page, 'Storm tomorrow').waitFor();
  await line(ben.page, '你 加入了');
  await line(ben.page, 'Ana 将主题改为“Forecasts”');
  await line(ana.page, 'Ben joined');
  await say(ben.page, '收到');
  await bubble(ana.page, '收到').waitFor();
  await ben.page.locator('.thread-head .who button').click();
  await dialog(ben.page).getByRole('region', { name: '成员' }).getByText('所有者').waitFor();
  assert.ok(await isNarrow(ben.page));
  await dialog(ben.page).getByRole('button', { name: '关闭' }).click();
});

test('a channel that one comes into between the list and what follows it is there', async () => {
  const { page } = await open(browser, server.origin);
  await page.route(/conversations\?limit=\d+&hidden=true$/, async (route) => {
    const response = await route.fetch();
    await server.post('/api/conversations', { title: 'Meanwhile', kind: 'channel' }, cem.token);
    await route.fulfill({ response });
  });
  await signIn(page, cem);
  await row(page, 'Meanwhile').waitFor();
  await page.context().close();
});

test('an address of a group that isn’t there says so', async () => {
  await ana.page.goto(`${server.origin}/#/c/987654`);
  await ana.page.getByText('No group is here').waitFor();
  assert.equal(await composer(ana.page).count(), 0);
  assert.deepEqual(await violations(ana.page), []);
});

test('nothing went wrong in either page', () => {
  assert.deepEqual([...ana.errors, ...ben.errors], []);
});
