import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  composer,
  fate,
  find,
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

before(async () => {
  server = await startServer();
  browser = await launch('--host-resolver-rules=MAP chat.test 127.0.0.1');
  for (const name of ['Sally', 'Al', 'Yves Martin', '王小明']) await server.account(name);
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
const names = (page, where) => page.locator(`${where} a.conversation .name`).allTextContents();

test('somebody new sees who is there, and begins a conversation', async (t) => {
  const { page } = await member(t, 'Newcomer');
  await page.getByText('No conversations yet').waitFor();
  await page.getByRole('button', { name: 'New conversation' }).first().click();
  await page.locator('dialog a.conversation', { hasText: 'Yves Martin' }).waitFor();
  assert.deepEqual((await names(page, 'dialog')).slice(0, 4), ['Al', 'Newcomer', 'Sally', 'Yves Martin']);
  assert.deepEqual(await violations(page), []);
  await page.locator('dialog a.conversation', { hasText: 'Yves Martin' }).click();
  await page.getByText('Say hello to Yves Martin.').waitFor();
  await page.goBack();
  await page.getByText('Pick a conversation').waitFor();
});

test('people are found by any word of their name, and Enter opens the very name', async (t) => {
  const { page } = await member(t, 'Seeker');
  const search = page.locator('#search');
  for (const [typed, name] of [
    ['martin', 'Yves Martin'],
    ['小明', '王小明'],
  ]) {
    await search.fill(typed);
    await page.locator('a.conversation', { hasText: name }).waitFor();
  }
  await search.fill('');
  // A conversation with Sally, in whose name there is an "al", is no reason to open it.
  await find(page, 'Sally');
  await say(page, 'hello Sally');
  await fate(page, 'hello Sally', 'sent');
  await search.fill('al');
  await search.press('Enter');
  await page.getByText('Say hello to Al.').waitFor();
});

test('the head of a conversation leads to who that is', async (t) => {
  const { page, token } = await member(t, 'Curious');
  const { data } = await server.get('/api/users?query=Al', token);
  await find(page, 'Al');
  await page.getByRole('button', { name: 'Al', exact: true }).click();
  await page.getByRole('heading', { name: 'About this person' }).waitFor();
  await page.locator('dialog dd', { hasText: 'Today' }).waitFor();
  assert.equal(await page.locator('dialog dd').first().textContent(), String(data.users[0].user_id));
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' });
});

test('a message is copied by mouse, by keyboard, by finger, and on plain HTTP', async (t) => {
  const clipboard = (page) => page.evaluate(() => window.copied);
  /** What is really put there: headless, the clipboard itself may be out of reach. */
  const listen = (page) =>
    page.evaluate(() => {
      window.copied = null;
      if (navigator.clipboard) {
        navigator.clipboard.writeText = async (text) => {
          window.copied = text;
        };
      }
      document.addEventListener('copy', () => {
        window.copied = document.activeElement.value.slice(
          document.activeElement.selectionStart,
          document.activeElement.selectionEnd,
        );
      });
    });
  for (const [name, options] of [
    ['Mouse', {}],
    ['Plain', { origin: `http://chat.test:${server.port}` }],
    ['Finger', phone],
  ]) {
    const { page, errors } = await member(t, name, options);
    await find(page, name);
    for (const text of ['the first', 'the `second`']) await say(page, text);
    await fate(page, 'second', 'sent');
    await listen(page);
    if (name === 'Finger') {
      await composer(page).blur();
      await bubble(page, 'the first').locator('.bubble').tap();
    } else {
      await bubble(page, 'the first').hover();
      await bubble(page, 'the first').getByRole('button', { name: 'Actions' }).click();
    }
    await page.getByRole('menuitem', { name: 'Copy text' }).waitFor();
    // Beside its message, and no wider than its words need.
    const menu = await page.locator('dialog.menu').boundingBox();
    const row = await bubble(page, 'the first').boundingBox();
    assert.ok(menu.width < 290 && menu.x >= row.x && menu.x + menu.width <= row.x + row.width, `${menu.x}`);
    assert.deepEqual(await violations(page), []);
    await page.getByRole('menuitem', { name: 'Copy text' }).click();
    await page.locator('.toast', { hasText: 'Copied.' }).waitFor();
    assert.equal(await clipboard(page), 'the first');
    await page.locator('dialog').waitFor({ state: 'detached' });
    if (name === 'Mouse') {
      await bubble(page, 'second').getByRole('button', { name: 'Actions' }).focus();
      await page.keyboard.press('ArrowUp');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await page.getByRole('menuitem', { name: 'Copy text' }).waitFor();
      // Reply, edit, copy: below the row that reacts.
      for (let down = 0; down < 3; down++) await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await until('the text', async () => (await clipboard(page)) === 'the `second`');
      // Escape, or back, closes the menu and nothing else.
      await page.locator('dialog').waitFor({ state: 'detached' });
      await page.keyboard.press('Enter');
      await page.locator('dialog').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
      await composer(page).waitFor();
    }
    assert.deepEqual(errors, []);
  }
});

test('a pasted picture and a dropped file are refused in words, and the page stays', async (t) => {
  const { page } = await member(t, 'Dropper');
  await find(page, 'Al');
  const give = (type, files, text) =>
    composer(page).evaluate(
      (box, [event, withFile, words]) => {
        const data = new DataTransfer();
        if (withFile) data.items.add(new File(['x'], 'x.png', { type: 'image/png' }));
        if (words) data.setData('text/plain', words);
        const Kind = event === 'paste' ? ClipboardEvent : DragEvent;
        const name = event === 'paste' ? 'clipboardData' : 'dataTransfer';
        const target = event === 'paste' ? box : document.querySelector('.thread');
        return !target.dispatchEvent(new Kind(event, { [name]: data, bubbles: true, cancelable: true }));
      },
      [type, files, text],
    );
  const said = page.locator('.toast', { hasText: 'Pictures and files can’t be sent.' });
  assert.equal(await give('paste', true, ''), true);
  await said.waitFor();
  assert.equal(await give('paste', true, 'a table'), false, 'text that comes with a picture is text');
  assert.equal(await give('paste', false, 'text'), false);
  assert.equal(await give('dragover', true, ''), true);
  assert.equal(await give('drop', true, ''), true, 'the browser is told not to open it');
  assert.equal(await give('drop', false, 'https://example.org'), true, 'nor to follow a link');
  await said.waitFor();
});

test('delivered and read differ by their shape', async (t) => {
  const one = await member(t, 'Shape one');
  const two = await member(t, 'Shape two');
  await find(one.page, 'Shape two');
  await say(one.page, 'see');
  await fate(one.page, 'see', 'delivered');
  const shape = () =>
    bubble(one.page, 'see')
      .locator('.fate path')
      .evaluateAll((paths) => paths.map((path) => path.getAttribute('d')).join());
  const delivered = await shape();
  await two.page.locator('a.conversation', { hasText: 'Shape one' }).click();
  await fate(one.page, 'see', 'read');
  assert.notEqual(await shape(), delivered);
});
