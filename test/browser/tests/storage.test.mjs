import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  composer,
  fate,
  find,
  launch,
  open,
  say,
  signIn,
  startServer,
  texts,
  until,
  violations,
} from '../harness.mjs';
import { startLine } from '../line.mjs';

let server;
let browser;
const errors = [];

before(async () => {
  server = await startServer();
  browser = await launch();
  await server.account('Friend');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

/** Somebody in a conversation with Friend, on a line that can be cut. */
async function member(t, name, script, before = async () => {}) {
  const line = await startLine(server);
  const account = await server.account(name);
  const opened = await open(browser, line.origin);
  t.after(async () => {
    errors.push(...opened.errors);
    await opened.context.close();
    line.end();
  });
  await before(opened, line);
  if (script) {
    await opened.context.addInitScript(script);
    await opened.page.reload();
  }
  await signIn(opened.page, account);
  await find(opened.page, 'Friend');
  return { ...account, ...opened, line };
}

async function cut({ line, page }) {
  line.cut();
  await page.locator('.banner', { hasText: 'No connection' }).waitFor();
}

test('a message that a full disk doesn’t take says so, leaving asks, and it is kept once there is room', async (t) => {
  const devtools = {};
  const ana = await member(t, 'Full', undefined, async ({ context, page }, { origin }) => {
    const session = await context.newCDPSession(page);
    devtools.quota = (quotaSize) => session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
    await devtools.quota(1);
  });
  const { page, line } = ana;
  await cut(ana);
  await say(page, 'no room for this');
  await bubble(page, 'no room for this').getByText('Not kept on this device').waitFor();
  await page.getByText('This device is full').waitFor();
  assert.deepEqual(await violations(page), []);
  const asked = new Promise((resolve) => page.once('dialog', (dialog) => resolve(dialog)));
  await page.close({ runBeforeUnload: true });
  const dialog = await asked;
  assert.equal(dialog.type(), 'beforeunload');
  await dialog.dismiss();
  await devtools.quota();
  await page.getByText('This device is full').waitFor({ state: 'detached' });
  await bubble(page, 'no room for this').getByText('Not kept').waitFor({ state: 'detached' });
  assert.deepEqual(await page.evaluate(keptTexts, ana.user_id), ['no room for this']);
  line.mend();
  await fate(page, 'no room for this', 'sent');
});

function keptTexts(user) {
  return new Promise((resolve) => {
    const request = indexedDB.open(`chat-user-${user}`);
    request.onsuccess = () => {
      const all = request.result.transaction('outbox').objectStore('outbox').getAll();
      all.onsuccess = () => {
        request.result.close();
        resolve(all.result.map(({ content }) => content));
      };
    };
  });
}

test('nothing is promised offline where the browser keeps nothing', async (t) => {
  const ana = await member(t, 'Promised', () => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('no', 'SecurityError');
    };
  });
  const { page, context, line } = ana;
  await page.getByText('This browser keeps nothing for this site').waitFor();
  await context.setOffline(true);
  line.cut();
  await page.getByText('if this page stays open').waitFor();
  await say(page, 'only here');
  await bubble(page, 'only here').getByText('Not kept on this device').waitFor();
  await context.setOffline(false);
  line.mend();
  await fate(page, 'only here', 'sent');
});

/** Has a page do something that ends with its reload. It isn't asked whether it has: a page that goes may never answer. */
async function reloading(page, work) {
  const loaded = page.waitForEvent('load');
  page.evaluate(work).catch(() => {});
  await loaded;
}

test('a draft is written at the key: a reload right after it loses nothing', async (t) => {
  const { page } = await member(t, 'Draft');
  let text = '';
  for (const word of ['half', ' a', ' thought']) {
    await composer(page).pressSequentially(word);
    text += word;
    await reloading(page, () => location.reload());
    await until('the draft', async () => (await composer(page).inputValue()) === text, 5000);
  }
});

test('a message sent right before a reload is a message, and stands in the composer no more', async (t) => {
  const ana = await member(t, 'Quick');
  const { page, line } = ana;
  await cut(ana);
  for (const text of ['quick 1', 'quick 2', 'quick 3']) {
    await composer(page).fill(text);
    await reloading(page, () => {
      document.querySelector('.composer .send').click();
      location.reload();
    });
    await bubble(page, text).waitFor();
    assert.equal(await composer(page).inputValue(), '');
  }
  assert.deepEqual(await texts(page), ['quick 1', 'quick 2', 'quick 3']);
  line.mend();
  await fate(page, 'quick 3', 'sent');
});

test('a database that never answers costs a moment, and what it would keep', async (t) => {
  const { page } = await member(t, 'Silent', () => {
    IDBFactory.prototype.open = () => new EventTarget();
    IDBFactory.prototype.deleteDatabase = () => new EventTarget();
    IDBFactory.prototype.databases = () => new Promise(() => {});
  });
  await page.getByText('This browser keeps nothing for this site').waitFor();
  await say(page, 'all the same');
  await fate(page, 'all the same', 'sent');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  // Nobody is told that everything is gone.
  await page.getByText('hasn’t deleted yet').waitFor();
  assert.deepEqual(await violations(page), []);
});

test('a database that wakes up late is used from then on', async (t) => {
  const ana = await member(t, 'Late', () => {
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = function (...args) {
      const request = new EventTarget();
      window.wake = () => {
        const real = open.apply(this, args);
        real.onupgradeneeded = () => {
          request.result = real.result;
          request.onupgradeneeded();
        };
        real.onsuccess = () => {
          request.result = real.result;
          request.onsuccess();
        };
      };
      return request;
    };
  });
  const { page, line } = ana;
  await page.getByText('This browser keeps nothing for this site').waitFor();
  await cut(ana);
  await say(page, 'not yet kept');
  await bubble(page, 'not yet kept').getByText('Not kept on this device').waitFor();
  await page.evaluate(() => window.wake());
  await bubble(page, 'not yet kept').getByText('Not kept').waitFor({ state: 'detached', timeout: 60_000 });
  line.mend();
  await fate(page, 'not yet kept', 'sent');
});

for (const [what, script] of [
  [
    'throws',
    () => {
      for (const name of ['open', 'deleteDatabase', 'databases'])
        IDBFactory.prototype[name] = () => {
          throw new DOMException('no', 'SecurityError');
        };
    },
  ],
  [
    'is missing',
    () => {
      delete IDBFactory.prototype.databases;
      Object.defineProperty(window, 'indexedDB', { value: undefined });
    },
  ],
]) {
  test(`signing out works where the database ${what}`, async (t) => {
    const { page, errors } = await member(t, `Without ${what}`, script);
    await say(page, 'works');
    await fate(page, 'works', 'sent');
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
    assert.deepEqual(errors, []);
  });
}

test('signing out deletes everything where databases can’t be listed', async (t) => {
  const { page } = await member(t, 'Old Firefox', () => {
    window.listed = IDBFactory.prototype.databases.bind(indexedDB);
    delete IDBFactory.prototype.databases;
  });
  await say(page, 'a secret');
  await fate(page, 'a secret', 'sent');
  const names = () => page.evaluate(async () => (await window.listed()).map(({ name }) => name));
  assert.equal((await names()).length, 1);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Welcome back' }).waitFor();
  await until('the database to be gone', async () => (await names()).length === 0, 5000);
});

test('a store that can’t be read for once takes nothing off the screen', async (t) => {
  const ana = await member(t, 'Unreadable');
  const { page, line } = ana;
  await cut(ana);
  await say(page, 'still here');
  await fate(page, 'still here', 'waiting');
  await page.evaluate(() => {
    IDBObjectStore.prototype.getAll = () => {
      throw new DOMException('no', 'UnknownError');
    };
  });
  line.mend();
  await page.evaluate(() => document.querySelector('.banner .link')?.click());
  await fate(page, 'still here', 'sent');
});

test('nothing went wrong in any page', () => {
  assert.deepEqual(errors, []);
});
