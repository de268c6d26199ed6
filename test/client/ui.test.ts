import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { brotliDecompressSync } from 'node:zlib';
import t from 'tap';
import { build } from '../helper.js';

const root = new URL('../../dist/static/', import.meta.url);
const { buildClient } = await import(new URL('../../static/build.mjs', import.meta.url).href);
await buildClient(root.pathname);
const server = await build(t);
const get = (path: string, headers = {}) => fetch(server.url + path, { headers });

t.test('the page lets in nothing but its own files, and is asked about each time', async (t) => {
  for (const path of ['/', '/index.html']) {
    const page = await get(path);
    t.equal(page.status, 200);
    t.match(page.headers.get('content-type'), 'text/html');
    t.equal(page.headers.get('cache-control'), 'no-cache');
    t.equal(page.headers.get('x-content-type-options'), 'nosniff');
    const policy = page.headers.get('content-security-policy') ?? '';
    t.match(policy, "default-src 'none'");
    t.match(policy, "frame-ancestors 'none'");
    t.notMatch(policy, 'unsafe');
    const html = await page.text();
    t.notMatch(html, /<script(?![^>]* src=)|<style| style=| on[a-z]+=/, 'nothing inline');
    t.notMatch(html, '{{');
  }
});

t.test('the page, the worker and `welcome` name one build, by what it is made of', async (t) => {
  const html = await (await get('/')).text();
  const [, version] = /<meta name="version" content="([0-9a-f]{16})"/.exec(html) ?? [];
  t.equal(version, server.app.ui.version);
  const worker = await (await get('/sw.js')).text();
  t.match(worker, `shell-${version}`);
  t.match(worker, createHash('sha256').update(html).digest('hex'));
});

t.test('hashed files are kept for ever and come compressed', async (t) => {
  const names = await readdir(new URL('assets/', root));
  const script = names.find((name) => /^app-.*\.js$/.test(name)) ?? '';
  const [plain, small] = await Promise.all([
    get(`/assets/${script}`, { 'accept-encoding': 'identity' }),
    server.app.inject({ url: `/assets/${script}`, headers: { 'accept-encoding': 'br, gzip' } }),
  ]);
  t.equal(plain.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  t.equal(small.headers['content-encoding'], 'br');
  t.equal(brotliDecompressSync(small.rawPayload).toString(), await plain.text());
  const html = await (await get('/')).text();
  let bytes = 0;
  for (const [, path = ''] of html.matchAll(/"(\/assets\/[^"]*\.js)"/g))
    bytes += (await server.app.inject({ url: path, headers: { 'accept-encoding': 'br' } })).rawPayload.length;
  t.ok(bytes > small.rawPayload.length && bytes < 60 * 1024, `${bytes} bytes of script`);
});

t.test(
  'the worker is never kept; a file that is not there is answered as everywhere, and not remembered',
  async (t) => {
    t.equal((await get('/sw.js')).headers.get('cache-control'), 'no-cache');
    for (const path of [
      '/assets/none.js',
      '/assets/..%2findex.html',
      '/assets/%2e%2e%2fsw.js',
      '/nothing',
      '/assets/',
    ]) {
      const answer = await get(path);
      t.equal(answer.status, 404, path);
      t.equal(answer.headers.get('cache-control'), 'no-store', path);
      t.match(await answer.json(), { code: 404, error: 'not_found' });
    }
  },
);

t.test('what a client has already is not sent again', async (t) => {
  for (const coding of ['br', 'gzip', 'identity']) {
    const ask = { 'accept-encoding': coding };
    const tag = (await get('/', ask)).headers.get('etag') ?? '';
    for (const known of [tag, `"other", ${tag}`, '*']) {
      const answer = await get('/', { ...ask, 'if-none-match': known });
      t.strictSame([answer.status, await answer.text()], [304, ''], `${coding} ${known}`);
      t.equal(answer.headers.get('etag'), tag);
      t.equal(answer.headers.get('cache-control'), 'no-cache');
    }
    t.equal((await get('/', { ...ask, 'if-none-match': '"other"' })).status, 200);
  }
});

t.test('a file comes in the coding that its client takes', async (t) => {
  for (const [accepted, coding] of [
    ['gzip, deflate, br', 'br'],
    ['gzip;q=0.5, br;q=0', 'gzip'],
    ['*', 'br'],
    ['identity', undefined],
    ['', undefined],
  ] as const) {
    const answer = await server.app.inject({ url: '/', headers: { 'accept-encoding': accepted } });
    t.equal(answer.headers['content-encoding'], coding, accepted);
    t.equal(answer.headers['content-length'], String(answer.rawPayload.length), accepted);
    t.match(answer.headers['content-type'], 'text/html', accepted);
    t.match(answer.headers.vary, /accept-encoding/i);
    const head = await server.app.inject({
      method: 'HEAD',
      url: '/',
      headers: { 'accept-encoding': accepted },
    });
    t.strictSame([head.rawPayload.length, head.headers.etag], [0, answer.headers.etag], accepted);
  }
});

t.test('a wrong method is said to be one', async (t) => {
  const { status, body } = await server.request('POST', '/', { body: {} });
  t.equal(status, 405);
  t.equal(body.error, 'method_not_allowed');
});
