import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, open, person, phone, signIn, startServer, until, violations } from '../harness.mjs';

let server;
let browser;
let ana;

before(async () => {
  server = await startServer();
  browser = await launch();
  // The first account is the admin's.
  ana = await server.account('Ana');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function administration(page) {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Accounts of this server' }).click();
  await page.locator('.accounts li').first().waitFor();
}

const account = (page, name) => page.locator('.accounts li', { hasText: name });
async function act(page, name, what) {
  const row = account(page, name);
  if (!(await row.locator('details').evaluate((details) => details.open)))
    await row.locator('summary').click();
  await row.getByRole('button', { name: what }).click();
}

test('an admin keeps somebody out and lets them in again, and gives a link for a new password, on a phone', async () => {
  const ben = await person(browser, server, 'Ben', {});
  const { page, context } = await open(browser, server.origin, phone);
  await signIn(page, ana);
  await administration(page);
  await page.getByRole('searchbox', { name: 'How the name begins' }).fill('be');
  await until('only Ben to be listed', async () => (await page.locator('.accounts li').count()) === 1);
  await account(page, 'Ben').locator('summary').click();
  assert.deepEqual(await violations(page), []);
  assert.equal(await page.evaluate(() => document.querySelector('dialog').scrollWidth > innerWidth), false);

  await act(page, 'Ben', 'Suspend');
  await account(page, 'Ben').getByText('suspended').waitFor();
  await ben.page.locator('#password').waitFor();
  await act(page, 'Ben', 'Let in again');
  await account(page, 'Ben').getByRole('button', { name: 'Suspend' }).waitFor();

  await act(page, 'Ben', 'Link for a new password');
  const link = await page.locator('.sure .codes').textContent();
  await ben.page.goto(link);
  await ben.page.locator('[name=password]').fill('quite another');
  await ben.page.getByRole('button', { name: 'Set password' }).click();
  await ben.page.getByText('The password of Ben is changed').waitFor();
  await context.close();
  await ben.context.close();
});

test('invites are made, listed and revoked; the last admin stays; who is deleted is gone from the list', async () => {
  await server.account('Cem');
  const { page, context } = await open(browser, server.origin, { viewport: { width: 1280, height: 800 } });
  await signIn(page, ana);
  await administration(page);
  await page.getByRole('button', { name: 'Invite somebody' }).click();
  assert.match(
    await page.locator('.sure .codes').textContent(),
    /^http:\/\/localhost:\d+\/#\/invite\/[\w-]+$/,
  );
  await page.getByText('for 1 account, until').waitFor();
  await page.getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('for 1 account, until').waitFor({ state: 'detached' });

  await act(page, 'Ana', 'No admin any more');
  await page.getByText('Nobody else is an admin').waitFor();
  await act(page, 'Cem', 'Delete');
  await account(page, 'Cem').getByLabel('Empty what they wrote, too').check();
  await account(page, 'Cem').getByRole('button', { name: 'Delete for good' }).click();
  await account(page, 'Cem').waitFor({ state: 'detached' });
  await context.close();
});

test('who is no admin finds nothing of it', async () => {
  const dora = await person(browser, server, 'Dora', {});
  await dora.page.getByRole('button', { name: 'Settings' }).click();
  await dora.page.getByRole('button', { name: 'Devices and password' }).waitFor();
  assert.equal(await dora.page.getByRole('button', { name: 'Accounts of this server' }).count(), 0);
  await dora.context.close();
});
