import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  composer,
  fate,
  find,
  launch,
  open,
  person,
  say,
  signIn,
  startServer,
  texts,
  until,
  violations,
} from '../harness.mjs';
import { startLine } from '../line.mjs';

let server;
/** Where a user has one connection. */
let single;
let line;
let browser;
let ben;
/** Ana with two tabs of one browser, and at another machine. */
let ana;
let machine;
let one;
let two;
let far;

before(async () => {
  [server, single] = await Promise.all([startServer(), startServer({ SINGLE_SESSION: '1' })]);
  line = await startLine(server);
  browser = await launch();
  ben = await server.account('Ben');
  ana = await person(browser, server, 'Ana', { origin: line.origin });
  one = ana.page;
  two = await ana.context.newPage();
  await two.goto(line.origin);
  machine = await open(browser, server.origin);
  far = machine.page;
  await signIn(far, ana);
  for (const page of [one, two, far]) await find(page, 'Ben');
});
after(async () => {
  await browser?.close();
  line?.end();
  await single?.end();
  await server?.end();
});

const numbered = (name, n) => Array.from({ length: n }, (_, i) => `${name} ${i + 1}`);
const only = async (page, name) => (await texts(page)).filter((text) => text.startsWith(`${name} `));
const tell = (content, from = ben) =>
  server.post('/api/messages', { to_user_id: ana.user_id, content }, from.token);

/** What the server has, by its beginning. */
async function stored(name) {
  const { data } = await server.get('/api/conversations', ben.token);
  const { conversation_id, last_seq } = data.conversations.find(({ user }) => user.username === 'Ana');
  const path = `/api/conversations/${conversation_id}/messages?after=${Math.max(0, last_seq - 100)}&limit=100`;
  const history = await server.get(path, ben.token);
  return history.data.messages.map(({ content }) => content).filter((text) => text.startsWith(`${name} `));
}

/** A page that isn't in front draws once a second. */
async function sayIn(page, text) {
  await page.bringToFront();
  await say(page, text);
}

/** Here every page believes that it is looked at; in a browser only one of them is. */
const look = (page, at) =>
  page.evaluate((looks) => {
    Object.defineProperty(document, 'visibilityState', {
      value: looks ? 'visible' : 'hidden',
      configurable: true,
    });
    document.dispatchEvent(new Event('visibilitychange'));
  }, at);

async function cut() {
  line.cut();
  for (const page of [one, two]) await page.locator('.banner', { hasText: 'No connection' }).waitFor();
}

async function mend() {
  line.mend();
  for (const page of [one, two]) {
    if (page.isClosed()) continue;
    await page.evaluate(() => document.querySelector('.banner .link')?.click());
    await page.locator('.banner').waitFor({ state: 'detached' });
  }
}

test('what is written in one tab stands once in the other, on another machine and at the server', async () => {
  for (const [i, text] of numbered('hello', 6).entries()) await sayIn([one, two, far][i % 3], text);
  for (const page of [one, two, far]) {
    for (const text of numbered('hello', 6)) await fate(page, text, 'sent');
    assert.deepEqual((await only(page, 'hello')).toSorted(), numbered('hello', 6));
    assert.equal(await page.title(), 'Chat');
    assert.equal(await page.locator('.badge, .divider').count(), 0);
    assert.equal(
      await page.locator('[role=log].vh p').count(),
      0,
      'nobody is told of what they wrote themselves',
    );
  }
  assert.equal((await stored('hello')).length, 6);
  const [first, ...others] = await Promise.all([one, two, far].map((page) => only(page, 'hello')));
  for (const other of others) assert.deepEqual(other, first);
});

test('whoever reads further up stays there when they write elsewhere', async () => {
  for (const text of numbered('long', 40)) await tell(text);
  await bubble(two, 'long 40').waitFor();
  await two.locator('.scroller').evaluate((box) => box.scrollTo(0, 300));
  await two.locator('.newest').waitFor();
  /** The first row in sight, and where it stands. */
  const place = () =>
    two.evaluate(() => {
      const { top } = document.querySelector('.scroller').getBoundingClientRect();
      const rows = [...document.querySelectorAll('.row')].map((row) => [
        row.dataset.i,
        Math.round(row.getBoundingClientRect().bottom - top),
      ]);
      return rows.find(([, bottom]) => bottom > 0);
    });
  const before = await place();
  await cut();
  await sayIn(one, 'not for the eye');
  await two.locator('a.conversation', { hasText: 'not for the eye' }).waitFor();
  assert.deepEqual(await place(), before);
  await mend();
  await fate(far, 'not for the eye', 'sent');
  await two.locator('a.conversation .fate.sent').waitFor();
  assert.deepEqual(await place(), before);
  await two.bringToFront();
  await two.locator('.newest').click();
  await fate(two, 'not for the eye', 'sent');
});

test('what is typed in one tab stands in the other, but not over what is being typed there', async () => {
  const value = (page, text) =>
    until(`"${text}"`, async () => (await composer(page).inputValue()) === text, 5_000);
  await composer(one).pressSequentially('half a thought');
  await value(two, 'half a thought');
  await composer(one).blur();
  await composer(two).press('End');
  await composer(two).pressSequentially(' and more');
  await value(one, 'half a thought and more');
  await composer(one).fill('another');
  await say(far, 'draft stays where it is');
  await bubble(two, 'draft stays').waitFor();
  assert.equal(await composer(two).inputValue(), 'half a thought and more');
  assert.equal(await composer(far).inputValue(), '');
  await composer(two).blur();
  await one.bringToFront();
  await one.locator('.composer .send').click();
  await fate(two, 'another', 'sent');
  await value(two, '');
  await value(one, '');
});

test('what is read in one tab is read in the other and on another machine', async () => {
  for (const page of [one, two, far]) await look(page, false);
  await tell('read me 1');
  await tell('read me 2');
  for (const page of [one, two, far]) {
    await until('the title', async () => (await page.title()) === '(2) Chat');
    await page.locator('a.conversation .badge').getByText('2', { exact: true }).waitFor();
  }
  await look(one, true);
  for (const page of [one, two, far]) {
    await until('the title', async () => (await page.title()) === 'Chat', 5_000);
    await page.locator('a.conversation .badge').waitFor({ state: 'detached' });
  }
  await look(one, false);
  await look(far, true);
  await tell('read me there');
  await until('the title', async () => (await one.title()) === 'Chat' && (await two.title()) === 'Chat');
  await bubble(two, 'read me there').waitFor();
  for (const page of [one, two]) await look(page, true);
});

test('the line above what is new goes where it was read on another device meanwhile', async () => {
  for (const page of [one, two]) await look(page, false);
  await far.evaluate(() => {
    location.hash = '';
  });
  await tell('new there');
  await far.locator('a.conversation .badge').waitFor();
  await far.locator('a.conversation', { hasText: 'Ben' }).click();
  await far.locator('.divider').waitFor();
  await far.locator('a.conversation .badge').waitFor({ state: 'detached' });
  await look(far, false);
  await tell('newer');
  await far.locator('a.conversation .badge').waitFor();
  assert.equal(await far.locator('.divider').count(), 1);
  await look(one, true);
  await far.locator('.divider').waitFor({ state: 'detached' });
  for (const page of [two, far]) await look(page, true);
});

test('of two tabs one tells of a message, and none while somebody looks at one of them', async () => {
  await ana.context.grantPermissions(['notifications'], { origin: line.origin });
  for (const page of [one, two])
    await page.evaluate(() => {
      window.told = [];
      window.shown = new Set();
      window.Notification = class {
        static permission = 'granted';
        static requestPermission = async () => 'granted';
        constructor(_title, { body }) {
          window.told.push(body);
          window.shown.add(this);
        }
        close() {
          window.shown.delete(this);
        }
      };
      window.AudioContext = class {
        constructor() {
          window.told.push('beep');
          throw new Error('no sound here');
        }
      };
    });
  await one.bringToFront();
  await one.getByRole('button', { name: 'Settings' }).click();
  await one.getByRole('switch', { name: 'Show new messages' }).check();
  await one.getByRole('button', { name: 'Close' }).click();
  const told = async () =>
    (await Promise.all([one, two].map((page) => page.evaluate(() => window.told)))).flat();
  const shown = async () =>
    (await Promise.all([one, two].map((page) => page.evaluate(() => window.shown.size)))).join();
  // Chosen in one tab, it holds in the other.
  await two.bringToFront();
  await two.getByRole('button', { name: 'Settings' }).click();
  await two.getByRole('switch', { name: 'Show new messages', checked: true }).waitFor();
  await two.getByRole('button', { name: 'Close' }).click();
  await look(far, false);
  await look(two, false);
  await tell('looked at');
  await bubble(two, 'looked at').waitFor();
  await look(one, false);
  await until('all tabs to know', () =>
    two.evaluate(
      async () => !(await navigator.locks.query()).held.some(({ name }) => name === 'chat.looking'),
    ),
  );
  for (const text of ['first', 'second']) {
    await tell(text);
    await until(text, async () => (await told()).includes(text), 5_000);
  }
  for (const page of [one, two]) await bubble(page, 'second').waitFor();
  assert.deepEqual((await told()).toSorted(), ['first', 'second']);
  await look(far, true);
  await until('the notifications to be gone', async () => (await shown()) === '0,0', 5_000);
  for (const page of [one, two]) await look(page, true);
});

test('what can’t be sent is refused, tried again and thrown away in all tabs', async () => {
  const nobody = `${line.origin}/#/u/987654321`;
  // As long as the page can't know that nobody is there.
  await ana.context.route('**/api/users/987654321', (route) => route.abort());
  for (const page of [one, two]) await page.goto(nobody);
  await say(one, 'Into the void');
  for (const page of [one, two]) await page.getByText('Not sent: this person is gone.').waitFor();
  await two.getByRole('button', { name: 'Try again' }).click();
  for (const page of [one, two]) await page.getByText('Not sent: this person is gone.').waitFor();
  await two.getByRole('button', { name: 'Delete' }).click();
  for (const page of [one, two]) {
    await bubble(page, 'Into the void').waitFor({ state: 'detached' });
    await page.locator('a.conversation[href="#/u/987654321"]').waitFor({ state: 'detached' });
    await page.goto(`${line.origin}/#/u/${ben.user_id}`);
  }
});

test('what waits in both tabs goes out once and in its order', async () => {
  await cut();
  for (const [i, text] of numbered('wait', 6).entries()) {
    await sayIn([one, two][i % 2], text);
    for (const page of [one, two]) await fate(page, text, 'waiting');
  }
  await mend();
  for (const page of [one, two, far]) {
    await fate(page, 'wait 6', 'sent');
    assert.deepEqual(await only(page, 'wait'), numbered('wait', 6));
  }
  assert.deepEqual(await stored('wait'), numbered('wait', 6));
});

test('a tab that is closed leaves what it hasn’t sent to the other, which sends it once', async () => {
  await cut();
  for (const text of numbered('orphan', 3)) await say(one, text);
  await fate(two, 'orphan 3', 'waiting');
  await one.close();
  await mend();
  await fate(two, 'orphan 3', 'sent');
  await fate(far, 'orphan 3', 'sent');
  assert.deepEqual(await stored('orphan'), numbered('orphan', 3));
  one = await ana.context.newPage();
  await one.goto(`${line.origin}/#/u/${ben.user_id}`);
  await fate(one, 'orphan 3', 'sent');
  assert.deepEqual(await only(one, 'orphan'), numbered('orphan', 3));
});

test('signing out in one tab signs out the other, and no other machine', async () => {
  await two.getByRole('button', { name: 'Settings' }).click();
  await two.getByRole('button', { name: 'Sign out' }).click();
  for (const page of [one, two]) await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  await say(far, 'still here');
  await fate(far, 'still here', 'sent');
});

test('where only one connection may be, the window that lost it says so and can be used again', async (t) => {
  const friend = await single.account('Friend');
  const { page: first, context, user_id } = await person(browser, single, 'Eva');
  t.after(() => context.close());
  await find(first, 'Friend');
  await look(first, false);
  await single.post('/api/messages', { to_user_id: user_id, content: 'hello' }, friend.token);
  await until('the title', async () => (await first.title()) === '(1) Chat');
  const second = await context.newPage();
  await second.goto(first.url());
  const replaced = (page) => page.getByRole('heading', { name: 'Chat is open somewhere else' });
  await replaced(first).waitFor();
  await first.bringToFront();
  assert.deepEqual(await violations(first), []);
  for (let i = 0; i < 6; i++) {
    await first.keyboard.press('Escape');
    await first.evaluate(() => new Promise((done) => setTimeout(() => requestAnimationFrame(done))));
  }
  assert.equal(await first.evaluate(() => document.querySelector('dialog').open), true);
  assert.equal(await first.title(), 'Chat', 'it counts nothing');
  await sayIn(second, 'from the second');
  await fate(second, 'from the second', 'sent');
  await first.bringToFront();
  await first.getByRole('button', { name: 'Use here' }).click();
  await replaced(second).waitFor();
  await bubble(first, 'from the second').waitFor();
  await say(first, 'from the first');
  await fate(first, 'from the first', 'sent');
  assert.deepEqual(await texts(first), ['hello', 'from the second', 'from the first']);
});

test('nothing went wrong in any page', () => {
  assert.deepEqual([...ana.errors, ...machine.errors], []);
});
