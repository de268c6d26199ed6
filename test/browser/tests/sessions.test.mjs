import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open, phone, signIn, startServer, until, violations } from '../harness.mjs';
import { startLine } from '../line.mjs';

let server;
let line;
let browser;
let ana;
const opened = [];

before(async () => {
  server = await startServer();
  line = await startLine(server);
  browser = await launch();
  ana = await server.account('Ana');
});
after(async () => {
  await browser?.close();
  line?.end();
  await server?.end();
});

/** Ana in a browser of her own. */
async function signedIn({ foreign = false, origin = server.origin, ...options } = {}) {
  const device = await open(browser, origin, options);
  opened.push(device);
  if (foreign) await device.page.getByText('This is not my device').click();
  await signIn(device.page, ana);
  return device;
}

const cookieOf = async ({ context }) =>
  (await context.cookies()).find(({ name }) => name.startsWith('chat-device'));
const devicesOf = async (page) => {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Devices and password' }).click();
  await page.locator('.devices li').first().waitFor();
};
const sessions = async () => (await server.get('/api/sessions', ana.token)).data.sessions;

test('a reload goes on without a password, and no script finds a token', async () => {
  const device = await signedIn();
  const stored = await device.page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  );
  assert.doesNotMatch(stored, /eyJ/);
  const cookie = await cookieOf(device);
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, 'Strict']);
  assert.ok(cookie.expires > Date.now() / 1000 + 29 * 86_400);
  await device.page.reload();
  await device.page.locator('#search').waitFor();
  await device.context.close();
});

test('where it isn’t one’s own device, the cookie goes with the browser', async () => {
  const device = await signedIn({ foreign: true });
  assert.equal((await cookieOf(device)).expires, -1);
  await device.page.reload();
  await device.page.locator('#search').waitFor();
  await device.context.close();
});

test('the list of devices says where one is signed in; another one is signed out there, and all by a new password', async () => {
  const here = await signedIn({ ...phone });
  const lost = await signedIn();
  await devicesOf(here.page);
  const own = here.page.locator('.devices li', { hasText: 'this device' });
  assert.match(await own.locator('bdi').first().textContent(), /^Chrome, /);
  assert.deepEqual(await violations(here.page), []);
  const wide = await here.page.evaluate(() => document.querySelector('dialog').scrollWidth > innerWidth);
  assert.equal(wide, false);
  const others = (await sessions()).length - 1;
  assert.equal(await here.page.locator('.devices li button').count(), others);
  // The newest of the others.
  await here.page.locator('.devices li button').first().click();
  await lost.page.getByText('Your session has ended').waitFor();
  await until(
    'it to be gone from the list',
    async () => (await here.page.locator('.devices li button').count()) === others - 1,
  );
  const again = await signedIn();
  await here.page.getByLabel('Present password').fill('a guess');
  await here.page.getByLabel('New password').fill('battery staple');
  await here.page.getByRole('button', { name: 'Change password' }).click();
  await here.page.getByText('The present password is wrong.').waitFor();
  await here.page.getByLabel('Present password').fill(ana.password);
  await here.page.getByRole('button', { name: 'Change password' }).click();
  await here.page.getByText('Your password is changed.').waitFor();
  await again.page.getByText('Your session has ended').waitFor();
  await until(
    'the others to be gone from the list',
    async () => (await here.page.locator('.devices li button').count()) === 0,
  );
  ana.password = 'battery staple';
  await signIn(again.page, ana);
  await here.page.reload();
  await here.page.locator('#search').waitFor();
});

test('who signs out while the server is away is signed out there, too, once it is back', async () => {
  const device = await signedIn({ origin: line.origin });
  const { token } = (await server.post('/login', { username: 'Ana', password: ana.password })).data;
  const count = async () => (await server.get('/api/sessions', token)).data.sessions.length;
  const before = await count();
  line.cut();
  await device.page.getByRole('button', { name: 'Settings' }).click();
  await device.page.getByRole('button', { name: 'Sign out' }).click();
  await device.page.locator('#username').waitFor();
  assert.equal(await count(), before);
  line.mend();
  await device.page.reload();
  await until('the session to end', async () => (await count()) === before - 1);
  assert.equal(await cookieOf(device), undefined);
});

test('nothing went wrong in any page', () => {
  assert.deepEqual(
    opened.flatMap(({ errors }) => errors),
    [],
  );
});
