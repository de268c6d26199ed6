import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { composer, find, launch, open, phone, signIn, startServer, until } from '../harness.mjs';

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const scroller = (page) => page.locator('.scroller');
const fromEnd = (page) =>
  scroller(page).evaluate((box) => box.scrollHeight - box.clientHeight - box.scrollTop);
/** How far the row's top is below the top of the window. */
const rowTop = (page, text) =>
  page.locator('.row', { hasText: text }).evaluate((row) => {
    const { top } = row.closest('.scroller').getBoundingClientRect();
    return row.getBoundingClientRect().top - top;
  });
const frames = (page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

for (const [device, options] of [
  ['on a desktop', {}],
  ['on a phone', phone],
]) {
  test(`${device}, 20 typed lines and 20 messages that come in move the place by less than a pixel`, async (t) => {
    const [ana, ben] = [await server.account(`Ana ${device}`), await server.account(`Ben ${device}`)];
    const say = (content) => server.post('/api/messages', { to_user_id: ana.user_id, content }, ben.token);
    for (let n = 1; n <= 40; n++) await say(`before ${n}`);
    const { context, page, errors } = await open(browser, server.origin, options);
    t.after(() => context.close());
    await signIn(page, ana);
    await find(page, ben.username);
    await page.locator('.newest').click();
    await until('the end', async () => (await fromEnd(page)) < 1);

    // At the end, what comes in is followed and counts as read.
    await composer(page).click();
    for (let n = 1; n <= 20; n++) {
      await composer(page).press('Shift+Enter');
      await page.keyboard.type(`line ${n} `.repeat(n === 10 ? 30 : 1));
      await say(`while writing ${n}`);
      await page.locator('.bubble').getByText(`while writing ${n}`, { exact: true }).waitFor();
      await frames(page);
      assert.ok((await fromEnd(page)) < 1, `${await fromEnd(page)} px from the end after line ${n}`);
      assert.equal(await page.locator('.newest').count(), 0);
    }
    assert.equal(await page.locator('a.conversation .badge').count(), 0);
    // What is taken away again gives its room back.
    await composer(page).fill('');
    await frames(page);
    assert.ok((await fromEnd(page)) < 1);

    // Elsewhere, what one reads stands still.
    await scroller(page).evaluate((box) => {
      box.scrollTop -= 900;
    });
    await page.locator('.newest').waitFor();
    await frames(page);
    const before = await rowTop(page, 'before 40');
    for (let n = 1; n <= 20; n++) {
      await composer(page).press('Shift+Enter');
      await say(`far below ${n}`);
      await frames(page);
      const moved = Math.abs((await rowTop(page, 'before 40')) - before);
      assert.ok(moved < 1, `moved by ${moved} px after line ${n}`);
    }
    await page.locator('.newest .badge', { hasText: '20' }).waitFor();
    assert.deepEqual(errors, []);
  });
}
