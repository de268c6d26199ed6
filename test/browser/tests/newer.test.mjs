// A page beside a newer server: what it says of types that this page doesn't know.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  bubble,
  fate,
  find,
  launch,
  open,
  phone,
  say,
  signIn,
  startServer,
  texts,
  until,
  violations,
} from '../harness.mjs';

let server;
let browser;
before(async () => {
  [server, browser] = await Promise.all([startServer(), launch()]);
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const isSticker = ({ content }) => content?.startsWith('sticker');

/** Makes a newer server of this one: stickers are frames of their own, history lacks them, and the list has them with their type. */
async function newer(context, sent, histories) {
  await context.routeWebSocket('**/ws', (page) => {
    const far = page.connectToServer();
    page.onMessage((data) => {
      sent.push(JSON.parse(data));
      far.send(data);
    });
    far.onMessage((data) => {
      const frame = JSON.parse(data);
      const { conversation_id, seq, created_at } = frame;
      if (frame.type === 'welcome') page.send(JSON.stringify({ type: 'weather', sun: true }));
      page.send(
        isSticker(frame) ? JSON.stringify({ type: 'sticker', conversation_id, seq, created_at }) : data,
      );
    });
  });
  await context.route('**/api/conversations?*', async (route) => {
    const response = await route.fetch();
    const { data, ...rest } = await response.json();
    const conversations = data.conversations.map(({ last_message: last, ...said }) => ({
      ...said,
      last_message: last && { ...last, ...(isSticker(last) && { type: 'sticker' }) },
    }));
    await route.fulfill({ response, json: { ...rest, data: { ...data, conversations } } });
  });
  await context.route('**/api/conversations/*/messages?*', async (route) => {
    histories.push(route.request().url());
    const response = await route.fetch();
    const { data, ...rest } = await response.json();
    const messages = data.messages.filter((message) => !isSticker(message));
    await route.fulfill({ response, json: { ...rest, data: { ...data, messages } } });
  });
}

for (const [size, options] of Object.entries({ desktop: {}, phone }))
  test(`[X17] what a newer server says shows nothing, and holds nothing up (${size})`, async (t) => {
    const me = await server.account(`Older ${size}`);
    const friend = await server.account(`Friend ${size}`);
    const { context, page, errors } = await open(browser, 'about:blank', options);
    t.after(() => context.close());
    const [sent, histories] = [[], []];
    await newer(context, sent, histories);
    await page.goto(server.origin);
    await signIn(page, me);
    await find(page, friend.username);
    const tell = (content) => server.post('/api/messages', { to_user_id: me.user_id, content }, friend.token);
    for (const text of ['one', 'sticker 1', 'sticker 2', 'two']) await tell(text);
    await bubble(page, 'two').waitFor();
    await say(page, 'three');
    await fate(page, 'three', 'sent');
    const { data } = await tell('sticker 3');
    await until('the last to be confirmed', () =>
      sent.some(({ type, seq }) => type === 'ack' && seq === data.seq),
    );
    const whole = ['one', 'two', 'three'];
    assert.deepEqual(await texts(page), whole);
    assert.equal(await page.locator('.row').count(), 3);
    assert.deepEqual(histories, []);
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/newer-${size}.png` });
    assert.deepEqual(await violations(page), []);

    // Afresh, from what the device keeps and from history.
    await page.reload();
    await bubble(page, 'three').waitFor();
    await until('the places to be empty', async () => (await page.locator('.row').count()) === 3);
    assert.deepEqual(await texts(page), whole);
    await tell('four');
    await bubble(page, 'four').waitFor();
    assert.equal(histories.length, 1);
    assert.equal(await page.locator('.row').count(), 4);
    assert.deepEqual(errors, []);
  });
