import t from 'tap';
import { build, signUp } from './helper.js';
import { exchange, HANDSHAKE, isRefused, RawSocket, rawFrame, rawRequest } from './raw.js';

const server = await build(t);
const user = await signUp(server);
const bearer = { Authorization: `Bearer ${user.token}` };
const ask = (bytes: string | Buffer) => exchange(t, server.port, bytes);

t.test('an upgrade to something else, or elsewhere, is a request like any other', async (t) => {
  const h2c = {
    Connection: 'Upgrade, HTTP2-Settings',
    Upgrade: 'h2c',
    'HTTP2-Settings': 'AAMAAABkAAQAoAAAAAIAAAAA',
  };
  for (const headers of [h2c, HANDSHAKE, { ...HANDSHAKE, Upgrade: 'nonsense' }]) {
    const what = headers.Upgrade;
    t.equal((await ask(rawRequest('GET', '/healthz', { headers }))).status, 200, what);
    isRefused(t, await ask(rawRequest('GET', '/nope', { headers })), 'not_found', what);
    isRefused(
      t,
      await ask(rawRequest('POST', '/register', { body: '{}', headers })),
      'username_required',
      what,
    );
    isRefused(t, await ask(rawRequest('POST', '/ws', { body: '{}', headers })), 'method_not_allowed', what);
    const body = JSON.stringify({ to_user_id: user.user_id, content: 'x'.repeat(16_000) });
    const sent = await ask(rawRequest('POST', '/api/messages', { body, headers: { ...headers, ...bearer } }));
    t.equal(sent.status, 200, what);
  }
  isRefused(t, await ask(rawRequest('GET', '/ws', { headers: { ...h2c, ...bearer } })), 'upgrade_required');
});

t.test(
  'a body that follows its upgrade in pieces is read all the same, and the connection lives on',
  async (t) => {
    const socket = await RawSocket.open(t, server.port);
    const headers = { Connection: 'Upgrade', Upgrade: 'h2c' };
    for (let i = 0; i < 2; i++) {
      const bytes = rawRequest('POST', '/register', { body: '{"password":"x"}', headers });
      for (const byte of bytes.subarray(-8)) {
        if (byte === bytes.at(-8)) socket.write(bytes.subarray(0, -8));
        socket.write(Buffer.from([byte]));
      }
      isRefused(t, await socket.answer(), 'username_required');
    }
  },
);

t.test(
  'requests that ask for an upgrade are answered in their order, without waiting for each other',
  async (t) => {
    const body = JSON.stringify({ username: 'nobody', password: 'x' });
    const h2c = { Connection: 'Upgrade', Upgrade: 'h2c' };
    const login = rawRequest('POST', '/login', { body, headers: h2c });
    const socket = await RawSocket.open(t, server.port);
    const open = rawRequest('GET', '/ws', { headers: { ...HANDSHAKE, ...bearer } });
    const requests = [login, rawRequest('GET', '/nope', { headers: h2c }), login, open];
    // Node past 24 reads ignored upgrades itself, and then loses what came behind them in the same segment.
    const atOnce = Number.parseInt(process.versions.node, 10) <= 24;
    if (atOnce) socket.write(Buffer.concat(requests));
    const next = () => {
      const request = requests.shift();
      if (!atOnce && request !== undefined) socket.write(request);
    };
    for (const error of ['unauthorized', 'not_found', 'unauthorized'] as const) {
      next();
      isRefused(t, await socket.answer(), error);
    }
    next();
    t.equal((await socket.answer()).status, 101);
    socket.write(rawFrame(1, '{"type":"get_online_list"}'));
    t.match(await socket.json(), { type: 'online_list' });
  },
);
