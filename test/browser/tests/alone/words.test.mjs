import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { bubble, composer, fate, find, launch, person, say, startServer, until } from '../../harness.mjs';

let server;
let browser;
let ana;
let ben;

before(async () => {
  server = await startServer();
  browser = await launch();
  ana = await person(browser, server, 'Ana');
  ben = await server.account('Ben');
  await find(ana.page, 'Ben');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const hear = (content) => server.post('/api/messages', { to_user_id: ana.user_id, content }, ben.token);

test('nothing turns the end of a name or of a link round', async () => {
  await hear('look at photo\u202egpj.exe and https://a.example/\u202egpj.exe or https://a.example/שלום/exe');
  const shown = bubble(ana.page, 'look at');
  await shown.waitFor();
  assert.equal((await shown.locator('.text').textContent()).includes('\u202e'), false);
  const links = shown.locator('a');
  assert.deepEqual(
    await links.evaluateAll((all) => all.map((link) => [link.textContent, link.getAttribute('href')])),
    [
      ['https://a.example/gpj.exe', 'https://a.example/gpj.exe'],
      ['https://a.example/שלום/exe', 'https://a.example/שלום/exe'],
    ],
  );
  for (const link of await links.all()) {
    assert.equal(await link.evaluate((element) => getComputedStyle(element).unicodeBidi), 'isolate-override');
    assert.equal(await link.evaluate((element) => getComputedStyle(element).direction), 'ltr');
  }
  await ana.page.locator('span.last', { hasText: 'photogpj.exe' }).waitFor();
});

test('links end before Chinese text; www. and mail addresses are links', async () => {
  await hear('看https://a.example/x你好，www.example.org：ana@example.org。');
  const shown = bubble(ana.page, '你好');
  await shown.waitFor();
  assert.deepEqual(
    await shown.locator('a').evaluateAll((all) => all.map((link) => link.getAttribute('href'))),
    ['https://a.example/x', 'https://www.example.org', 'mailto:ana@example.org'],
  );
});

test('a preview ends between characters', async () => {
  await hear(`${'a'.repeat(158)}👩‍👩‍👧‍👦👩‍👩‍👧‍👦`);
  await until('the preview', () =>
    ana.page.evaluate(() => document.querySelector('.last bdi')?.textContent.startsWith('aaa')),
  );
  const preview = await ana.page.locator('.last bdi').first().textContent();
  assert.equal(preview, `${'a'.repeat(158)}…`);
});

test('code keeps its first indentation, its language and its backticks', async () => {
  await composer(ana.page).fill('    if (x)\n      y();');
  await composer(ana.page).press('Enter');
  await fate(ana.page, 'y();', 'delivered').catch(() => fate(ana.page, 'y();', 'sent'));
  assert.equal(await bubble(ana.page, 'y();').locator('.text').textContent(), '    if (x)\n      y();');
  await ana.page.reload();
  await bubble(ana.page, 'y();').waitFor();
  assert.equal(await bubble(ana.page, 'y();').locator('.text').textContent(), '    if (x)\n      y();');
  await say(ana.page, '```c++\nauto a = `b`;\n```');
  await bubble(ana.page, 'auto a').locator('pre').waitFor();
  assert.equal(await bubble(ana.page, 'auto a').locator('pre').textContent(), 'auto a = `b`;');
});

test('hostile text costs no more than other text', async () => {
  /** Twenty messages sent one after the other: each draws all rows again. */
  const sending = () =>
    ana.page.evaluate(async () => {
      const box = document.querySelector('.composer textarea');
      const start = performance.now();
      for (let i = 0; i < 20; i++) {
        box.value = `x${i}`;
        box.dispatchEvent(new Event('input', { bubbles: true }));
        box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
        await new Promise((done) => requestAnimationFrame(done));
      }
      return performance.now() - start;
    });
  const before = await sending();
  // Parsed at each drawing, in a time that grows with its square, these would stall the page.
  for (const n of [1, 2, 3]) await hear(`${n} https://a.example/${'.,'.repeat(8_000)}x`);
  await bubble(ana.page, '3 https://a.example/.,').waitFor();
  const after = await sending();
  assert.ok(after < before * 3 + 500, `${before} ms before, ${after} ms after`);
  assert.deepEqual(ana.errors, []);
});
