import { createConnection } from 'node:net';
import t from 'tap';
import { build, eventually, REAL } from './helper.js';

const server = await build(t);

t.test('a process that runs is alive', async (t) => {
  const { status, body } = await server.request('GET', '/healthz');
  t.equal(status, 200);
  t.strictSame(body, { code: 0, message: 'ok', data: {} });
});

t.test('a server with its database and bus is ready', async (t) => {
  const { status, body } = await server.request('GET', '/readyz');
  t.equal(status, 200);
  t.strictSame(body, { code: 0, message: 'ok', data: { database: 'ok', bus: 'ok' } });
});

t.test('both answer to HEAD, for balancers that ask so', async (t) => {
  for (const path of ['/healthz', '/readyz']) {
    const { status, body } = await server.request('HEAD', path);
    t.equal(status, 200);
    t.equal(body, undefined);
  }
});

t.test('a server without its bus is ready still, and says so', async (t) => {
  const beside = await build(t, {}, server);
  Object.defineProperty(beside.app.bus, 'ok', { get: () => false });
  const { status, body } = await beside.request('GET', '/readyz');
  t.equal(status, 200);
  t.strictSame(body.data, { database: 'ok', bus: 'degraded' });
});

t.test('a server that leaves is alive and not ready, and takes no new sockets', async (t) => {
  const beside = await build(t, { DRAIN_PAUSE_SECONDS: '1' }, server);
  const left = beside.app.ws.leave();
  t.match(await beside.request('GET', '/readyz'), { status: 503, body: { code: 503, error: 'overloaded' } });
  t.equal((await beside.request('GET', '/healthz')).status, 200);
  await left;
  await eventually(() => !beside.app.server.listening, 'it listens on');
});

t.test(
  'a server that leaves still answers on connections from before, and says that it was the last time',
  async (t) => {
    const beside = await build(t, {}, server);
    const { hostname, port } = new URL(beside.url);
    const socket = createConnection(Number(port), hostname);
    t.teardown(() => socket.destroy());
    let text = '';
    socket.on('data', (data) => {
      text += data;
    });
    const ask = () => socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
    ask();
    await eventually(() => text.endsWith('"data":{}}'), 'not answered');
    t.match(text, /\r\nconnection: keep-alive\r\n/i);
    text = '';
    const left = beside.app.ws.leave(60_000);
    await eventually(() => !beside.app.server.listening, 'it listens on');
    ask();
    await eventually(() => socket.readableEnded, 'not closed');
    t.match(text, /^HTTP\/1.1 200 OK\r\n/);
    t.match(text, /\r\nconnection: close\r\n/i);
    await left;
  },
);

// With PostgreSQL: test/real/refusing.test.ts.
if (!REAL)
  t.test('a server without its database is alive and not ready', async (t) => {
    const alone = await build(t);
    await alone.app.db.sql.end({ timeout: 0 });
    const { status, body } = await alone.request('GET', '/readyz');
    t.equal(status, 503);
    t.strictSame(body, { code: 503, message: 'the database stores nothing now', error: 'overloaded' });
    t.equal((await alone.request('GET', '/healthz')).status, 200);
  });

t.test('measurements are for those who ask the server itself, not through a proxy', async (t) => {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  t.match(text, /^chat_connections 0$/m);
  if (!REAL)
    await eventually(
      async () =>
        /^chat_database_transaction_age \d+$/m.test(await (await fetch(`${server.url}/metrics`)).text()),
      'no age',
      30_000,
    );
  for (const name of ['X-Forwarded-For', 'X-Real-IP', 'Forwarded']) {
    const { status, body } = await server.request('GET', '/metrics', { headers: { [name]: '203.0.113.9' } });
    t.match({ status, body }, { status: 404, body: { error: 'not_found' } }, name);
  }
});

t.test('a server is ready only while messages are stored and connections open', async (t) => {
  const beside = await build(t, {}, server);
  const { sql } = beside.app.db;
  const status = async () => (await beside.request('GET', '/readyz')).status;
  for (const table of ['messages', 'users']) {
    await eventually(async () => (await status()) === 200, 'it is not ready');
    await sql.unsafe(`alter table ${table} rename to away`);
    await eventually(async () => (await status()) === 503, `it is ready without ${table}`);
    await sql.unsafe(`alter table away rename to ${table}`);
  }
  await eventually(async () => (await status()) === 200, 'it is not ready again');
  t.equal((await beside.request('GET', '/livez')).status, 200);
});
