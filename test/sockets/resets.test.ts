import t from 'tap';
import { build, signUp } from '../helper.js';
import { HANDSHAKE, RawSocket, rawRequest } from '../raw.js';

const server = await build(t);
const user = await signUp(server);
const bearer = { Authorization: `Bearer ${user.token}` };
const body = JSON.stringify({ username: 'nobody', password: 'x' });
const login = rawRequest('POST', '/login', { body });
const upgrade = (headers = {}) => rawRequest('GET', '/ws', { headers: { ...HANDSHAKE, ...headers } });
const health = rawRequest('GET', '/healthz');

/** What a client may have said when its connection breaks. */
const WORDS: Record<string, Buffer> = {
  CONNECT: Buffer.from('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'),
  'half a request': health.subarray(0, -3),
  'half a body': login.subarray(0, -3),
  'no HTTP': Buffer.from('\0\0\0\0\r\n\r\n'),
  'a request': health,
  'a slow request': login,
  'an upgrade': upgrade(bearer),
  'an upgrade without a token': upgrade(),
  'an upgrade of a wrong version': upgrade({ ...bearer, 'Sec-WebSocket-Version': '12' }),
  'an upgrade to something else': rawRequest('GET', '/healthz', {
    headers: { Connection: 'Upgrade', Upgrade: 'h2c' },
  }),
  'an expectation': rawRequest('POST', '/login', { body, headers: { Expect: '200-maybe' } }),
};

/** Resets at once, when it is read, and in the middle of its work. */
const MOMENTS = [
  async () => {},
  () => new Promise((resolve) => setImmediate(resolve)),
  () => new Promise((resolve) => setTimeout(resolve, 5)),
  () => new Promise((resolve) => setTimeout(resolve, 50)),
];

t.test('a connection that is reset, whatever was said on it and whenever, harms nobody', async (t) => {
  const gone = [];
  for (const first of ['', health, login])
    for (const words of Object.values(WORDS))
      for (const moment of MOMENTS) {
        const socket = await RawSocket.open(t, server.port);
        socket.write(Buffer.concat([Buffer.from(first), words]));
        gone.push(moment().then(() => socket.socket.resetAndDestroy()));
      }
  await Promise.all(gone);
  // An error that nobody hears would have ended this process.
  t.equal((await server.request('GET', '/readyz')).status, 200);
});
