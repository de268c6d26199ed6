import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fill } from '../../fill.mjs';
import { bubble, composer, launch, open, say, signIn, startServer, until } from '../../harness.mjs';

const count = 50_000;
let server;
let browser;
let ana;
let page;
let errors;
let ben;

before(async () => {
  server = await startServer();
  browser = await launch();
  ana = await server.account('Ana');
  ben = await server.account('Ben');
  const other = await server.account('Other');
  await fill(browser, server, ana, ben, count);
  await server.post('/api/messages', { to_user_id: ana.user_id, content: 'hi' }, other.token);
  const { data } = await server.get('/api/conversations', ana.token);
  const { conversation_id } = data.conversations.find(({ user }) => user.username === 'Ben');
  await server.post(`/api/conversations/${conversation_id}/read`, { seq: count - 700 }, ana.token);
  ({ page, errors } = await open(browser, server.origin));
  await signIn(page, ana);
});
after(async () => {
  await browser?.close();
  await server?.end();
});

const scroller = () => page.locator('.scroller');
const scrollTo = (part) =>
  scroller().evaluate((element, where) => {
    element.scrollTop = (element.scrollHeight - element.clientHeight) * where;
  }, part);
const atBottom = () =>
  scroller().evaluate((element) => element.scrollHeight - element.clientHeight - element.scrollTop < 3);
/** Where the rows in sight stand: `seq` and distance from the top of the window. */
const placed = () =>
  scroller().evaluate((element) => {
    const top = element.getBoundingClientRect().top;
    return [...element.querySelectorAll('.row:not(.empty)')]
      .map((row) => ({
        seq: Number(row.dataset.i) + 1,
        y: Math.round(row.getBoundingClientRect().top - top),
      }))
      .filter(({ y }) => y >= 0 && y < element.clientHeight);
  });
const settled = () =>
  until('the rows in sight to be there', async () => {
    const rows = await placed();
    const empty = await scroller().evaluate((element) => {
      const box = element.getBoundingClientRect();
      return [...element.querySelectorAll('.row.empty')].some((row) => {
        const { top, bottom } = row.getBoundingClientRect();
        return bottom > box.top && top < box.bottom;
      });
    });
    // What has just come is measured with the next frames, and moves what is below.
    await page.evaluate(
      () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))),
    );
    const stands = JSON.stringify(await placed()) === JSON.stringify(rows);
    return rows.length > 3 && !empty && stands && rows;
  });

test('a thread opens at the line where the unread ones begin', async () => {
  await page.locator('a.conversation', { hasText: 'Ben' }).click();
  await page.getByText('New messages').waitFor();
  assert.ok((await settled()).some(({ seq }) => seq === count - 699));
  await page.locator('.newest .badge').waitFor();
});

test('the newest is one press away, and only what is near is in the document', async () => {
  await page.getByRole('button', { name: 'Jump to the newest' }).click();
  await until('the end', atBottom);
  await settled();
  assert.ok((await page.locator('.row').count()) < 120);
  await page.locator('a.conversation', { hasText: 'Ben' }).locator('.badge').waitFor({ state: 'detached' });
});

test('history loads at any place, without a jump', async () => {
  await scrollTo(0.5);
  const middle = await settled();
  assert.ok(middle[0].seq > 15_000 && middle[0].seq < 35_000, `seq ${middle[0].seq} in the middle`);
  // Step by step upward: whatever loads and turns out to be of another height, a row that stays in sight moves as far
  // as the wheel did.
  for (let i = 0; i < 12; i++) {
    const before = await settled();
    await scroller().evaluate((element) => element.scrollBy(0, -180));
    const after = await settled();
    const both = before.find(({ seq }) => after.some((row) => row.seq === seq));
    const moved = after.find(({ seq }) => seq === both.seq).y - both.y;
    assert.ok(Math.abs(moved - 180) <= 2, `moved by ${moved}`);
  }
  await scrollTo(0);
  assert.equal((await settled())[0].seq, 1);
});

test('a message that comes while one reads above doesn’t move the page, and is counted', async () => {
  await scrollTo(0.3);
  const before = await settled();
  await server.post('/api/messages', { to_user_id: ana.user_id, content: 'news' }, ben.token);
  await page.locator('.newest .badge').getByText('1', { exact: true }).waitFor();
  const after = await placed();
  // More rows above may have been drawn meanwhile.
  for (const row of before)
    assert.deepEqual(
      after.find(({ seq }) => seq === row.seq),
      row,
    );
});

test('the place is kept when one looks into another conversation', async () => {
  const before = await settled();
  await page.locator('a.conversation', { hasText: 'Other' }).click();
  await bubble(page, 'hi').waitFor();
  await page.locator('a.conversation', { hasText: 'Ben' }).click();
  assert.deepEqual(await settled(), before);
});

test('one’s own message brings the newest into sight', async () => {
  await say(page, 'from far above');
  await bubble(page, 'from far above').waitFor();
  await until('the end', atBottom);
  await bubble(page, 'news').waitFor();
});

test('a key press is a bubble within 50 ms', async () => {
  await page.locator('.fate.sent, .fate.delivered').last().waitFor();
  const times = [];
  for (let i = 0; i < 15; i++) {
    await composer(page).fill(`quick ${i}`);
    times.push(await page.evaluate(pressToBubble, `quick ${i}`));
  }
  times.sort((a, b) => a - b);
  const middle = times[Math.floor(times.length / 2)];
  console.log(
    `# key press to bubble with ${count} messages: median ${middle.toFixed(1)} ms, worst ${times.at(-1).toFixed(1)} ms`,
  );
  assert.ok(middle < 50, `median ${middle} ms`);
});

/** From the key to the frame that shows the bubble. */
function pressToBubble(text) {
  return new Promise((resolve) => {
    const start = performance.now();
    const box = document.querySelector('.composer textarea');
    box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    const look = () => {
      const shown = [...document.querySelectorAll('.bubble .text')].some(
        (element) => element.textContent === text,
      );
      if (shown) resolve(performance.now() - start);
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}

test('scrolling is smooth: the main thread is never busy for long', async () => {
  const frames = await scroller().evaluate(async (element) => {
    const gaps = [];
    let last = performance.now();
    for (let i = 0; i < 120; i++) {
      element.scrollBy(0, -220);
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }
    return gaps.sort((a, b) => a - b);
  });
  const at = (part) => frames[Math.floor(frames.length * part)];
  console.log(
    `# frames while scrolling: median ${at(0.5).toFixed(1)} ms, 95th percentile ${at(0.95).toFixed(1)} ms`,
  );
  assert.ok(at(0.5) < 20, `median frame ${at(0.5)} ms`);
});

test('nothing went wrong in the page', () => {
  assert.deepEqual(errors, []);
});
