// The real server on a free port with a folder of its own, Chromium, and people who use it. All of it is gone when
// the test file ends, whatever happened in it.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

export const entry =
  process.env.TEST_SERVER ?? fileURLToPath(new URL('../../dist/server.js', import.meta.url));
export const executablePath = process.env.TEST_CHROMIUM || '/usr/bin/chromium';
export const flags =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'.split(
    ' ',
  );

export const launch = (...more) => chromium.launch({ executablePath, args: [...flags, ...more] });

export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Repeats until there is something; conditions, never sleeps of a fixed length. */
export async function until(what, condition, ms = 30_000) {
  const end = performance.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`Waited ${ms} ms for ${what}`);
    await wait(25);
  }
}

export async function startServer(env = {}, program = entry) {
  const folder = mkdtempSync(join(tmpdir(), 'chat-browser-'));
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  let child;
  let log = '';
  const server = {
    folder,
    port,
    origin,
    async start() {
      child = spawn(process.execPath, [program], {
        cwd: folder,
        env: {
          PATH: process.env.PATH,
          PORT: String(port),
          HOST: '127.0.0.1',
          DATA_DIR: join(folder, 'data'),
          LOG_LEVEL: 'warn',
          DRAIN_SECONDS: '0',
          // Everybody comes from one address here.
          LIMITS: 'off',
          ...env,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const mine = child;
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (data) => {
          log = (log + data).slice(-8000);
        });
      }
      await until(
        'the server to answer',
        async () => {
          if (mine.exitCode !== null) throw new Error(`The server ended with ${mine.exitCode}:\n${log}`);
          return fetch(`http://127.0.0.1:${port}/healthz`).then(
            (answer) => answer.ok,
            () => false,
          );
        },
        90_000,
      );
    },
    /** What it has written of late. */
    said: () => log,
    async stop(signal = 'SIGTERM') {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill(signal);
      await ended;
    },
    async end() {
      await server.stop('SIGKILL');
      process.off('exit', kill);
      rmSync(folder, { recursive: true, force: true });
    },
    post: (path, body, token) => server.ask('POST', path, body, token),
    async ask(method, path, body, token) {
      const headers = {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
      };
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers,
        body: JSON.stringify(body),
      });
      return answer.json();
    },
    async get(path, token) {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).json();
    },
    async account(username, password = 'correct horse') {
      await server.post('/register', { username, password });
      const answer = await fetch(`http://127.0.0.1:${port}/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username, password, stay_signed_in: true }),
      });
      const { data } = await answer.json();
      const [name, value] = (answer.headers.get('set-cookie') ?? '').split(';')[0].split('=');
      return { ...data, password, cookie: { name, value } };
    },
  };
  const kill = () => child?.kill('SIGKILL');
  process.on('exit', kill);
  await server.start();
  return server;
}

/** What a browser says of the network by itself is no error of the page. */
const network = /^(Failed to load resource|WebSocket connection to|Access to fetch)/;

export const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** Opens a context as its own person; everything that went wrong in it is in `errors`. */
export async function open(browser, origin, options = {}) {
  const context = await browser.newContext({
    locale: 'en-GB',
    viewport: { width: 1200, height: 780 },
    ...options,
  });
  const errors = [];
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  context.on('page', (page) => {
    page.on('pageerror', (error) => errors.push(String(error.stack)));
    page.on('console', (message) => {
      if (message.type() === 'error' && !network.test(message.text())) errors.push(message.text());
    });
  });
  const page = await context.newPage();
  await page.goto(origin);
  return { context, page, errors };
}

export async function signIn(page, { username, password }) {
  await page.getByLabel(/^(Name|用户名)$/).fill(username);
  await page.getByLabel(/^(Password|密码)$/).fill(password);
  await page.locator('button.primary').click();
  await page.locator('#search').waitFor();
}

/** A person who is signed in and connected. */
export async function person(browser, server, username, options) {
  const account = await server.account(username);
  const opened = await open(browser, options?.origin ?? server.origin, options);
  await signIn(opened.page, account);
  return { ...account, ...opened, name: username };
}

export async function find(page, name) {
  await page.locator('#search').fill(name);
  await page.locator('a.conversation', { hasText: name }).first().click();
  await composer(page).waitFor();
}

export const composer = (page) => page.locator('.composer textarea');
export const bubbles = (page) => page.locator('.bubble .text');
export const bubble = (page, text) => page.locator('.row', { hasText: text }).last();

export async function say(page, text) {
  await composer(page).fill(text);
  await page.locator('.composer .send').click();
}

/** Waits until a message of one's own has come as far as that. */
export const fate = (page, text, state) => bubble(page, text).locator(`.fate.${state}`).waitFor();

/** What axe finds, in short; run through the debugger, since the page's policy lets no script in. */
export async function violations(page) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() =>
    window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  return found.violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`,
  );
}

/** The texts of a thread from oldest to newest, as they are drawn. */
export const texts = (page) => bubbles(page).allTextContents();
