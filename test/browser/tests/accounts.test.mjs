import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import {
  composer,
  entry,
  find,
  launch,
  open,
  phone,
  say,
  signIn,
  startServer,
  until,
  violations,
} from '../harness.mjs';

let server;
let browser;
let chief;

before(async () => {
  server = await startServer({ REGISTRATION: 'invite' });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function opened(t, path, options = {}) {
  const all = await open(browser, server.origin + path, options);
  t.after(() => all.context.close());
  return all;
}
async function fill(page, username, password) {
  if (username) await page.getByLabel(/^(Name|用户名)$/).fill(username);
  await page.getByLabel(/^(Password|密码)$/).fill(password);
  await page.locator('button.primary').click();
}
/** Nothing is cut off at the side. */
const fits = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
const admin = (method, path, body) =>
  fetch(`${server.origin}/api/admin${path}`, {
    method,
    headers: { authorization: `Bearer ${chief.token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  }).then((answer) => answer.json());

test('the link of the start makes the first account, on a phone', async (t) => {
  const path = await until('the link', () => /\/#\/invite\/\S+/.exec(server.said())?.[0]);
  const { page, errors } = await opened(t, path, phone);
  await page.getByText('You were invited.').waitFor();
  await page.getByText('Long is better than complicated').waitFor();
  assert.ok(await fits(page));
  assert.deepEqual(await violations(page), []);
  await fill(page, 'Chief', 'short');
  await page.getByText('This password is too short.').waitFor();
  await fill(page, null, 'correct horse');
  await page.locator('#search').waitFor();
  assert.equal(new URL(page.url()).hash, '');
  assert.deepEqual(errors, []);
  const { data } = await server.post('/login', { username: 'Chief', password: 'correct horse' });
  chief = data;
});

test('without an invite that is good the page says what to do, in both languages', async (t) => {
  for (const [locale, words] of [
    ['en-GB', 'You need an invite that is still good.'],
    ['zh-CN', '需要有效的邀请'],
  ]) {
    const { page } = await opened(t, '/', { ...phone, locale });
    await page.getByRole('button', { name: /Create account|注册/ }).click();
    await fill(page, 'Stranger', 'correct horse');
    await page.getByText(words).waitFor();
    assert.ok(await fits(page));
  }
  const { page } = await opened(t, '/#/invite/nonsense', phone);
  await fill(page, 'Stranger', 'correct horse');
  await page.getByText('You need an invite that is still good.').waitFor();
});

test('an admin’s links bring somebody in, and set a password that was forgotten', async (t) => {
  const { data: invite } = await admin('POST', '/invites', {});
  const first = await opened(t, invite.path);
  await fill(first.page, 'Forgetful', 'what was it');
  await first.page.locator('#search').waitFor();
  const { user_id } = (await server.post('/login', { username: 'Forgetful', password: 'what was it' })).data;
  for (const [locale, title, used] of [
    ['en-GB', 'New password', 'This link is used up'],
    ['zh-CN', '新密码', '此链接已被使用'],
  ]) {
    const { data } = await admin('POST', `/users/${user_id}/reset`);
    const { page } = await opened(t, data.path, { ...phone, locale });
    await page.getByRole('heading', { name: title }).waitFor();
    assert.ok(await fits(page));
    assert.deepEqual(await violations(page), []);
    await fill(page, null, 'short');
    await page.getByText(/too short|密码太短/).waitFor();
    await fill(page, null, `new ${locale}`);
    await page.getByText(/The password of Forgetful is changed|Forgetful 的密码已修改/).waitFor();
    await page.getByRole('button', { name: /Sign in|登录/ }).click();
    await signIn(page, { username: 'Forgetful', password: `new ${locale}` });
    const again = await opened(t, data.path, { ...phone, locale });
    await fill(again.page, null, 'once more');
    await again.page.getByText(used).waitFor();
  }
});

test('who is deleted stays in the conversation as nobody, and nobody writes there', async (t) => {
  const { data: invite } = await admin('POST', '/invites', { uses: 2 });
  const join = async (name) => {
    const { page } = await opened(t, invite.path);
    await fill(page, name, 'correct horse');
    await page.locator('#search').waitFor();
    return page;
  };
  const [stays, goes] = [await join('Stays'), await join('Goes')];
  await find(goes, 'Stays');
  await say(goes, 'remember me');
  await stays.locator('a.conversation', { hasText: 'Goes' }).waitFor();
  const { users } = (await admin('GET', '/users?query=goes')).data;
  await admin('DELETE', `/users/${users[0].user_id}?messages=true`);
  await stays.reload();
  const entry = stays.locator('a.conversation', { hasText: 'Deleted user' });
  await entry.waitFor();
  await entry.click();
  await stays.getByText('This account was deleted.').waitFor();
  await stays.locator('.bubble', { hasText: 'Deleted message' }).waitFor();
  assert.equal(await composer(stays).count(), 0);
  assert.deepEqual(await violations(stays), []);
});

test('what whoever runs the server says is on every page', async (t) => {
  const say = (...words) =>
    execFileSync(process.execPath, [entry.replace(/server\.js$/, 'admin.js'), 'announce', ...words], {
      cwd: server.folder,
    });
  say('Back at eight');
  const { page } = await opened(t, '/', phone);
  await page.getByText('Back at eight').waitFor();
  assert.ok(await fits(page));
  assert.deepEqual(await violations(page), []);
  await signIn(page, { username: 'Chief', password: 'correct horse' });
  await page.locator('.banner', { hasText: 'Back at eight' }).waitFor();
  assert.deepEqual(await violations(page), []);
  say('--end');
  await page.reload();
  await page.locator('#search').waitFor();
  await page.locator('.banner', { hasText: 'Back at eight' }).waitFor({ state: 'detached' });
});
