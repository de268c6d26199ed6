import { once } from 'node:events';
import t, { type Test } from 'tap';
import WebSocket from 'ws';
import { build, Client, connect, eventually, refusedUpgrade, type Server, signUp } from '../helper.js';
import { HANDSHAKE, mint, RawSocket, rawFrame, rawRequest } from '../raw.js';

const server = await build(t, { ALLOWED_ORIGINS: 'https://chat.example.org' });

/** Opens a socket by hand, and waits for the answer to a first question. */
async function open(
  t: Test,
  path: string,
  { protocols = [], headers = {} }: { protocols?: string[]; headers?: Record<string, string> } = {},
): Promise<Client> {
  const socket = new WebSocket(server.url.replace('http', 'ws') + path, protocols, { headers });
  t.teardown(() => socket.terminate());
  const client = new Client(socket, socket.protocol === 'chat.v2');
  await once(socket, 'open');
  return client;
}

const refusal = (status: number, error: string, message: string) => ({
  status,
  body: { code: status, message, error },
});
const refused = async (
  ...args: Parameters<typeof refusedUpgrade> extends [Server, ...infer R] ? R : never
) => {
  const { status, body } = await refusedUpgrade(server, ...args);
  return { status, body };
};

t.test('[O1] a token is taken from the header, the subprotocol or the query', async (t) => {
  const { token, user_id } = await signUp(server);
  const ways: [string, Parameters<typeof open>[2]][] = [
    ['/ws', { headers: { authorization: `Bearer ${token}` } }],
    ['/ws', { protocols: ['chat.v2', `bearer.${token}`] }],
    [`/ws?token=${token}`, { protocols: ['chat.v2'] }],
    [`/ws?x=1&token=${token}`, {}],
  ];
  for (const [path, options] of ways) {
    const client = await open(t, path, options);
    if (client.socket.protocol === 'chat.v2') t.equal((await client.next('welcome')).user_id, user_id);
    else {
      client.send('get_online_list');
      t.strictSame((await client.next('online_list')).data.includes(user_id), true);
    }
  }
});

t.test('[O1] the header goes before the subprotocol, and that before the query', async (t) => {
  const [first, second] = [await signUp(server), await signUp(server)];
  const a = await open(t, `/ws?token=${second.token}`, {
    protocols: ['chat.v2', `bearer.${second.token}`],
    headers: { authorization: `Bearer ${first.token}` },
  });
  t.equal((await a.next('welcome')).user_id, first.user_id);
  const b = await open(t, `/ws?token=${first.token}`, { protocols: ['chat.v2', `bearer.${second.token}`] });
  t.equal((await b.next('welcome')).user_id, second.user_id);
  t.strictSame(
    await refused(`/ws?token=${first.token}`, { authorization: 'Bearer nonsense' }),
    refusal(401, 'unauthorized', 'unauthorized'),
  );
});

t.test('[O2] a refusal is an HTTP answer with the envelope', async (t) => {
  const { user_id, username, token } = await signUp(server);
  t.strictSame(await refused('/ws'), refusal(401, 'missing_token', 'missing token'));
  t.strictSame(await refused('/ws?token='), refusal(401, 'missing_token', 'missing token'));
  const unauthorized = refusal(401, 'unauthorized', 'unauthorized');
  t.strictSame(await refused('/ws?token=nonsense'), unauthorized);
  const now = Math.floor(Date.now() / 1000);
  t.strictSame(await refused(`/ws?token=${mint({ user_id, username, exp: now - 1 })}`), unauthorized);
  const forged = mint({ user_id, username, exp: now + 60 }, { secret: 'of somebody else' });
  t.strictSame(await refused(`/ws?token=${forged}`, {}, ['chat.v2']), unauthorized);
  await server.app.db.sql`delete from users where user_id = ${user_id}`;
  t.strictSame(await refused(`/ws?token=${token}`), unauthorized);
});

t.test("[O3] a browser's origin is the server's own or a configured one", async (t) => {
  const { token } = await signUp(server);
  for (const origin of [`http://127.0.0.1:${server.port}`, 'https://chat.example.org']) {
    const client = await open(t, `/ws?token=${token}`, { headers: { origin } });
    client.send('get_online_list');
    t.equal((await client.next('online_list')).type, 'online_list');
  }
  for (const origin of [
    'http://127.0.0.1:1',
    'https://chat.example.org.evil.example',
    'http://chat.example.org',
    'null',
  ])
    t.strictSame(
      await refused(`/ws?token=${token}`, { origin }),
      refusal(403, 'origin_refused', 'origin is not allowed'),
      origin,
    );
});

t.test('[O4] who asks for chat.v2 gets it, and everybody else the plain protocol', async (t) => {
  const { token } = await signUp(server);
  const extended = await open(t, `/ws?token=${token}`, { protocols: ['other', 'chat.v2'] });
  t.equal(extended.socket.protocol, 'chat.v2');
  extended.send('get_offline');
  t.equal((await extended.next('error')).code, 'unsupported_type');
  const plain = await open(t, `/ws?token=${token}`);
  t.equal(plain.socket.protocol, '');
  plain.send('get_offline');
  t.strictSame(await plain.next('offline_list'), { type: 'offline_list', data: [] });
  t.equal(plain.frames.length, 1);
});

t.test('[O5] frames that come with the handshake are handled, in order', async (t) => {
  const { token, user_id } = await signUp(server);
  const socket = await RawSocket.open(t, server.port);
  const say = (frame: object) => rawFrame(1, JSON.stringify(frame));
  socket.write(
    Buffer.concat([
      rawRequest('GET', `/ws?token=${token}`, { headers: HANDSHAKE }),
      say({ type: 'one' }),
      say({ type: 'chat', to_user_id: user_id, content: 'to myself' }),
      say({ type: 'get_offline' }),
      say({ type: 'get_online_list' }),
    ]),
  );
  t.equal((await socket.answer()).status, 101);
  const texts: string[] = [];
  while (texts.length < 4) {
    const frame = await socket.frame();
    if (frame.opcode === 1) texts.push(JSON.parse(frame.payload.toString()).type);
  }
  t.equal(texts[0], 'error');
  // The message is written when it is stored; the answers come in the order of the questions.
  t.strictSame(texts.filter((type) => type !== 'chat').sort(), ['error', 'offline_list', 'online_list']);
  t.equal(texts.filter((type) => type === 'chat').length, 1);
});

t.test('[O6] a newer plain connection replaces the older one', async (t) => {
  const user = await signUp(server);
  const other = await signUp(server);
  const from = await connect(t, server, other);
  let older = await connect(t, server, user);
  for (const content of ['one', 'two', 'three']) {
    const newer = await connect(t, server, user);
    t.strictSame(await older.closed, { code: 4002, reason: 'replaced by a newer connection' });
    from.send('chat', { to_user_id: user.user_id, content });
    t.equal((await newer.next('chat')).content, content);
    older = newer;
  }
  await older.close();
  await eventually(() => !server.app.hub.users().includes(user.user_id), 'the user stays online');
});

t.test('[O6] of many at once all extended ones remain, and one plain one', async (t) => {
  const user = await signUp(server);
  const clients = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      open(t, `/ws?token=${user.token}`, { protocols: i % 2 === 0 ? ['chat.v2'] : [] }),
    ),
  );
  const isOpen = (client: Client) => client.socket.readyState === WebSocket.OPEN;
  await eventually(() => clients.filter(isOpen).length === 7, 'more than one plain one is left');
  const left = clients.filter(isOpen);
  for (const client of clients) if (!left.includes(client)) t.equal((await client.closed).code, 4002);
  const [plain, ...others] = left.filter(({ socket }) => socket.protocol === '');
  t.equal(others.length, 0);
  await plain?.barrier();
  t.equal(left.filter(isOpen).length, 7);
});

t.test('[O6] a connection that ends while it opens leaves nothing behind', async (t) => {
  const users = await Promise.all(Array.from({ length: 10 }, () => signUp(server)));
  for (const [i, { token }] of users.entries())
    for (let attempt = 0; attempt < 4; attempt++) {
      const raw = await RawSocket.open(t, server.port);
      raw.write(rawRequest('GET', `/ws?token=${token}`, { headers: HANDSHAKE }));
      if (i % 2 === 0) await raw.answer();
      raw.socket.destroy();
    }
  const ids = users.map((user) => user.user_id);
  await eventually(
    async () =>
      ids.every((id) => server.app.hub.connectionsOf(id)[0] === undefined) &&
      (await server.app.bus.owners(ids)).every((owners) => owners.length === 0),
    'somebody is still held',
  );
});
