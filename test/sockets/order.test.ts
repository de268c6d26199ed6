import t from 'tap';
import { HTTP } from '../../schemas/limits.js';
import { build, eventually, signUp } from '../helper.js';
import { HANDSHAKE, isRefused, RawSocket, rawFrame, rawRequest } from '../raw.js';

const server = await build(t);
const user = await signUp(server);
const bearer = { Authorization: `Bearer ${user.token}` };
const health = rawRequest('GET', '/healthz');
/** Takes some 50 ms, for bcrypt. */
const login = rawRequest('POST', '/login', { body: JSON.stringify({ username: 'nobody', password: 'x' }) });
const send = (id: string) =>
  rawRequest('POST', '/api/messages', {
    headers: bearer,
    body: JSON.stringify({ to_user_id: user.user_id, content: id, id }),
  });

t.test('as many requests as may wait on a connection are answered in their order', async (t) => {
  const socket = await RawSocket.open(t, server.port);
  const paths = Array.from({ length: HTTP.waitingRequests }, (_, i) => (i % 2 === 0 ? '/healthz' : '/nope'));
  socket.write(Buffer.concat([login, ...paths.map((path) => rawRequest('GET', path))]));
  isRefused(t, await socket.answer(), 'unauthorized');
  for (const path of paths) t.equal((await socket.answer()).status, path === '/nope' ? 404 : 200);
  socket.write(health);
  t.equal((await socket.answer()).status, 200, 'and the connection lives on');
});

t.test('one more is refused in its turn, and nothing behind it is looked at', async (t) => {
  const before = server.app.messages.counts.messages;
  const socket = await RawSocket.open(t, server.port);
  const waiting = Array.from({ length: HTTP.waitingRequests }, () => health);
  socket.write(Buffer.concat([login, ...waiting, health, send('behind'), send('too')]));
  isRefused(t, await socket.answer(), 'unauthorized');
  for (const _ of waiting) t.equal((await socket.answer()).status, 200);
  const refusal = await socket.answer();
  isRefused(t, refusal, 'overloaded');
  t.match(refusal.headers, { connection: 'close', 'retry-after': /^\d+$/ });
  t.equal(await socket.end(), 'ended');
  t.equal(server.app.messages.counts.messages, before);
});

t.test('what waits is dropped with its connection', async (t) => {
  const before = server.app.messages.counts.messages;
  const socket = await RawSocket.open(t, server.port);
  // Its answer waits for the rest of its body.
  socket.write(login.subarray(0, -1));
  const { sockets } = server.app;
  await eventually(() => sockets.size === 1, 'it is not seen');
  socket.socket.resetAndDestroy();
  await eventually(() => sockets.size === 0, 'the connection stays');
  const other = await RawSocket.open(t, server.port);
  other.write(Buffer.concat([login, send('first'), send('second')]));
  const { counts } = server.app.auth.passwords;
  const compared = counts.compared;
  await eventually(() => sockets.size === 1, 'it is not seen');
  other.socket.resetAndDestroy();
  await eventually(() => sockets.size === 0 && counts.compared > compared, 'the connection stays');
  t.equal((await server.request('GET', '/readyz')).status, 200);
  t.equal(server.app.messages.counts.messages, before);
});

t.test('what cannot be read is refused when all before it is answered', async (t) => {
  const socket = await RawSocket.open(t, server.port);
  socket.write(Buffer.concat([login, health, Buffer.from('nonsense\r\n\r\n')]));
  isRefused(t, await socket.answer(), 'unauthorized');
  t.equal((await socket.answer()).status, 200);
  isRefused(t, await socket.answer(), 'bad_request');
});

t.test('CONNECT is refused when all before it is answered', async (t) => {
  const socket = await RawSocket.open(t, server.port);
  socket.write(Buffer.concat([login, Buffer.from('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')]));
  isRefused(t, await socket.answer(), 'unauthorized');
  isRefused(t, await socket.answer(), 'bad_request');
});

t.test('a WebSocket opens behind as many requests as may wait', async (t) => {
  const socket = await RawSocket.open(t, server.port);
  const waiting = Array.from({ length: HTTP.waitingRequests - 1 }, () => health);
  const open = rawRequest('GET', '/ws', { headers: { ...HANDSHAKE, ...bearer } });
  socket.write(Buffer.concat([login, ...waiting, open]));
  isRefused(t, await socket.answer(), 'unauthorized');
  for (const _ of waiting) t.equal((await socket.answer()).status, 200);
  t.equal((await socket.answer()).status, 101);
  socket.write(rawFrame(1, '{"type":"get_online_list"}'));
  t.match(await socket.json(), { type: 'online_list' });
});

t.test('a handshake that carries a body opens nothing', async (t) => {
  const socket = await RawSocket.open(t, server.port);
  socket.write(rawRequest('GET', '/ws', { headers: { ...HANDSHAKE, ...bearer }, body: '{}' }));
  isRefused(t, await socket.answer(), 'upgrade_required');
});
