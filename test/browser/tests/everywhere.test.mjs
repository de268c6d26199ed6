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
  phone,
  say,
  signIn,
  startServer,
  until,
  violations,
} from '../harness.mjs';

let server;
let browser;
const errors = [];

before(async () => {
  server = await startServer();
  browser = await launch('--host-resolver-rules=MAP chat.test 127.0.0.1');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

/** Opens somebody's page and keeps an eye on what goes wrong in it. */
async function visitor(t, options) {
  const opened = await open(browser, options?.origin ?? server.origin, options);
  t.after(async () => {
    errors.push(...opened.errors);
    await opened.context.close();
  });
  return opened;
}
async function member(t, name, options) {
  const opened = await person(browser, server, name, options);
  t.after(async () => {
    errors.push(...opened.errors);
    await opened.context.close();
  });
  return opened;
}

test('signing up: mistakes stand at the field in words, then one is in', async (t) => {
  const { page } = await visitor(t);
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.locator('#username-note', { hasText: 'Enter your name.' }).waitFor();
  assert.equal(await page.getByLabel('Name').getAttribute('aria-invalid'), 'true');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'username');
  assert.deepEqual(await violations(page), []);
  await page.getByLabel('Name').fill('Newcomer');
  await page.getByLabel('Password', { exact: true }).fill('é'.repeat(37)); // 74 bytes
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.locator('#password-note', { hasText: 'At most 72 bytes; this one has 74.' }).waitFor();
  await page.getByRole('button', { name: 'Show password' }).click();
  assert.equal(await page.getByLabel('Password', { exact: true }).getAttribute('type'), 'text');
  assert.equal(
    await page.getByLabel('Password', { exact: true }).getAttribute('autocomplete'),
    'new-password',
  );
  await page.getByLabel('Password', { exact: true }).fill('a good one');
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByText('They find you as “Newcomer”.').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.reload();
  await page.getByText('They find you as “Newcomer”.').waitFor();
});

test('a taken name and a wrong password are said where they are', async (t) => {
  const { username, password } = await server.account('Taken');
  const { page } = await visitor(t);
  await page.getByLabel('Name').fill(username);
  await page.getByLabel('Password', { exact: true }).fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('#password-note', { hasText: 'Name or password is wrong.' }).waitFor();
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByLabel('Name').fill(username);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.locator('#username-note', { hasText: 'This name is taken.' }).waitFor();
  assert.deepEqual(await violations(page), []);
});

test('on a phone there is one pane, and back shows the list', async (t) => {
  const friend = await server.account('Phone friend');
  const { page } = await member(t, 'Phone user', phone);
  await find(page, 'Phone friend');
  assert.equal(await page.locator('.sidebar').isVisible(), false);
  // The Enter key of a phone breaks the line; the button sends.
  await composer(page).fill('from a phone');
  await composer(page).press('Enter');
  await composer(page).pressSequentially('second line');
  await page.getByRole('button', { name: 'Send' }).click();
  await fate(page, 'from a phone', 'sent');
  assert.deepEqual(await violations(page), []);
  await page.goBack();
  await page.locator('a.conversation', { hasText: 'Phone friend' }).waitFor();
  assert.equal(await page.locator('.main').isVisible(), false);
  assert.deepEqual(await violations(page), []);
  await page.goForward();
  await bubble(page, 'second line').waitFor();
  // Opened by its address, the arrow leads to the list, not out of the app.
  await page.goto('about:blank');
  await page.goto(`${server.origin}/#/u/${friend.user_id}`);
  await bubble(page, 'second line').waitFor();
  await page.getByRole('button', { name: 'Back to conversations' }).click();
  await page.locator('a.conversation', { hasText: 'Phone friend' }).waitFor();
  // Nothing is wider than the screen.
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
});

test('dark by the system, light by choice, and the choice stays', async (t) => {
  const { page } = await member(t, 'Night owl', { colorScheme: 'dark' });
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), 'dark');
  assert.deepEqual(await violations(page), []);
  await find(page, 'Night owl');
  await say(page, 'a note to myself with `code` and https://example.org');
  await fate(page, 'a note to myself', 'sent');
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Settings' }).click();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('radio', { name: 'Light' }).check();
  assert.equal(await theme(), 'light');
  await page.reload();
  await page.locator('#search').waitFor();
  assert.equal(await theme(), 'light');
});

test('Chinese by the browser, English by choice', async (t) => {
  await server.account('李雷');
  const { page } = await member(t, '韩梅梅', { locale: 'zh-CN' });
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
  await page.getByText('还没有会话').waitFor();
  await page.locator('#search').fill('李');
  await page.locator('a.conversation', { hasText: '李雷' }).click();
  await say(page, '你好，在吗？');
  await fate(page, '你好，在吗？', 'sent');
  await page.getByText('今天', { exact: true }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: '设置' }).click();
  await page.getByLabel('语言').selectOption('en');
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
});

test('plain HTTP on a name that is not localhost: everything works but what needs HTTPS, and that is said', async (t) => {
  const origin = `http://chat.test:${server.port}`;
  const one = await member(t, 'Plain one', { origin });
  const two = await member(t, 'Plain two', { origin });
  assert.equal(await one.page.evaluate(() => isSecureContext), false);
  assert.equal(await one.page.evaluate(() => 'serviceWorker' in navigator), false);
  await find(one.page, 'Plain two');
  await say(one.page, 'no secure context here');
  await two.page.locator('a.conversation', { hasText: 'Plain one' }).click();
  await fate(one.page, 'no secure context here', 'read');
  await say(two.page, 'and still it works');
  await fate(two.page, 'and still it works', 'read');
  await composer(one.page).fill('a draft');
  await composer(one.page).blur();
  await one.page.reload();
  await until('the draft', () =>
    composer(one.page)
      .inputValue()
      .then((text) => text === 'a draft'),
  );
  await one.page.getByRole('button', { name: 'Settings' }).click();
  await one.page.getByText('This address is plain HTTP.').waitFor();
  assert.equal(await one.page.getByRole('switch').first().isDisabled(), true);
  assert.deepEqual(await violations(one.page), []);
});

test('installable, and the shell opens with no network', async (t) => {
  const account = await server.account('Traveller');
  const { page, context } = await visitor(t);
  await signIn(page, account);
  await find(page, 'Traveller');
  await say(page, 'packed');
  await fate(page, 'packed', 'sent');
  const manifest = await page.evaluate(async () => (await fetch('/manifest.webmanifest')).json());
  for (const { src, type } of manifest.icons) {
    const answer = await page.request.get(server.origin + src);
    assert.equal(answer.status(), 200);
    assert.match(answer.headers()['content-type'], new RegExp(`^${type.replace('+', '\\+')}`));
  }
  await page.evaluate(() => navigator.serviceWorker.ready.then((ready) => ready.active.state));
  await until('the conversation to be kept', () => page.evaluate(keptThreads, account.user_id));
  await context.setOffline(true);
  await page.reload();
  await bubble(page, 'packed').waitFor();
  await page.locator('.banner').waitFor();
  await say(page, 'written in a tunnel');
  await fate(page, 'written in a tunnel', 'waiting');
  assert.deepEqual(await violations(page), []);
  await context.setOffline(false);
  await fate(page, 'written in a tunnel', 'sent');
});

function keptThreads(user) {
  return new Promise((resolve) => {
    const request = indexedDB.open(`chat-user-${user}`);
    request.onsuccess = () => {
      const all = request.result.transaction('threads').objectStore('threads').getAll();
      all.onsuccess = () => {
        request.result.close();
        resolve(all.result.some(({ tail }) => tail.length > 0));
      };
    };
  });
}

test('a keyboard is enough', async (t) => {
  await server.account('Key friend');
  const { page } = await member(t, 'Key user');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('Key f');
  await page.locator('a.conversation', { hasText: 'Key friend' }).waitFor();
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.evaluate(() => document.activeElement.textContent.includes('Key friend')), true);
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.tagName === 'TEXTAREA');
  await page.keyboard.type('typed');
  await page.keyboard.press('Enter');
  await fate(page, 'typed', 'sent');
  await page.keyboard.press('Control+/');
  await page.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: 'Keyboard shortcuts' }).waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
  await page.keyboard.press('Escape');
  await page.getByText('Pick a conversation').waitFor();
  await page.keyboard.press('Alt+ArrowDown');
  await bubble(page, 'typed').waitFor();
  // Every stop of the Tab key can be seen.
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press('Tab');
    const seen = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return true;
      const style = getComputedStyle(element.closest('.search') ?? element);
      return style.outlineStyle !== 'none' || style.boxShadow !== 'none';
    });
    assert.ok(seen, `stop ${i}`);
  }
});

test('while nobody looks, the title counts, the icon has a dot, and a notification comes if it was wanted', async (t) => {
  const friend = await member(t, 'Noisy friend');
  const { page, context } = await member(t, 'Quiet user');
  await context.grantPermissions(['notifications'], { origin: server.origin });
  await page.evaluate(() => {
    window.shown = [];
    window.Notification = class {
      static permission = 'granted';
      static requestPermission = async () => 'granted';
      constructor(title, { body }) {
        window.shown.push(`${title}: ${body}`);
      }
      close() {}
    };
  });
  const icon = () => page.locator('link[rel=icon]').getAttribute('href');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('switch', { name: 'Show new messages' }).check();
  await page.getByRole('button', { name: 'Close' }).click();
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await find(friend.page, 'Quiet user');
  await say(friend.page, 'psst');
  await until('the title', async () => (await page.title()) === '(1) Chat');
  assert.equal(await icon(), '/icons/dot.svg');
  await until('the notification', () => page.evaluate(() => window.shown.length > 0));
  assert.deepEqual(await page.evaluate(() => window.shown), ['Noisy friend: psst']);
  await page.evaluate(() => {
    delete document.visibilityState;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await until('the icon', async () => (await icon()) === '/icons/icon.svg');
  await page.locator('a.conversation', { hasText: 'Noisy friend' }).click();
  await until('the title', async () => (await page.title()) === 'Chat');
});

test('with less motion nothing moves', async (t) => {
  const { page } = await member(t, 'Calm user', { reducedMotion: 'reduce' });
  const moving = await page.evaluate(
    () =>
      [...document.querySelectorAll('*')].filter((element) => {
        const style = getComputedStyle(element);
        return (
          style.animationName !== 'none' ||
          style.transitionDuration.split(', ').some((value) => value !== '0s')
        );
      }).length,
  );
  assert.equal(moving, 0);
});

test('nothing went wrong in any page', () => {
  assert.deepEqual(errors, []);
});
