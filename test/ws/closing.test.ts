import { once } from 'node:events';
import t from 'tap';
import WebSocket from 'ws';
import { CLOSE } from '../../schemas/close.js';
import { build, connect, connectSynced, signUp } from '../helper.js';

t.test('[C1] on shutdown sockets are closed one by one, and what clients still say is stored', async (t) => {
  const beside = await build(t);
  const server = await build(t, { DRAIN_SECONDS: '1' }, beside);
  const receiver = await signUp(server);
  const users = await Promise.all(Array.from({ length: 10 }, () => signUp(server)));
  const clients = await Promise.all(
    users.map((user, i) => (i % 2 ? connect(t, server, user) : connectSynced(t, server, user))),
  );
  const closedAt: number[] = [];
  // Said in the moment before the client hears that it is over.
  for (const [i, client] of clients.entries())
    client.closed.then(() => {
      closedAt[i] = performance.now();
    });
  const stopped = server.stop();
  for (const [i, client] of clients.entries())
    client.send('chat', { to_user_id: receiver.user_id, content: `last words of ${i}` });
  for (const client of clients)
    t.strictSame(await client.closed, { code: 1012, reason: 'server is restarting' });
  await stopped;
  const times = [...closedAt].sort((a, b) => a - b);
  t.ok((times.at(-1) ?? 0) - (times[0] ?? 0) > 500, 'spread over the time that the setting gives');
  const late = new WebSocket(`${server.url.replace('http', 'ws')}/ws`);
  t.match((await once(late, 'error'))[0].message, 'ECONNREFUSED');
  const b = await connect(t, beside, receiver);
  b.send('get_offline');
  const { data } = await b.next('offline_list');
  t.strictSame(
    data.map((row: { content: string }) => row.content).sort(),
    users.map((_, i) => `last words of ${i}`).sort(),
  );
});

t.test('[C1] a client that does not answer the goodbye is cut', async (t) => {
  const server = await build(t);
  const user = await signUp(server);
  const client = await connect(t, server, user);
  // It reads nothing any more, so it doesn't see the close frame either.
  client.socket.pause();
  await server.stop();
  client.socket.resume();
  t.ok([1006, 1012].includes((await client.closed).code));
});

t.test('[C3] the table of close codes says after which a client does not return by itself', async (t) => {
  const stay = Object.values(CLOSE).filter((close) => !close.reconnect);
  t.strictSame(
    stay.map((close) => close.code).sort(),
    [CLOSE.abuse.code, CLOSE.expired.code, CLOSE.replaced.code].sort(),
  );
  const codes = Object.values(CLOSE).map((close) => close.code);
  t.equal(new Set(codes).size, codes.length);
});
