// What the client costs, as a table: `npm run measure`. Sizes are of what is really sent; times are the middle of
// several runs in Chromium on a CPU slowed down to a quarter.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import lighthouse from 'lighthouse';
import { chromium } from 'playwright-core';
import { fill } from './fill.mjs';
import {
  bubble,
  composer,
  executablePath,
  flags,
  freePort,
  launch,
  signIn,
  startServer,
} from './harness.mjs';

const messages = Number(process.env.MESSAGES ?? 50_000);
const runs = 5;
const middle = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const ms = (value) => `${value.toFixed(0)} ms`;
const rows = [];
const row = (what, value, goal) => rows.push([what, value, goal]);

const server = await startServer();
const browser = await launch();
const ana = await server.account('Ana');
const ben = await server.account('Ben');

/** Bytes of bodies as they come over the line, at a first visit. */
async function sizes() {
  const page = await (await browser.newContext()).newPage();
  const client = await page.context().newCDPSession(page);
  await client.send('Network.enable');
  const kinds = new Map();
  const sums = { Script: 0, Stylesheet: 0, all: 0 };
  client.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type));
  client.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId);
    if (kind in sums) sums[kind] += encodedDataLength;
    sums.all += encodedDataLength;
  });
  await page.goto(server.origin);
  await page.locator('#username').waitFor();
  await page.waitForLoadState('networkidle');
  await page.context().close();
  row('script at first visit, compressed, with headers', `${(sums.Script / 1024).toFixed(1)} KB`, '≤ 60 KB');
  row('style at first visit, compressed, with headers', `${(sums.Stylesheet / 1024).toFixed(1)} KB`, '');
  row('everything at first visit', `${(sums.all / 1024).toFixed(1)} KB`, '');
}

/** From the request to a page that has drawn itself and answers, on a slow CPU. */
async function interactive(context, ready) {
  const page = await context.newPage();
  const client = await context.newCDPSession(page);
  await client.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  await page.addInitScript((selector) => {
    const look = () => {
      if (document.querySelector(selector)) setTimeout(() => (window.interactive = performance.now()));
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, ready);
  await page.goto(server.origin);
  await page.waitForFunction(() => window.interactive);
  const time = await page.evaluate(() => window.interactive);
  await page.close();
  return time;
}

async function times() {
  const fresh = [];
  const known = [];
  for (let i = 0; i < runs; i++) {
    const context = await browser.newContext();
    fresh.push(await interactive(context, '#username'));
    await context.close();
  }
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(server.origin);
  await signIn(page, ana);
  await page.close();
  for (let i = 0; i < runs; i++) known.push(await interactive(context, '#search'));
  await context.close();
  row('interactive on a 4x slowed CPU, first visit', ms(middle(fresh)), '< 1,500 ms');
  row('interactive on a 4x slowed CPU, signed in', ms(middle(known)), '< 1,500 ms');
}

async function press() {
  const page = await (await browser.newContext()).newPage();
  await page.goto(server.origin);
  await signIn(page, ana);
  await page.locator('a.conversation', { hasText: 'Ben' }).click();
  await page.locator('.newest').click();
  await bubble(page, `${messages}:`).waitFor();
  for (const rate of [1, 4]) {
    const client = await page.context().newCDPSession(page);
    await client.send('Emulation.setCPUThrottlingRate', { rate });
    const found = [];
    for (let i = 0; i < 15; i++) {
      const text = `press ${rate} ${i}`;
      await composer(page).fill(text);
      found.push(await page.evaluate(pressToBubble, text));
    }
    const goal = rate === 1 ? '< 50 ms' : '';
    row(
      `key press to bubble, ${messages} messages${rate > 1 ? ', 4x slowed CPU' : ''}`,
      ms(middle(found)),
      goal,
    );
  }
  await page.context().close();
}

/** Until the frame after the one that has the bubble: then it is on the screen. */
function pressToBubble(text) {
  return new Promise((resolve) => {
    const start = performance.now();
    const box = document.querySelector('.composer textarea');
    box.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    const look = () => {
      const shown = [...document.querySelectorAll('.bubble .text')].some(
        (element) => element.textContent === text,
      );
      if (shown) requestAnimationFrame(() => resolve(performance.now() - start));
      else requestAnimationFrame(look);
    };
    look();
  });
}

async function scores() {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'chat-lighthouse-'));
  const args = [...flags, `--remote-debugging-port=${port}`];
  const own = await chromium.launchPersistentContext(folder, { executablePath, args });
  const { lhr } = await lighthouse(server.origin, { port, logLevel: 'silent' });
  await own.close();
  rmSync(folder, { recursive: true, force: true });
  const goals = { performance: '≥ 95', accessibility: '100', 'best-practices': '100', seo: '' };
  for (const [name, goal] of Object.entries(goals)) {
    row(
      `Lighthouse ${lhr.lighthouseVersion}, ${name}`,
      String(Math.round(lhr.categories[name].score * 100)),
      goal,
    );
  }
  for (const id of ['first-contentful-paint', 'largest-contentful-paint', 'total-blocking-time']) {
    row(`Lighthouse, ${id}`, lhr.audits[id].displayValue, '');
  }
  for (const audit of Object.values(lhr.audits)) {
    if (audit.score !== null && audit.score < 1 && audit.scoreDisplayMode === 'binary')
      console.log(`# ${audit.id}: ${audit.title}`);
  }
}

try {
  await sizes();
  await times();
  await scores();
  await fill(browser, server, ana, ben, messages);
  await press();
} finally {
  await browser.close();
  await server.end();
}
const width = Math.max(...rows.map(([what]) => what.length));
for (const [what, value, goal] of rows)
  console.log(`| ${what.padEnd(width)} | ${value.padStart(9)} | ${goal.padStart(10)} |`);
