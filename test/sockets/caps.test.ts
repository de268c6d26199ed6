import t from 'tap';
import { build, connect, eventually, signUp } from '../helper.js';
import { exchange, isRefused, RawSocket, rawRequest } from '../raw.js';

const first = await build(t);
const user = await signUp(first);
const bearer = { Authorization: `Bearer ${user.token}` };
const health = rawRequest('GET', '/healthz');
const me = rawRequest('GET', '/api/me', { headers: bearer });

t.test(
  'a connection too many is told so and closed, and there is room again when others have gone',
  async (t) => {
    const server = await build(t, {}, first);
    Object.assign(server.app.sockets.limits, { connections: 2, refusals: 1, farewellMs: 60_000 });
    const sockets = [await RawSocket.open(t, server.port), await RawSocket.open(t, server.port)];
    await eventually(() => server.app.sockets.size === 2, 'they are not seen');
    const third = await RawSocket.open(t, server.port);
    const refusal = await third.answer();
    isRefused(t, refusal, 'overloaded');
    t.match(refusal.headers, { connection: 'close', 'retry-after': /^\d+$/ });
    const fourth = await RawSocket.open(t, server.port);
    t.match(await fourth.end(), /ended|broken|closed/, 'too many of these are cut without a word');
    await eventually(() => server.app.sockets.size === 3, 'it is still there');
    for (const socket of [...sockets, third]) socket.socket.destroy();
    await eventually(() => server.app.sockets.size === 0, 'they stay');
    t.equal((await exchange(t, server.port, health)).status, 200);
    t.equal(server.app.sockets.counts.refused.full, 2);
  },
);

t.test('connections without a token are counted by their address, those with one are not', async (t) => {
  const server = await build(t, {}, first);
  Object.assign(server.app.sockets.limits, { anonymousPerAddress: 2, graceMs: 250 });
  const known: RawSocket[] = [];
  // One after the other, so that no more than one is without a token, however slow the machine is.
  for (let i = 0; i < 6; i++) {
    const socket = await RawSocket.open(t, server.port);
    socket.write(me);
    t.equal((await socket.answer()).status, 200);
    known.push(socket);
  }
  const unknown = await Promise.all(Array.from({ length: 6 }, () => RawSocket.open(t, server.port)));
  await eventually(() => server.app.sockets.counts.refused.address === 4, 'nobody is refused');
  const refused = await Promise.all(unknown.slice(0, 4).map((socket) => socket.answer()));
  for (const answer of refused) isRefused(t, answer, 'overloaded');
  for (const socket of [...unknown.slice(4), ...known]) {
    socket.write(health);
    t.equal((await socket.answer()).status, 200);
  }
});

t.test('behind a proxy that is trusted, requests are counted by the address of who asks', async (t) => {
  const server = await build(t, { TRUSTED_PROXIES: '127.0.0.1' }, first);
  Object.assign(server.app.sockets.limits, { anonymousPerAddress: 1, graceMs: 0, tokenMs: 0 });
  const through = (address: string) =>
    rawRequest('POST', '/login', { body: '{}', headers: { 'X-Forwarded-For': address } }).subarray(0, -1);
  const hoarder = [await RawSocket.open(t, server.port), await RawSocket.open(t, server.port)];
  const other = await RawSocket.open(t, server.port);
  for (const socket of hoarder) socket.write(through('192.0.2.1'));
  other.write(through('192.0.2.2'));
  const answers = hoarder.map((socket) => socket.answer());
  await eventually(() => server.app.sockets.counts.refused.address === 1, 'nobody is refused');
  for (const socket of [...hoarder, other]) socket.write('}');
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  t.strictSame(statuses.sort(), [400, 503], 'of one address, one has to wait');
  const answer = await other.answer();
  isRefused(t, answer, 'username_required');
  t.equal(answer.headers.connection, 'keep-alive', 'the proxy keeps its connection');
});

t.test('a user has so many connections, WebSockets among them', async (t) => {
  const server = await build(t, {}, first);
  server.app.sockets.limits.perUser = 2;
  const client = await connect(t, server, user);
  const socket = await RawSocket.open(t, server.port);
  socket.write(Buffer.concat([me, me]));
  for (let i = 0; i < 2; i++) t.equal((await socket.answer()).status, 200);
  const third = await RawSocket.open(t, server.port);
  third.write(me);
  const refusal = await third.answer();
  isRefused(t, refusal, 'too_many_requests');
  t.match(refusal.headers, { connection: 'close', 'retry-after': /^\d+$/ });
  t.equal(await third.end(), 'ended');
  await client.close();
  await eventually(() => server.app.sockets.size <= 2, 'it still counts');
  t.equal((await exchange(t, server.port, me)).status, 200);
});
