import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { composer, find, launch, open, person, phone, startServer, until, violations } from '../harness.mjs';

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await launch();
  await server.account('Friend One');
  await server.account('Friend Two');
});
after(async () => {
  await browser?.close();
  await server?.end();
});

async function member(t, name, options) {
  const opened = await person(browser, server, name, options);
  t.after(() => opened.context.close());
  return opened;
}

/** A conversation with each friend, with a message of both sides. */
async function talked(t, name, options) {
  const opened = await member(t, name, options);
  const { data } = await server.get('/api/users?query=Friend', opened.token);
  for (const { user_id } of data.users) {
    await server.post('/api/messages', { to_user_id: user_id, content: 'hello' }, opened.token);
  }
  await until('both conversations', async () => (await opened.page.locator('a.conversation').count()) === 2);
  return opened;
}

const style = (locator, property, pseudo) =>
  locator.evaluate(
    (element, [name, part]) => getComputedStyle(element, part).getPropertyValue(name),
    [property, pseudo],
  );

test('with forced colours every state can be told without the colours of the page', async (t) => {
  const visitor = await open(browser, server.origin, { forcedColors: 'active' });
  t.after(() => visitor.context.close());
  const canvas = await style(visitor.page.locator('body'), 'background-color');
  const main = visitor.page.locator('button.primary');
  assert.notEqual(await style(main, 'background-color'), 'rgba(0, 0, 0, 0)');
  assert.notEqual(
    await style(main, 'background-color'),
    await style(visitor.page.locator('.card'), 'background-color'),
  );

  const { page } = await talked(t, 'Contrast', { forcedColors: 'active' });
  assert.notEqual(await style(page.locator('.search'), 'border-top-width'), '0px');
  await page.locator('#search').focus();
  assert.notEqual(await style(page.locator('.search'), 'outline-style'), 'none');
  await page.locator('a.conversation', { hasText: 'Friend One' }).click();
  const [chosen, other] = ['One', 'Two'].map((name) =>
    page.locator('a.conversation', { hasText: `Friend ${name}` }),
  );
  assert.notEqual(await style(chosen, 'border-left-width'), await style(other, 'border-left-width'));
  await composer(page).fill('x');
  assert.notEqual(await style(page.locator('.send'), 'background-color'), canvas);

  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('radio', { name: 'Light' }).check({ force: true });
  const of = (name) => page.locator('.choice label', { hasText: name }).locator('span');
  assert.notEqual(await style(of('Dark'), 'background-color'), await style(of('Light'), 'background-color'));
  const knob = page.getByRole('switch', { name: 'Play a sound' });
  const look = async () => [
    await style(knob, 'border-top-width'),
    await style(knob, 'background-color'),
    await style(knob, 'background-color', '::after'),
  ];
  const off = await look();
  assert.notEqual(off[0], '0px');
  assert.notEqual(off[1], off[2], 'the knob can be seen');
  await knob.check();
  const on = await look();
  assert.notEqual(on[1], on[2], 'the knob can be seen');
  assert.notEqual(on[1], off[1], 'on is not off');
  assert.deepEqual(await violations(page), []);
});

/** What a finger of 44 px would miss, in the middle of each thing that can be pressed and seen. */
const small = (page) =>
  page.evaluate(() => {
    const found = [];
    const top = document.querySelector('dialog[open]') ?? document;
    for (const element of top.querySelectorAll('button, a, input, select, textarea')) {
      // In the text it is as large as the line; a message's menu opens by a tap on the message, too.
      if (element.matches('.text a, .more')) continue;
      const target = element.closest('label, .whole') ?? element;
      const box = target.getBoundingClientRect();
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      const hit = (dx, dy) => target.contains(document.elementFromPoint(x + dx, y + dy));
      if (box.width < 2 || !hit(0, 0)) continue;
      const missed = [
        [-21, 0],
        [21, 0],
        [0, -21],
        [0, 21],
      ].filter(([dx, dy]) => !hit(dx, dy));
      if (missed.length > 0) found.push(`${element.outerHTML.slice(0, 80)} ${box.width}x${box.height}`);
    }
    return found;
  });

test('everything to press is 44 px large for a finger', async (t) => {
  const visitor = await open(browser, server.origin, phone);
  t.after(() => visitor.context.close());
  await visitor.page.locator('#username').waitFor();
  assert.deepEqual(await small(visitor.page), []);
  const { page } = await talked(t, 'Finger', phone);
  assert.deepEqual(await small(page), []);
  await page.locator('#search').fill('Friend');
  await page.getByRole('button', { name: 'Clear search' }).waitFor();
  assert.deepEqual(await small(page), []);
  await page.getByRole('button', { name: 'Clear search' }).click();
  await page.locator('a.conversation', { hasText: 'Friend One' }).click();
  await composer(page).fill('x');
  assert.deepEqual(await small(page), []);
  await composer(page).fill('');
  await page.getByRole('button', { name: 'Back to conversations' }).click();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  assert.deepEqual(await small(page), []);
});

test('at 320 px nothing scrolls sideways', async (t) => {
  const { page } = await talked(t, 'A name that is quite long for a small screen', {
    ...phone,
    viewport: { width: 320, height: 568 },
  });
  const fits = async (view) =>
    assert.deepEqual(
      await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.querySelector('.app').scrollWidth,
      ]),
      [320, 320],
      view,
    );
  await fits('the list');
  await page.locator('#search').fill('Friend');
  await page.getByRole('button', { name: 'Clear search' }).waitFor();
  await fits('the list with something in the search');
  await page.locator('#search').fill('');
  await find(page, 'Friend Two');
  await fits('a conversation');
  await composer(page).fill('x'.repeat(100));
  await fits('a long word');
});
