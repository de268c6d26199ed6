import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  composer,
  fate,
  find,
  launch,
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
let line;
let browser;
let ana;
let ben;

before(async () => {
  server = await startServer();
  line = await startLine(server);
  browser = await launch();
  ana = await person(browser, server, 'Ana', { origin: line.origin });
  ben = await person(browser, server, 'Ben');
  await find(ana.page, 'Ben');
  await say(ana.page, 'first');
  await ben.page.locator('a.conversation', { hasText: 'Ana' }).click();
  await fate(ana.page, 'first', 'read');
});
after(async () => {
  await browser?.close();
  line?.end();
  await server?.end();
});

const numbered = (name, from, to) => Array.from({ length: to - from + 1 }, (_, i) => `${name} ${from + i}`);
const only = async (page, name) => (await texts(page)).filter((text) => text.startsWith(`${name} `));

test('five messages typed with no line are kept, then sent once and in order', async () => {
  line.cut();
  await ana.page.locator('.banner', { hasText: 'No connection' }).waitFor();
  for (const text of numbered('offline', 1, 5)) await say(ana.page, text);
  await fate(ana.page, 'offline 5', 'waiting');
  assert.deepEqual(await violations(ana.page), []);
  line.mend();
  // It may have come back by itself already; then there is nothing to press.
  await ana.page.evaluate(() => document.querySelector('.banner .link')?.click());
  await fate(ana.page, 'offline 5', 'read');
  assert.deepEqual(await only(ben.page, 'offline'), numbered('offline', 1, 5));
  await ana.page.locator('.banner').waitFor({ state: 'detached' });
});

test('they are kept when the tab is closed, too', async () => {
  line.cut();
  await ana.page.locator('.banner', { hasText: 'No connection' }).waitFor();
  for (const text of numbered('closed', 1, 3)) await say(ana.page, text);
  await fate(ana.page, 'closed 3', 'waiting');
  await until('the outbox to be written', () =>
    ana.page.evaluate(countOutbox, ana.user_id).then((n) => n === 3),
  );
  await ana.page.close();
  line.mend();
  ana.page = await ana.context.newPage();
  await ana.page.goto(`${line.origin}/#/u/${ben.user_id}`);
  await fate(ana.page, 'closed 3', 'read');
  assert.deepEqual(await only(ben.page, 'closed'), numbered('closed', 1, 3));
  assert.equal(await ana.page.evaluate(countOutbox, ana.user_id), 0);
});

function countOutbox(user) {
  return new Promise((resolve) => {
    const request = indexedDB.open(`chat-user-${user}`);
    request.onsuccess = () => {
      const count = request.result.transaction('outbox').objectStore('outbox').count();
      count.onsuccess = () => {
        request.result.close();
        resolve(count.result);
      };
    };
  });
}

test('reload in the middle of a burst loses and doubles nothing', async () => {
  for (const text of numbered('reload', 1, 6)) await say(ana.page, text);
  await ana.page.reload();
  await composer(ana.page).waitFor();
  for (const text of numbered('reload', 7, 9)) await say(ana.page, text);
  await fate(ana.page, 'reload 9', 'read');
  assert.deepEqual(await only(ben.page, 'reload'), numbered('reload', 1, 9));
  assert.deepEqual(await only(ana.page, 'reload'), numbered('reload', 1, 9));
});

test('the server is killed and started again while both type', async () => {
  const typing = (async () => {
    for (const text of numbered('ana', 1, 8)) {
      await say(ana.page, text);
      await say(ben.page, text.replace('ana', 'ben'));
    }
  })();
  await bubble(ben.page, 'ana 2').waitFor();
  await server.stop('SIGKILL');
  await typing;
  await server.start();
  await fate(ana.page, 'ana 8', 'read');
  await fate(ben.page, 'ben 8', 'read');
  for (const { page } of [ana, ben]) {
    assert.deepEqual(await only(page, 'ana'), numbered('ana', 1, 8));
    assert.deepEqual(await only(page, 'ben'), numbered('ben', 1, 8));
  }
  assert.deepEqual((await texts(ana.page)).slice(-16), (await texts(ben.page)).slice(-16));
});

test('a restart in good order costs nobody anything', async () => {
  await server.stop('SIGTERM');
  await ana.page.locator('.banner', { hasText: 'No connection' }).waitFor();
  await say(ana.page, 'while it was away');
  await server.start();
  await fate(ana.page, 'while it was away', 'read');
  await bubble(ben.page, 'while it was away').waitFor();
});

test('a socket that died unnoticed is found out when the page is looked at again', async () => {
  line.freeze();
  await say(ben.page, 'into the silence');
  await fate(ben.page, 'into the silence', 'sent');
  // More than a second without a word, so that the socket is not trusted.
  await until('a quiet second', () =>
    ana.page.evaluate(() => new Promise((done) => setTimeout(done, 1100, true))),
  );
  await ana.page.evaluate(() => dispatchEvent(new Event('online')));
  await bubble(ana.page, 'into the silence').waitFor();
  await fate(ben.page, 'into the silence', 'read');
});

test('a server that can’t store says so, and the message goes when it can, before the next one', async (t) => {
  let refusals = 2;
  const context = await browser.newContext({ storageState: await ana.context.storageState() });
  t.after(() => context.close());
  await context.routeWebSocket('**/ws', (page) => {
    const far = page.connectToServer();
    page.onMessage((data) => {
      const { type, id } = JSON.parse(data);
      if (type !== 'chat' || refusals-- <= 0) far.send(data);
      else
        page.send(
          JSON.stringify({ type: 'error', id, code: 'unavailable', content: 'later', retryable: true }),
        );
    });
  });
  const page = await context.newPage();
  await page.goto(`${line.origin}/#/u/${ben.user_id}`);
  await say(page, 'store 1');
  await say(page, 'store 2');
  await page.getByText('The server can’t store messages at the moment.').waitFor();
  assert.deepEqual(await violations(page), []);
  await fate(page, 'store 2', 'read');
  assert.deepEqual(await only(ben.page, 'store'), numbered('store', 1, 2));
  await page.locator('.banner').waitFor({ state: 'detached' });
  await bubble(ana.page, 'store 2').waitFor();
});

test('positions that mean nothing to the server are dropped, and the thread is whole', async () => {
  await until('the thread to be kept', () => ana.page.evaluate(spoil, { user: ana.user_id, position: null }));
  // Of another installation; past the end; and of another history, as after a restore of the database.
  for (const wrong of [{ epoch: 'another' }, { position: 99_999 }, { at: 1 }]) {
    await ana.page.evaluate(spoil, { user: ana.user_id, ...wrong });
    await ana.page.reload();
    await say(ana.page, `after ${Object.keys(wrong)[0]}`);
    await fate(ana.page, `after ${Object.keys(wrong)[0]}`, 'read');
  }
  assert.deepEqual((await texts(ana.page)).slice(-12), (await texts(ben.page)).slice(-12));
});

/** Changes what the device keeps; true if there was something. */
function spoil({ user, position, at, epoch }) {
  return new Promise((resolve) => {
    const request = indexedDB.open(`chat-user-${user}`);
    request.onsuccess = () => {
      const work = request.result.transaction(['threads', 'meta'], 'readwrite');
      const all = work.objectStore('threads').getAll();
      all.onsuccess = () => {
        for (const held of all.result)
          if (position || at)
            work.objectStore('threads').put({ ...held, ...(position && { position }), ...(at && { at }) });
        if (epoch) work.objectStore('meta').put({ key: 'epoch', value: epoch });
      };
      work.oncomplete = () => {
        request.result.close();
        resolve(all.result.length > 0);
      };
    };
  });
}

test('an expired session asks to sign in again and keeps what waits to be sent', async () => {
  line.cut();
  await ana.page.locator('.banner', { hasText: 'No connection' }).waitFor();
  await say(ana.page, 'kept over the sign-in');
  await fate(ana.page, 'kept over the sign-in', 'waiting');
  await until('the outbox to be written', () =>
    ana.page.evaluate(countOutbox, ana.user_id).then((n) => n === 1),
  );
  await ana.page.context().clearCookies();
  line.mend();
  await ana.page.reload();
  await ana.page.getByText('Your session has ended').waitFor();
  assert.equal(await ana.page.getByLabel('Name').inputValue(), 'Ana');
  assert.deepEqual(await violations(ana.page), []);
  await signIn(ana.page, { username: 'Ana', password: ana.password });
  await fate(ana.page, 'kept over the sign-in', 'read');
});

test('signing out with something unsent says what would be lost', async () => {
  line.cut();
  await ana.page.locator('.banner', { hasText: 'No connection' }).waitFor();
  await say(ana.page, 'not yet sent');
  await ana.page.getByRole('button', { name: 'Settings' }).click();
  await ana.page.getByRole('button', { name: 'Sign out' }).click();
  await ana.page.getByText('1 message was not sent yet and will be lost.').waitFor();
  assert.deepEqual(await violations(ana.page), []);
  await ana.page.getByRole('button', { name: 'Cancel' }).click();
  await ana.page.getByRole('button', { name: 'Close' }).click();
  line.mend();
  await fate(ana.page, 'not yet sent', 'read');
});

test('signing out leaves nothing on the device, in any window', async () => {
  const second = await ana.context.newPage();
  await second.goto(line.origin);
  await second.locator('#search').waitFor();
  await second.getByRole('button', { name: 'Settings' }).click();
  await second.getByRole('button', { name: 'Sign out' }).click();
  await second.getByRole('heading', { name: 'Welcome back' }).waitFor();
  await ana.page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  await until('the databases to be gone', () =>
    second.evaluate(
      async () => (await indexedDB.databases()).length === 0 && !localStorage.getItem('chat.session'),
    ),
  );
});

test('nothing went wrong in any page', () => {
  assert.deepEqual([...ana.errors, ...ben.errors], []);
});
