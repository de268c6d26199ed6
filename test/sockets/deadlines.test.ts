import t, { type Test } from 'tap';
import { HTTP } from '../../schemas/limits.js';
import { build, eventually, type Server, signUp } from '../helper.js';
import { HANDSHAKE, isRefused, RawSocket, rawRequest } from '../raw.js';

const first = await build(t);
const user = await signUp(first);
const bearer = { Authorization: `Bearer ${user.token}` };
const health = rawRequest('GET', '/healthz');

/** An instance whose deadlines are all short. */
async function hasty(t: Test): Promise<Server> {
  const server = await build(t, {}, first);
  Object.assign(server.app.server, { headersTimeout: 100, requestTimeout: 200 });
  Object.assign(server.app.sockets.limits, { tokenMs: 250, farewellMs: 250, answerMs: 500 });
  return server;
}

/** All of these keep their own side open for ever. */
const HOLDERS: Record<string, Buffer | string> = {
  'says nothing': '',
  'says half a head': 'GET /healthz HTTP/1.1\r\nHost: x\r\n',
  'says half a body': rawRequest('POST', '/login', { body: '{}' }).subarray(0, -1),
  'asks once': health,
  'asks once, and half': Buffer.concat([health, health.subarray(0, -2)]),
  'has its last answer': rawRequest('GET', '/healthz', { headers: { Connection: 'close' } }),
  'is shown that it is no proxy': 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
  'speaks no HTTP': 'hello\r\n\r\n',
  'opens without a token': rawRequest('GET', '/ws', { headers: HANDSHAKE }),
  'opens in a wrong version': rawRequest('GET', '/ws', {
    headers: { ...HANDSHAKE, ...bearer, 'Sec-WebSocket-Version': '12' },
  }),
  'opens with a bad key': rawRequest('GET', '/ws', {
    headers: { ...HANDSHAKE, ...bearer, 'Sec-WebSocket-Key': 'x' },
  }),
  'opens and goes on to talk': Buffer.concat([
    rawRequest('GET', '/ws', { headers: HANDSHAKE }),
    Buffer.alloc(1000),
  ]),
  'asks too much at once': Buffer.concat(Array.from({ length: 100 }, () => health)),
  'asks for something else': rawRequest('GET', '/healthz', {
    headers: { Connection: 'Upgrade', Upgrade: 'h2c' },
  }),
};

t.test('whoever holds a connection open is let go in the end, silent or talking on', async (t) => {
  const server = await hasty(t);
  for (const [who, words] of Object.entries(HOLDERS))
    for (const more of ['', 'x']) {
      const before = server.app.sockets.counts.accepted;
      const socket = await RawSocket.open(t, server.port);
      socket.write(words);
      const talk = setInterval(() => socket.write(more), 20);
      const { counts } = server.app.sockets;
      await eventually(() => counts.accepted > before && server.app.sockets.size === 0, `who ${who} stays`);
      clearInterval(talk);
      socket.socket.destroy();
    }
});

t.test('an answer that nobody reads is given up', async (t) => {
  const server = await hasty(t);
  server.app.sockets.limits.tokenMs = 60_000;
  const socket = await RawSocket.open(t, server.port);
  socket.socket.pause();
  const document = rawRequest('GET', '/api/openapi.json');
  // One after the other, until no more fits between us.
  const ask = () => socket.write(document);
  server.app.server.on('request', (_request, answer) => answer.once('finish', ask));
  ask();
  await eventually(() => server.app.sockets.unsent().bytes > 0, 'all of it went somewhere');
  t.ok(server.app.sockets.unsent().most?.bytes);
  await eventually(() => server.app.sockets.size === 0, 'it stays');
  t.strictSame(server.app.sockets.unsent(), { bytes: 0, most: undefined });
});

t.test('an idle connection without a token is closed, one with a token is kept', async (t) => {
  const server = await hasty(t);
  const known = await RawSocket.open(t, server.port);
  known.write(rawRequest('GET', '/api/me', { headers: bearer }));
  t.equal((await known.answer()).status, 200);
  const unknown = await RawSocket.open(t, server.port);
  unknown.write(health);
  t.match((await unknown.answer()).headers, { connection: 'keep-alive', 'keep-alive': 'timeout=1' });
  t.equal(await unknown.end(), 'ended');
  known.write(health);
  t.match((await known.answer()).headers, { connection: 'keep-alive', 'keep-alive': 'timeout=75' });
});

t.test('the answer that is under way when a token should have been shown is the last', async (t) => {
  const server = await build(t, {}, first);
  server.app.sockets.limits.tokenMs = 250;
  const busy = await RawSocket.open(t, server.port);
  busy.write(rawRequest('POST', '/login', { body: '{}' }).subarray(0, -1));
  const idle = await RawSocket.open(t, server.port);
  isRefused(t, await idle.answer(), 'request_timeout');
  await idle.end();
  busy.write('}');
  const answer = await busy.answer();
  isRefused(t, answer, 'username_required');
  t.equal(answer.headers.connection, 'close');
  t.equal(await busy.end(), 'ended');
});

t.test('a body has no more time than the whole request', async (t) => {
  // Node takes the longer one of the two for the body.
  t.equal(first.app.server.requestTimeout, HTTP.requestMs);
  t.ok(first.app.server.headersTimeout <= HTTP.requestMs);
});
