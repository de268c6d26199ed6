import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { come, meet, openFirefox, signInFirefox, write } from '../firefox.mjs';
import { startServer, until } from '../harness.mjs';
import { startLine } from '../line.mjs';

let server;
let line;
let ana;
let ben;

before(async () => {
  server = await startServer();
  line = await startLine(server);
});
after(async () => {
  await ana?.browser.close();
  await ben?.browser.close();
  line?.end();
  await server?.end();
});

const texts = (page) => page.$$eval('.bubble .text', (all) => all.map((element) => element.textContent));

test('Firefox: two people sign up, find each other and talk; each tick only when it is true', async () => {
  for (const [name, origin] of [
    ['Ana', line.origin],
    ['Ben', server.origin],
  ]) {
    const opened = await openFirefox(origin);
    if (name === 'Ana') ana = opened;
    else ben = opened;
    await opened.page.locator('.switch button').click();
    await opened.page.locator('#username').fill(name);
    await opened.page.locator('#password').fill('correct horse');
    await opened.page.locator('button.primary').click();
    await opened.page.waitForSelector('#search');
  }
  await meet(ana.page, 'Ben');
  await write(ana.page, 'Hello Ben');
  await come(ana.page, 'Hello Ben', 'delivered');
  await ben.page.waitForSelector('a.conversation .badge');
  assert.equal(await ben.page.title(), '(1) Chat');
  await ben.page.locator('a.conversation').click();
  await come(ana.page, 'Hello Ben', 'read');
  await ben.page.locator('.composer textarea').fill('Hello ');
  await ana.page.waitForSelector('.thread-head .typing');
  await ben.page.locator('.composer textarea').click();
  await ben.page.keyboard.press('End');
  await ben.page.keyboard.type('Ana');
  await ben.page.keyboard.press('Enter');
  await come(ana.page, 'Hello Ana');
  await come(ben.page, 'Hello Ana', 'read');
});

test('Firefox: the field grows with its text and shrinks again, and the end stays in sight', async () => {
  const height = () => ana.page.$eval('.composer textarea', (box) => box.offsetHeight);
  const fromEnd = () =>
    ana.page.$eval('.scroller', (box) => box.scrollHeight - box.clientHeight - box.scrollTop);
  for (let n = 0; n < 25; n++) await write(ben.page, `fill ${n}`);
  await come(ana.page, 'fill 24');
  const before = await height();
  for (const line of ['one', 'two', 'three', 'four']) {
    await ana.page.type('.composer textarea', line);
    await ana.page.keyboard.down('Shift');
    await ana.page.keyboard.press('Enter');
    await ana.page.keyboard.up('Shift');
  }
  await until('the field to grow', async () => (await height()) > before + 40);
  await until('the end', async () => Math.abs(await fromEnd()) < 1);
  assert.equal(await ana.page.$('.newest'), null);
  await ana.page.locator('.composer textarea').fill('');
  await until('the field to shrink', async () => (await height()) === before);
});

test('Firefox: what is written without a line is kept over a reload, then sent once and in order', async () => {
  line.cut();
  await ana.page.waitForSelector('.banner.warn');
  for (const n of [1, 2, 3]) await write(ana.page, `offline ${n}`);
  await come(ana.page, 'offline 3', 'waiting');
  line.mend();
  await ana.page.reload();
  await come(ana.page, 'offline 3', 'read');
  const sent = ['offline 1', 'offline 2', 'offline 3'];
  assert.deepEqual((await texts(ben.page)).slice(-3), sent);
  assert.deepEqual((await texts(ana.page)).slice(-3), sent);
});

test('Firefox: a group is made and given a topic; a mention, an edit and a reaction reach the other', async () => {
  await ana.page.locator('.side-head > .round:last-child').click();
  await ana.page.locator('.ways button').click();
  await ana.page.locator('#title').fill('Climbers');
  await ana.page.locator('.picker .people input').click();
  await ana.page.waitForSelector('.picker .chosen');
  await ana.page.locator('dialog button[type=submit]').click();
  await ana.page.waitForSelector('.row.event');
  await ana.page.locator('.thread-head h2 button').click();
  await ana.page.locator('#topic').fill('Ropes');
  await ana.page.locator('.group-form button[type=submit]').click();
  await ana.page.waitForSelector('dialog .topic');
  await ana.page.keyboard.press('Escape');
  await ben.page.locator('a.conversation ::-p-text(Climbers)').click();
  await ben.page.waitForSelector('.thread-head .status ::-p-text(Ropes)');

  await ana.page.locator('.composer textarea').click();
  await ana.page.keyboard.type('hello @Be');
  await ana.page.waitForSelector('[role=option]');
  await ana.page.keyboard.press('Enter');
  await ana.page.keyboard.type('come');
  await ana.page.keyboard.press('Enter');
  await come(ana.page, 'hello @Ben come', 'sent');
  await come(ben.page, 'hello @Ben come');
  await ben.page.waitForSelector('.bubble .mention');

  await ana.page.keyboard.press('ArrowUp');
  await until('the field to have the message', () =>
    ana.page.$eval('.composer textarea', (box) => box.value === 'hello @Ben come'),
  );
  await ana.page.keyboard.type(' at six');
  await ana.page.keyboard.press('Enter');
  await come(ben.page, 'hello @Ben come at six');

  await ben.page.locator('.bubble .text').click({ button: 'right' });
  await ben.page.locator('.quick [role=menuitem]').click();
  for (const { page } of [ana, ben]) await page.waitForSelector('.reaction');
});

test('Firefox: signing out leaves nothing on the device', async () => {
  await ana.page.locator('.side-head button').click();
  await ana.page.locator('dialog .danger').click();
  await ana.page.waitForSelector('#username');
  await until('the databases to be gone', () =>
    ana.page.evaluate(
      async () => (await indexedDB.databases()).length === 0 && !localStorage.getItem('chat.session'),
    ),
  );
  await signInFirefox(ana.page, { username: 'Ana', password: 'correct horse' });
  await ana.page.waitForSelector('a.conversation');
  // What the browser itself says of a line that was cut isn't the page's.
  const wrong = [...ana.errors, ...ben.errors].filter(
    (error) => !error.includes(`${new URL(line.origin).host}/ws`),
  );
  assert.deepEqual(wrong, []);
});
