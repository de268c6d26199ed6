import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { composer, find, launch, person, phone, startServer, until } from '../harness.mjs';

// What only a device can show stands here as the order of its events, as it was recorded: the keys of input methods in
// Chrome and in Safari, and what the keyboard of iOS tells a page. They are played to the page in Chromium.

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await launch();
  await server.account('Friend');
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

/** A word is composed and taken, or given up, by a key that belongs to the input method. */
const compose = (field, browserName, key) =>
  field.evaluate(
    (element, [order, name]) => {
      const composition = (type) =>
        element.dispatchEvent(new CompositionEvent(type, { bubbles: true, data: 'x' }));
      const press = (isComposing) =>
        element.dispatchEvent(
          new KeyboardEvent('keydown', {
            key: name,
            keyCode: 229,
            isComposing,
            bubbles: true,
            cancelable: true,
          }),
        );
      composition('compositionstart');
      composition('compositionupdate');
      if (order === 'Chrome') press(true);
      composition('compositionend');
      // Safari: the composition is over when the key is told.
      if (order === 'Safari') press(false);
    },
    [browserName, key],
  );

for (const name of ['Chrome', 'Safari']) {
  test(`keys of an input method, in the order of ${name}, are its own in every field`, async (t) => {
    const { page } = await member(t, `Typist in ${name}`);
    const search = page.locator('#search');
    await search.fill('Friend');
    await page.locator('a.conversation', { hasText: 'Friend' }).waitFor();
    await compose(search, name, 'Enter');
    await compose(search, name, 'Escape');
    await compose(search, name, 'ArrowDown');
    assert.equal(await search.inputValue(), 'Friend');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'search');
    await page.getByText('Pick a conversation').waitFor();

    await find(page, 'Friend');
    await compose(composer(page), name, 'Escape');
    await composer(page).waitFor();
    await composer(page).fill('kept');
    await compose(composer(page), name, 'Enter');
    assert.equal(await composer(page).inputValue(), 'kept');
    await composer(page).fill('');

    await page.getByRole('button', { name: 'New conversation' }).first().click();
    const filter = page.locator('dialog input');
    await filter.fill(`Typist in ${name}`);
    await page.locator('dialog a.conversation', { hasText: `Typist in ${name}` }).waitFor();
    await compose(filter, name, 'Enter');
    await page.getByRole('heading', { name: 'New conversation' }).waitFor();
    await filter.press('Enter');
    await until('the conversation', () => page.evaluate(() => !document.querySelector('dialog')));
    await page.getByText('Notes to yourself').waitFor();
  });
}

test('with the keyboard of iOS over the page, the head and the composer are in what is left to see', async (t) => {
  const { page } = await member(t, 'On iOS', phone);
  await find(page, 'Friend');
  /** What Safari tells as its keyboard comes and goes: the layout stays, what is seen shrinks and moves down. */
  const tell = (height, offsetTop) =>
    page.evaluate(
      ([seen, top]) => {
        Object.defineProperty(visualViewport, 'height', { value: seen, configurable: true });
        Object.defineProperty(visualViewport, 'offsetTop', { value: top, configurable: true });
        visualViewport.dispatchEvent(new Event('resize'));
        visualViewport.dispatchEvent(new Event('scroll'));
      },
      [height, offsetTop],
    );
  const inside = async (top, bottom) => {
    const { y } = await page.locator('.thread-head').boundingBox();
    const box = await page.locator('.composer').boundingBox();
    assert.equal(Math.round(y), top);
    assert.equal(Math.round(box.y + box.height), bottom);
  };
  await inside(0, 844);
  for (const [height, top] of [
    [620, 0],
    [508, 0],
    [508, 180],
    [508, 96],
  ]) {
    await tell(height, top);
    await inside(top, top + height);
  }
  await tell(844, 0);
  await inside(0, 844);
});
