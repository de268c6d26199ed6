import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
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
  texts,
  until,
  violations,
} from '../harness.mjs';

let server;
let browser;
let ana;
let ben;
let eva;

before(async () => {
  server = await startServer({ EDIT_MINUTES: '30' });
  eva = await server.account('Eva');
  browser = await launch();
  ana = await person(browser, server, 'Ana');
  ben = await person(browser, server, 'Ben', phone);
  for (const { context } of [ana, ben]) context.setDefaultTimeout(10_000);
  await find(ana.page, 'Ben');
  await say(ana.page, 'first');
  await fate(ana.page, 'first', 'delivered');
  await find(ben.page, 'Ana');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

/** The row whose own text that is: a quote of it isn't. */
const row = (page, text) => page.locator('.row', { has: page.locator('.text', { hasText: text }) }).last();
const item = (page, name) => page.getByRole('menuitem', { name, exact: true });
const reaction = (page, text, emoji) => row(page, text).locator('.reaction', { hasText: emoji });

async function menu(page, text) {
  await row(page, text)
    .locator('.bubble')
    .click({ button: 'right', position: { x: 8, y: 8 } });
  await page.locator('[role=menu]').waitFor();
}

test('by keyboard: up edits the last one, Escape leaves it as it is, and what was being written stays', async () => {
  const { page } = ana;
  await composer(page).press('ArrowUp');
  await page.locator('.answering').waitFor();
  assert.equal(await composer(page).inputValue(), 'first');
  await page.keyboard.press('Escape');
  await until('the end of it', async () => (await composer(page).inputValue()) === '');
  await composer(page).press('ArrowUp');
  await page.locator('.answering').waitFor();
  await composer(page).fill('the first');
  await page.keyboard.press('Enter');
  await row(ben.page, 'the first').locator('.edited').waitFor();
  await row(page, 'the first').locator('.edited').waitFor();
  assert.equal(await composer(page).inputValue(), '');
  // The menu of a message by its key, and an emoji of its first row.
  await row(page, 'the first').locator('.more').focus();
  await page.keyboard.press('Shift+F10');
  await page.locator('[role=menu]').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Enter');
  await reaction(ben.page, 'the first', '👍').waitFor();
});

test('by finger: a long press opens the menu, an answer quotes and leads to what it answers', async () => {
  const { page } = ben;
  const box = await row(page, 'the first').locator('.bubble').boundingBox();
  const cdp = await page.context().newCDPSession(page);
  const touchPoints = [{ x: box.x + 20, y: box.y + 10 }];
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints });
  await page.locator('[role=menu]').waitFor();
  await cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await item(page, 'Reply').tap();
  await page.locator('.answering', { hasText: 'the first' }).waitFor();
  await say(page, 'an answer');
  const quote = row(ana.page, 'an answer').locator('.quote');
  await quote.filter({ hasText: 'the first' }).waitFor();
  await quote.click();
  await ana.page.locator('.row.sought', { hasText: 'the first' }).waitFor();
  await menu(ana.page, 'the first');
  await item(ana.page, 'Replies to it').click();
  await ana.page.locator('.found-message', { hasText: 'an answer' }).waitFor();
  await ana.page.keyboard.press('Escape');
});

test('emoji are found in both languages, those of late come first, and a tap says who reacts', async () => {
  const { page } = ana;
  for (const [typed, emoji] of [
    ['火箭', '🚀'],
    ['party popper', '🎉'],
  ]) {
    await menu(page, 'an answer');
    await item(page, 'Another emoji').click();
    await page.locator('.filter').fill(typed);
    await page.locator('.emoji-grid button', { hasText: emoji }).first().waitFor();
    await page.keyboard.press('Enter');
    await reaction(ben.page, 'an answer', emoji).waitFor();
  }
  await menu(page, 'an answer');
  assert.equal(await page.locator('.quick [role=menuitem]').first().textContent(), '🎉');
  await page.keyboard.press('Escape');
  await reaction(ben.page, 'an answer', '🚀').tap();
  await reaction(page, 'an answer', '🚀').filter({ hasText: '2' }).waitFor();
  await row(ben.page, 'an answer').locator('.who-reacts').tap();
  const faces = ben.page.locator('.faces li');
  await faces.nth(2).waitFor();
  assert.deepEqual((await faces.allTextContents()).map((text) => text.slice(0, 4)).sort(), [
    'AAna',
    'AAna',
    'BBen',
  ]);
  await ben.page.keyboard.press('Escape');
  await reaction(page, 'an answer', '🎉').click();
  await reaction(ben.page, 'an answer', '🎉').waitFor({ state: 'detached' });
});

test('without a line an edit, a deletion and a reaction wait behind what they belong to, and go in order', async () => {
  const { page, context } = ana;
  await context.setOffline(true);
  await page.locator('.banner').waitFor();
  await say(page, 'to be edited');
  await say(page, 'to be deleted');
  await composer(page).press('ArrowUp');
  await composer(page).fill('never seen');
  await page.keyboard.press('Enter');
  await row(page, 'never seen').waitFor();
  await menu(page, 'never seen');
  await item(page, 'Delete').click();
  await page.locator('dialog .danger').click();
  await menu(page, 'to be edited');
  await item(page, 'Edit').click();
  await page.locator('.answering').waitFor();
  await composer(page).fill('edited before it was sent');
  await page.keyboard.press('Enter');
  await row(page, 'edited before it was sent').waitFor();
  await menu(page, 'an answer');
  await page.locator('.quick button', { hasText: '🚀' }).click();
  await reaction(page, 'an answer', '🚀').filter({ hasText: '1' }).waitFor();
  // It outlives the page.
  await page.close();
  ana.page = await context.newPage();
  await context.setOffline(false);
  await ana.page.goto(server.origin);
  await ana.page.locator('a.conversation', { hasText: 'Ben' }).click();
  await row(ben.page, 'edited before it was sent').waitFor();
  await until('the deletion', async () => (await texts(ben.page)).at(-1) === 'Deleted message');
  assert.equal(
    (await texts(ben.page)).some((text) => /never seen|to be deleted/.test(text)),
    false,
  );
  await reaction(ben.page, 'an answer', '🚀').filter({ hasText: '1' }).waitFor();
  await until('the list', async () =>
    /Deleted message/.test(await ana.page.locator('span.last').textContent()),
  );
});

test('of two edits the second is shown the first, and asked', async () => {
  const { page } = ana;
  await menu(page, 'edited before');
  await item(page, 'Edit').click();
  await page.locator('.answering').waitFor();
  const { data: list } = await server.get('/api/conversations', ana.token);
  const { conversation_id: id } = list.conversations[0];
  const { data } = await server.get(`/api/conversations/${id}/messages?limit=50`, ana.token);
  const { seq } = data.messages.find(({ content }) => content.startsWith('edited before'));
  await fetch(`${server.origin}/api/conversations/${id}/messages/${seq}`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${ana.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ content: 'edited elsewhere' }),
  });
  await row(page, 'edited elsewhere').waitFor();
  await composer(page).fill('edited here');
  await page.keyboard.press('Enter');
  const refused = row(page, 'edited elsewhere').locator('.refused', { hasText: 'edited here' });
  await refused.waitFor();
  await refused.getByRole('button', { name: 'Put yours in its place' }).click();
  await row(ben.page, 'edited here').waitFor();
  await refused.waitFor({ state: 'detached' });
});

/** Until the text that is edited is in the composer, with the caret behind it: what comes before that would be put beside it. */
const edits = (page, text) =>
  until('the caret', () =>
    composer(page).evaluate(
      (box, said) =>
        box === document.activeElement && box.value === said && box.selectionStart === said.length,
      text,
    ),
  );

test('an edit in progress outlives the page and other conversations, in all tabs, until it is sent or cancelled', async () => {
  const { page, context } = ana;
  await menu(page, 'edited here');
  await item(page, 'Edit').click();
  await edits(page, 'edited here');
  await composer(page).fill('half an edit');
  await server.post('/api/messages', { to_user_id: ana.user_id, content: 'elsewhere' }, eva.token);
  await page.locator('a.conversation', { hasText: 'Eva' }).click();
  await page.locator('a.conversation', { hasText: 'Draft: half an edit' }).click();
  assert.equal(await composer(page).inputValue(), 'half an edit');
  await page.reload();
  await page.locator('.answering', { hasText: 'edited here' }).waitFor();
  assert.equal(await composer(page).inputValue(), 'half an edit');
  const other = await context.newPage();
  await other.goto(page.url());
  await other.locator('.answering').waitFor();
  await composer(other).fill('an edit from another tab');
  await other.close();
  await until('its text', async () => (await composer(page).inputValue()) === 'an edit from another tab');
  await page.close();
  ana.page = await context.newPage();
  await ana.page.goto(server.origin);
  await ana.page.locator('a.conversation', { hasText: 'Ben' }).click();
  await ana.page.locator('.answering', { hasText: 'edited here' }).waitFor();
  await composer(ana.page).press('Enter');
  await row(ben.page, 'an edit from another tab').waitFor();
  await composer(ana.page).press('ArrowUp');
  await edits(ana.page, 'an edit from another tab');
  await composer(ana.page).fill('edited here');
  await ana.page.keyboard.press('Enter');
  await row(ben.page, 'edited here').waitFor();
  await composer(ana.page).press('ArrowUp');
  await edits(ana.page, 'edited here');
  await composer(ana.page).fill('cancelled');
  await ana.page.keyboard.press('Escape');
  await ana.page.reload();
  await composer(ana.page).waitFor();
  await row(ana.page, 'edited here').waitFor();
  assert.equal(await composer(ana.page).inputValue(), '');
  assert.equal(await ana.page.locator('.answering').count(), 0);
});

test('an emoji is written where the caret is, by mouse, by keyboard and by finger', async () => {
  const { page } = ana;
  await composer(page).fill('so good');
  for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowLeft');
  await page.locator('.put-emoji').click();
  await page.locator('dialog .filter').fill('rocket');
  await page.locator('.emoji-grid button', { hasText: '🚀' }).first().click();
  await until('the emoji', async () => (await composer(page).inputValue()) === 'so 🚀good');
  const focused = () => composer(page).evaluate((field) => field === document.activeElement);
  await until('the focus', focused);
  await page.keyboard.type('!');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('dialog .filter').fill('rocket');
  await page.locator('.emoji-grid button', { hasText: '🚀' }).first().waitFor();
  await page.keyboard.press('Enter');
  await until('another one', async () => (await composer(page).inputValue()) === 'so 🚀!🚀good');
  await until('the focus', focused);
  await composer(page).fill('');
  await composer(ben.page).fill('by finger ');
  const { width } = await composer(ben.page).boundingBox();
  assert.ok(width > 300, `${width} wide`);
  await ben.page.locator('.put-emoji').tap();
  await ben.page.locator('.emoji-grid button').first().tap();
  await until('one by finger', async () =>
    /^by finger \p{Emoji}/u.test(await composer(ben.page).inputValue()),
  );
  await composer(ben.page).fill('');
});

test('the caret of an edit is at its end at once, and stays where one puts it when the message is stored meanwhile', async () => {
  const { page, context } = ana;
  const slow = await context.newPage();
  let release;
  await slow.routeWebSocket(/\/ws$/, (ws) => {
    const toServer = ws.connectToServer();
    toServer.onMessage((data) => {
      if (JSON.parse(data).type === 'sent') release = () => ws.send(data);
      else ws.send(data);
    });
  });
  await slow.goto(page.url());
  await row(slow, 'edited here').waitFor();
  await say(slow, 'stored slowly');
  await until('it is stored, which is not said', () => release !== undefined);
  const caret = () =>
    composer(slow).evaluate((field) => [field.value, field.selectionStart, field.selectionEnd]);
  await composer(slow).evaluate(async (field) => {
    field.setSelectionRange(0, 0);
    field.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowUp', bubbles: true, cancelable: true }));
    await new Promise((resolve) => setTimeout(resolve));
    window.begun = [field.value, field.selectionStart];
    field.setSelectionRange(0, 6);
  });
  assert.deepEqual(await slow.evaluate(() => window.begun), ['stored slowly', 13]);
  release();
  // Who it is to may have it, and have read it, before it is seen to be sent.
  await row(slow, 'stored slowly').locator('.fate.sent, .fate.delivered, .fate.read').waitFor();
  await slow.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
  assert.deepEqual(await caret(), ['stored slowly', 0, 6]);
  await slow.keyboard.type('Put');
  await slow.keyboard.press('Enter');
  await row(page, 'Put slowly').locator('.edited').waitFor();
  await slow.close();
  await menu(page, 'Put slowly');
  await item(page, 'Delete').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await row(page, 'Put slowly').waitFor({ state: 'detached' });
});

test('once it is too late Edit isn’t offered, and who began in time is told so and keeps the text', async () => {
  const { page, context } = ana;
  // The server says it: nobody waits for half an hour here.
  const late = await context.newPage();
  await late.routeWebSocket(/\/ws$/, (ws) => {
    const toServer = ws.connectToServer();
    ws.onMessage((data) => {
      const { type, id } = JSON.parse(data);
      if (type !== 'edit') toServer.send(data);
      else
        ws.send(JSON.stringify({ type: 'error', id, code: 'edit_too_late', retryable: false, message: '' }));
    });
  });
  await late.goto(page.url());
  await row(late, 'edited here').waitFor();
  await composer(late).press('ArrowUp');
  await edits(late, 'edited here');
  await composer(late).fill('begun in time');
  await late.keyboard.press('Enter');
  const refused = row(late, 'edited here').locator('.refused', { hasText: 'it is too late to edit it' });
  await refused.filter({ hasText: 'begun in time' }).waitFor();
  assert.deepEqual(await refused.getByRole('button').allTextContents(), ['Copy text', 'Drop it']);
  await refused.getByRole('button', { name: 'Drop it' }).click();
  await refused.waitFor({ state: 'detached' });
  await late.evaluate(() => {
    const { now } = Date;
    Date.now = () => now() + 31 * 60_000;
  });
  await menu(late, 'edited here');
  await item(late, 'Delete').waitFor();
  assert.equal(await item(late, 'Edit').count(), 0);
  await late.keyboard.press('Escape');
  await composer(late).press('ArrowUp');
  assert.equal(await composer(late).inputValue(), '');
  await late.close();
});

test('a pin is seen by all, what is saved by who saved it, and a link opens a message where it stands', async () => {
  const { page } = ana;
  await menu(page, 'the first');
  await item(page, 'Pin in this conversation').click();
  await ben.page.locator('.pin-bar', { hasText: 'the first' }).waitFor();
  await menu(page, 'the first');
  await item(page, 'Save for yourself').click();
  await page.locator('.toast', { hasText: 'Saved' }).waitFor();
  for (let i = 0; i < 40; i++)
    await server.post('/api/messages', { to_user_id: ben.user_id, content: `filler ${i}` }, ana.token);
  await row(page, 'filler 39').waitFor();
  await page.locator('.side-head button').first().click();
  await page.getByRole('button', { name: 'Saved messages' }).click();
  await page.locator('.found-message', { hasText: 'the first' }).locator('button').first().click();
  await page.locator('.row.sought', { hasText: 'the first' }).waitFor();
  const { data: list } = await server.get('/api/conversations', ana.token);
  const { conversation_id: id } = list.conversations[0];
  const other = await open(browser, `${server.origin}/#/m/${id}/1`);
  await signIn(other.page, ben);
  await other.page.locator('.row.sought', { hasText: 'the first' }).waitFor();
  assert.match(other.page.url(), new RegExp(`#/u/${ana.user_id}$`));
  await other.context.close();
});

test('several are copied and deleted at once; nothing of them is left in quotes and pins', async () => {
  const { page } = ana;
  await menu(page, 'the first');
  await item(page, 'Select several').click();
  await page.locator('.selecting').waitFor();
  await row(page, 'edited here').locator('.tick').click();
  await page.locator('.selecting [role=status]', { hasText: '2' }).waitFor();
  await page.locator('.selecting .danger').click();
  await page.locator('dialog .danger').click();
  await page.locator('.selecting').waitFor({ state: 'detached' });
  await page.locator('.pin-bar').waitFor({ state: 'detached' });
  await ben.page.locator('.pin-bar').waitFor({ state: 'detached' });
  await page.locator('.quote .gone').first().waitFor();
  for (const { page } of [ana, ben])
    assert.equal(/the first|edited here/.test(await page.locator('#app').textContent()), false);
});

test('a conversation is kept as a page and as JSON', async () => {
  const { page } = ana;
  await page.locator('.thread-head .set').click();
  for (const [name, end] of [
    ['As a page', /^<!doctype html>[\s\S]*an answer/i],
    ['As JSON', /^\{[\s\S]*"an answer"/],
  ]) {
    const coming = page.waitForEvent('download');
    await page.getByRole('button', { name, exact: true }).click();
    const file = await coming;
    assert.match(await readFile(await file.path(), 'utf8'), end);
  }
  assert.deepEqual([ana.errors, ben.errors], [[], []]);
});
