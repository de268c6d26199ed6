import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { entry, launch, open, phone, startServer, violations } from '../harness.mjs';

let server;
let browser;

before(async () => {
  // The browser is the proxy: it says in each request who this is.
  server = await startServer({
    REGISTRATION: 'closed',
    TRUSTED_PROXIES: '127.0.0.1',
    AUTH_HEADER: 'X-Forwarded-User',
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function opened(t, name, options = {}) {
  const all = await open(browser, server.origin, {
    ...(name && { extraHTTPHeaders: { 'x-forwarded-user': name } }),
    ...options,
  });
  t.after(() => all.context.close());
  return all;
}

test('whom the proxy vouches for is in without a form, and out when they say so', async (t) => {
  const { page, context, errors } = await opened(t, 'Anna', phone);
  await page.locator('#search').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.reload();
  await page.locator('#search').waitFor();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  const button = page.getByRole('button', { name: 'Sign in', exact: true });
  await button.waitFor();
  await page.getByLabel('Password').waitFor({ state: 'detached' });
  assert.deepEqual(await violations(page), []);
  await button.click();
  await page.locator('#search').waitFor();
  assert.deepEqual(errors, []);
  await context.setExtraHTTPHeaders({ 'x-forwarded-user': 'Berta' });
  await context.clearCookies();
  await page.reload();
  await page.getByText('Find somebody by name above and say hello. They find you as “Berta”.').waitFor();
});

test('without the word of a proxy there is the form, and nobody registers', async (t) => {
  const { page } = await opened(t, undefined);
  await page.getByLabel('Password', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Create account' }).waitFor({ state: 'detached' });
});

test('who is suspended is told so, in both languages', async (t) => {
  const first = await opened(t, 'Carla');
  await first.page.locator('#search').waitFor();
  execFileSync(process.execPath, [entry.replace(/server\.js$/, 'admin.js'), 'suspend', 'Carla'], {
    cwd: server.folder,
  });
  await first.page.getByText('This account is suspended.').waitFor();
  const { page } = await opened(t, 'Carla', { ...phone, locale: 'zh-CN' });
  await page.getByText('此账号已被停用').waitFor();
});
