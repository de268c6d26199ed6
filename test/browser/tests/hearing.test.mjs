import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { composer, fate, find, launch, person, say, startServer, until } from '../harness.mjs';

let server;
let browser;
let ana;
let ben;
let eva;

before(async () => {
  server = await startServer();
  browser = await launch();
  ben = await server.account('Ben');
  eva = await server.account('Eva');
  ana = await person(browser, server, 'Ana');
  await find(ana.page, 'Ben');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const tell = (from, content) =>
  server.post('/api/messages', { to_user_id: ana.user_id, content }, from.token);

test('the same text twice is announced twice, and so are messages of other conversations', async () => {
  // What a screen reader would say: each line that is added to a live region.
  await ana.page.evaluate(() => {
    window.heard = [];
    const region = document.querySelector('[role=log].vh, [aria-live=polite].vh');
    new MutationObserver((changes) => {
      for (const { type, addedNodes, target } of changes) {
        if (type === 'characterData') window.heard.push(target.data);
        for (const node of addedNodes) window.heard.push(node.textContent);
      }
    }).observe(region, { childList: true, subtree: true, characterData: true });
  });
  const heard = () => ana.page.evaluate(() => window.heard);
  for (const [from, text] of [
    [ben, 'ok'],
    [ben, 'ok'],
    [eva, 'from elsewhere'],
  ]) {
    const before = (await heard()).length;
    await tell(from, text);
    await until(`"${text}" to be heard`, async () => (await heard()).length > before, 5_000);
  }
  assert.deepEqual(await heard(), ['Ben wrote: ok', 'Ben wrote: ok', 'Eva wrote: from elsewhere']);
});

/** What an API call of somebody's is answered with. */
async function ask(who, method, path, body) {
  const answer = await fetch(`${server.origin}/api/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${who.token}`,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return (await answer.json()).data;
}

test('what one does, and others do, with messages is heard, each once; a menu says whose message it is of', async () => {
  const { page } = ana;
  const heard = () => page.evaluate(() => window.heard);
  const hears = (text) => until(`"${text}" to be heard`, async () => (await heard()).includes(text), 5_000);
  await page.evaluate(() => {
    window.heard = [];
  });
  await say(page, 'mine');
  await fate(page, 'mine', 'sent');
  await composer(page).press('ArrowUp');
  await page.locator('.answering [role=status]', { hasText: 'Edit message' }).waitFor();
  await composer(page).press('Escape');
  await hears('Cancelled.');
  await composer(page).press('ArrowUp');
  await composer(page).fill('mine too');
  await page.keyboard.press('Enter');
  await hears('Message edited.');
  const more = page.locator('.more').last();
  await more.focus();
  const description = await more.evaluate((button) =>
    (button.getAttribute('aria-describedby') ?? '')
      .split(' ')
      .map((id) => document.getElementById(id)?.textContent)
      .join(''),
  );
  assert.equal(description, 'You: mine too');
  await page.keyboard.press('Enter');
  await page.locator('[role=menu]').waitFor();
  await page.keyboard.press('Enter');
  await hears('You reacted with 👍.');
  const { conversations } = await ask(ben, 'GET', 'conversations');
  const [{ conversation_id: id, last_seq: seq }] = conversations;
  const place = (n) => `conversations/${id}/messages/${n}`;
  await ask(ben, 'PATCH', place(1), { content: 'okay' });
  await hears('Ben edited a message: okay');
  await ask(ben, 'DELETE', place(1));
  await hears('Ben deleted a message');
  await ask(ben, 'PUT', `${place(seq)}/reactions/${encodeURIComponent('🎉')}`);
  await hears('Ben reacts to your message with 🎉');
  await composer(page).press('ArrowUp');
  await ask(ana, 'PATCH', place(seq), { content: 'mine elsewhere' });
  await composer(page).fill('mine here');
  await page.keyboard.press('Enter');
  await hears('Not changed: it was edited on another device meanwhile. Your text: mine here');
  const made = { id: 'a-group-to-be-heard', title: 'Crew', kind: 'group', user_ids: [ana.user_id] };
  const group = await ask(ben, 'POST', 'conversations', made);
  const { conversation_id } = group;
  await ask(ben, 'POST', 'messages', { conversation_id, content: 'hi @Ana', mentions: [ana.user_id] });
  await hears('Ben mentions you in Crew: hi @Ana');
  assert.deepEqual(await heard(), [
    'Cancelled.',
    'Message edited.',
    'You reacted with 👍.',
    'Ben edited a message: okay',
    'Ben deleted a message',
    'Ben reacts to your message with 🎉',
    'Not changed: it was edited on another device meanwhile. Your text: mine here',
    'Ben mentions you in Crew: hi @Ana',
  ]);
  // What lies below a dialog is said again when it closes, if it is still there: so it isn't.
  await until('what was heard to be gone', () =>
    page.evaluate(() => document.querySelector('[role=log].vh')?.textContent === ''),
  );
  await page.getByRole('button', { name: 'Settings' }).first().click();
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  assert.equal(
    await page.evaluate(() => document.activeElement?.tagName),
    'DIALOG',
    'so that it is read out',
  );
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' });
});

test('each message of a person is told again, and a notification goes when its message was read', async () => {
  await ana.context.grantPermissions(['notifications'], { origin: server.origin });
  await ana.page.evaluate(() => {
    window.open = [];
    window.told = [];
    window.Notification = class {
      static permission = 'granted';
      static requestPermission = async () => 'granted';
      constructor(_title, { body, tag, renotify }) {
        // A browser replaces the one with the same tag, and tells of it only if it is asked to.
        const same = window.open.find((other) => other.tag === tag);
        if (!same || renotify) window.told.push(body);
        window.open = window.open.filter((other) => other !== same);
        this.tag = tag;
        this.body = body;
        window.open.push(this);
      }
      close() {
        window.open = window.open.filter((other) => other !== this);
      }
    };
  });
  await ana.page.getByRole('button', { name: 'Settings' }).click();
  await ana.page.getByRole('switch', { name: 'Show new messages' }).check();
  await ana.page.getByRole('button', { name: 'Close' }).click();
  const hide = (hidden) =>
    ana.page.evaluate((value) => {
      if (value) Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
      else delete document.visibilityState;
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await hide(true);
  for (const text of ['one', 'two', 'three']) {
    await tell(eva, text);
    await until(text, async () => (await ana.page.evaluate(() => window.told)).includes(text), 5_000);
  }
  const shown = () => ana.page.evaluate(() => window.open.map(({ body }) => body));
  assert.deepEqual(await shown(), ['three']);
  // It follows what becomes of its message, and says nothing anew.
  const { data: list } = await server.get('/api/conversations', eva.token);
  const { conversation_id: id, last_seq: seq } = list.conversations[0];
  const address = `${server.origin}/api/conversations/${id}/messages/${seq}`;
  const authorization = `Bearer ${eva.token}`;
  await fetch(address, {
    method: 'PATCH',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ content: 'four' }),
  });
  await until('the edited text', async () => (await shown()).join() === 'four', 5_000);
  assert.equal((await ana.page.evaluate(() => window.told)).includes('four'), false);
  await fetch(address, { method: 'DELETE', headers: { authorization } });
  await until('the deleted one to be gone', async () => (await shown()).length === 0, 5_000);
  await tell(eva, 'five');
  await until('five', async () => (await shown()).join() === 'five', 5_000);
  await hide(false);
  await ana.page.locator('a.conversation', { hasText: 'Eva' }).click();
  await until('the notification to be gone', () => ana.page.evaluate(() => window.open.length === 0), 5_000);
  assert.deepEqual(ana.errors, []);
});
