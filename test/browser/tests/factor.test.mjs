import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import { launch, open, phone, signIn, startServer, violations } from '../harness.mjs';

let server;
let strict;
let browser;

before(async () => {
  server = await startServer();
  strict = await startServer({ SECOND_FACTOR: 'required' });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.end();
  await strict?.end();
});

/** Sets it up in the page, as far as its recovery codes. @returns the secret and the codes */
async function setUp(page, password) {
  await page.getByRole('button', { name: 'Set it up' }).click();
  await page.locator('.qr').waitFor();
  const secret = (await page.locator('p.codes').textContent()).replaceAll(' ', '');
  assert.deepEqual(await violations(page), []);
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth > innerWidth);
  assert.equal(wide, false);
  await page.getByLabel('Present password').fill(password);
  await page.getByLabel('Code', { exact: true }).fill(codeOf(secret));
  await page.getByRole('button', { name: 'Switch on' }).click();
  await page.locator('.codes li').first().waitFor();
  const codes = await page.locator('.codes li').allTextContents();
  assert.equal(codes.length, 10);
  return { secret, codes };
}

const codeOf = (secret, steps = 0) =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + steps * 30_000 });

test('a second factor is set up on a phone, asked for by the next sign-in, and switched off', async () => {
  const ana = await server.account('Ana');
  const here = await open(browser, server.origin, phone);
  await signIn(here.page, ana);
  await here.page.getByRole('button', { name: 'Settings' }).click();
  await here.page.getByRole('button', { name: 'Second factor' }).click();
  const { codes } = await setUp(here.page, ana.password);
  await here.page.getByRole('button', { name: 'I have kept them' }).click();
  await here.page.locator('dialog').waitFor({ state: 'detached' });

  const other = await open(browser, server.origin, { viewport: { width: 1280, height: 800 } });
  await other.page.getByLabel('Name').fill(ana.username);
  await other.page.locator('#password').fill(ana.password);
  await other.page.getByRole('button', { name: 'Sign in' }).click();
  const code = other.page.getByLabel('Code', { exact: true });
  await code.waitFor();
  assert.equal(await code.evaluate((field) => field === document.activeElement), true);
  await other.page.getByText('Enter the code that your authenticator shows').waitFor();
  assert.deepEqual(await violations(other.page), []);
  await code.fill('000000');
  await other.page.getByRole('button', { name: 'Sign in' }).click();
  await other.page.getByText('This code is wrong').waitFor();
  await code.fill(codes[0].toLowerCase());
  await other.page.getByRole('button', { name: 'Sign in' }).click();
  await other.page.locator('#search').waitFor();

  await other.page.getByRole('button', { name: 'Settings' }).click();
  await other.page.getByRole('button', { name: 'Second factor' }).click();
  await other.page.getByText('9 recovery codes are left').waitFor();
  await other.page.getByLabel('Present password').fill(ana.password);
  await other.page.getByLabel('Code', { exact: true }).fill(codes[1]);
  await other.page.getByRole('button', { name: 'Switch off' }).click();
  await other.page.getByRole('button', { name: 'Set it up' }).waitFor();
  await here.context.close();
  await other.context.close();
});

test('where a server asks for it, the page has nothing else until it is set up, after a reload, too', async () => {
  const ben = await strict.account('Ben');
  const { page, context } = await open(browser, strict.origin, phone);
  await page.getByLabel('Name').fill(ben.username);
  await page.locator('#password').fill(ben.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('This server asks for a second factor').waitFor();
  await page.reload();
  await page.getByText('This server asks for a second factor').waitFor();
  assert.equal(await page.locator('#search').count(), 0);
  await setUp(page, ben.password);
  await page.getByRole('button', { name: 'I have kept them' }).click();
  await page.locator('#search').waitFor();
  await page.locator('.banner').waitFor({ state: 'detached' });
  await page.reload();
  await page.locator('#search').waitFor();
  await context.close();
});
