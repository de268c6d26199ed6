import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeBuilds } from '../builds.mjs';
import { launch, open, signIn, startServer, until } from '../harness.mjs';

let builds;
let server;
let browser;
let ana;
const errors = [];

before(async () => {
  builds = await makeBuilds();
  builds.show('old');
  server = await startServer({}, builds.program);
  ana = await server.account('Ana');
  browser = await launch('--host-resolver-rules=MAP chat.test 127.0.0.1');
});
after(async () => {
  await browser?.close();
  await server?.end();
  builds?.end();
});

/** A first visit, signed in, on one of the builds. */
async function visitor(t, shown, origin = server.origin) {
  await serve(() => builds.show(shown));
  const opened = await open(browser, origin);
  t.after(async () => {
    errors.push(...opened.errors);
    await opened.context.close();
  });
  await signIn(opened.page, ana);
  assert.equal(await build(opened.page), shown);
  return opened;
}

/** Has the server answer with other files: it reads them once. */
async function serve(change) {
  await server.stop();
  change();
  await server.start();
}

const build = (page) => page.evaluate(() => document.documentElement.dataset.build);
const banner = (page) => page.getByText('A new version is ready.');

async function forgetCached({ context, page }) {
  const devtools = await context.newCDPSession(page);
  await devtools.send('Network.clearBrowserCache');
}

/** Asks for a newer worker and waits for how that ends. */
const update = (page) =>
  page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    await registration.update().catch(() => {});
    const worker = registration.installing ?? registration.waiting;
    if (!worker) return;
    await new Promise((done) => {
      const look = () => ['activated', 'redundant'].includes(worker.state) && done();
      worker.addEventListener('statechange', look);
      look();
    });
  });

test('a worker that installs in the middle of an update keeps one build whole, or nothing', async (t) => {
  const opened = await visitor(t, 'old');
  const { page } = opened;
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.reload();
  await serve(() => builds.showMixed());
  await update(page);
  await forgetCached(opened);
  await page.reload();
  await page.locator('#search').waitFor();
  assert.equal(await build(page), 'old');
  assert.equal(await banner(page).count(), 0);
  await serve(() => builds.show('new'));
  await update(page);
  await banner(page).waitFor();
  await page.getByRole('button', { name: 'Reload' }).click();
  await until('the new build', async () => (await build(page).catch(() => '')) === 'new');
  await page.locator('#search').waitFor();
  assert.equal(await banner(page).count(), 0);
});

for (const [what, from, to, origin] of [
  ['', 'old', 'new', () => server.origin],
  [', without a worker too', 'new', 'old', () => `http://chat.test:${server.port}`],
]) {
  test(`a tab from the first visit hears of another build when the server is back${what}`, async (t) => {
    const { page } = await visitor(t, from, origin());
    if (!what) await page.evaluate(() => navigator.serviceWorker.ready);
    await serve(() => builds.show(to));
    await banner(page).waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Reload' }).click();
    await until('the other build', async () => (await build(page).catch(() => '')) === to);
    await page.locator('#search').waitFor();
    assert.equal(await banner(page).count(), 0);
  });
}

test('nothing went wrong in any page', () => {
  assert.deepEqual(errors, []);
});
