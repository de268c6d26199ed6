/** A client that asks and asks and doesn't read the answers. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import WebSocket from 'ws';
import { LIMITS } from '../../schemas/limits.js';
import { build, connect, connectSynced, eventually, signUp } from '../helper.js';

/** Milliseconds for a client to fill all buffers on the way. */
const PATIENCE_MS = 60_000;
t.setTimeout(240_000);

const server = await build(t, { SLOW_SECONDS: '1' });
const crowd = await Promise.all(Array.from({ length: 50 }, () => signUp(server)));

const questions: { name: string; extended: boolean; frame: string | undefined }[] = [
  { name: 'ping', extended: true, frame: JSON.stringify({ type: 'ping', id: 'x'.repeat(64) }) },
  {
    name: 'presence',
    extended: true,
    frame: JSON.stringify({ type: 'presence', user_ids: crowd.map((user) => user.user_id) }),
  },
  {
    name: 'sync with another epoch',
    extended: true,
    frame: JSON.stringify({ type: 'sync', epoch: 'another', positions: [] }),
  },
  { name: 'get_online_list', extended: false, frame: JSON.stringify({ type: 'get_online_list' }) },
  { name: 'a bare ping', extended: false, frame: undefined },
];

for (const { name, extended, frame } of questions)
  t.test(`[C2] who asks for ${name} and never reads is not read either, and is closed`, async (t) => {
    const user = await signUp(server);
    const client = await connect(t, server, user, { extended });
    const connection = server.app.hub.connectionsOf(user.user_id)[0];
    client.socket.pause();
    let most = 0;
    const ask = () => {
      for (let i = 0; i < 5000 && client.socket.readyState === WebSocket.OPEN; i++)
        if (frame === undefined) client.socket.ping('x'.repeat(100));
        else client.socket.send(frame);
      most = Math.max(most, connection?.bytes ?? 0);
    };
    // The kernel takes some megabytes of answers before any waits here.
    await eventually(
      () => {
        if (client.socket.bufferedAmount < 4_000_000) ask();
        return connection?.isClosing === true;
      },
      'it is not closed',
      PATIENCE_MS,
    );
    t.ok(most < 2 * LIMITS.bufferBytes, `${most} bytes waited at most`);
    await eventually(() => server.app.hub.connectionsOf(user.user_id)[0] === undefined, 'it is not cut');
  });

t.test('[C2] who reads again in time gets every answer, in order', async (t) => {
  const client = await connect(t, server, await signUp(server), { extended: true });
  client.socket.pause();
  const ids = Array.from({ length: 5000 }, (_, i) => `${i}-${'x'.repeat(40)}`);
  for (const id of ids) client.send('ping', { id });
  client.socket.resume();
  await client.until(() => client.of('pong').length === ids.length, 'not all are answered');
  t.strictSame(
    client.of('pong').map((frame) => frame.id),
    ids,
  );
});

t.test('a message of a few letters keeps a few letters in memory, whatever came around them', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const a = await connectSynced(t, server, alice);
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const used = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = used();
  const padding = ' '.repeat(60_000);
  for (let i = 0; i < 1000; i++) {
    a.send('chat', { to_user_id: bob.user_id, id: `short-${i}`, content: `sixteen letters.${padding}` });
    if (i % 50 === 49) await a.until(() => a.of('sent').length === i + 1, 'not stored');
  }
  t.ok(used() - before < 20_000_000, `${used() - before} bytes more`);
});

t.test('past MEMORY_BUDGET whoever reads least is closed, and nobody else', async (t) => {
  const small = await build(t, { MEMORY_BUDGET: '16', SLOW_SECONDS: '600' }, server);
  const [alice, bob, carol] = [await signUp(small), await signUp(small), await signUp(small)];
  const [a, b, c] = [
    await connectSynced(t, small, alice),
    await connectSynced(t, small, bob),
    await connect(t, small, carol, { extended: true }),
  ];
  // Two that keep much, by the bytes that they say they hold: one more than the other.
  const claim = (client: typeof a, pages: number, from = 0) => {
    for (let page = from; page < from + pages; page++) {
      const positions = Array.from({ length: 1000 }, (_, i) => ({
        conversation_id: 1_000_000 + 1000 * page + i,
        seq: 1,
      }));
      client.send('sync', { positions, more: true });
    }
  };
  const idle = small.app.budget.bytes;
  claim(c, 100);
  claim(b, 20);
  await Promise.all([b.barrier(), c.barrier()]);
  t.ok(small.app.budget.bytes - idle > 9_000_000, `${small.app.budget.bytes} bytes are counted`);
  t.equal(small.app.budget.closed, 0);
  const more = await Promise.all(
    Array.from({ length: 2 }, async () => connect(t, small, await signUp(small), { extended: true })),
  );
  // Bit by bit, for what isn't handled yet counts, too.
  for (let from = 0; from < 20; from += 5)
    for (const client of more) {
      claim(client, 5, from);
      await client.barrier();
    }
  await c.closed;
  await eventually(() => small.app.budget.bytes <= 16 * 1_048_576, 'it is not enough');
  t.equal(small.app.budget.closed, 1);
  a.send('chat', { to_user_id: bob.user_id, content: 'still here' });
  await a.next('sent');
  await b.barrier();
});
