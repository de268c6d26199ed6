import t from 'tap';
import { LIMITS } from '../../schemas/limits.js';
import { build, type Client, connect, connectSynced, eventually, signUp, undelivered } from '../helper.js';

const server = await build(t);
const pair = async () => [await signUp(server), await signUp(server)] as const;
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

async function send(from: Client, to: number, n: number, content = 'x'): Promise<number> {
  const before = from.of('sent').length;
  for (let i = 0; i < n; i++) from.send('chat', { to_user_id: to, content });
  await from.until(() => from.of('sent').length === before + n, 'not all are stored');
  return from.of('sent')[0].conversation_id;
}

t.test('[X8] ack confirms everything up to its seq', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  const conversation_id = await send(a, bob.user_id, 5);
  await b.until(() => b.of('chat').length === 5, 'not all came');
  t.strictSame(await undelivered(server, bob.user_id), upTo(5));
  b.send('ack', { conversation_id, seq: 3 });
  await eventually(async () => (await undelivered(server, bob.user_id)).length < 5, 'nothing is confirmed');
  t.strictSame(await undelivered(server, bob.user_id), [4, 5]);
  // Again, and backward, is nothing new.
  for (const seq of [3, 1, 0]) b.send('ack', { conversation_id, seq });
  await b.barrier();
  t.equal(b.of('error').length, 0);
  t.strictSame(await undelivered(server, bob.user_id), [4, 5]);
  b.send('ack', { conversation_id, seq: 5 });
  await eventually(
    async () => (await undelivered(server, bob.user_id)).length === 0,
    'not all are confirmed',
  );
});

t.test('[X8] a sync position confirms too', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const conversation_id = await send(a, bob.user_id, 5);
  const b = await connect(t, server, bob, { extended: true });
  b.send('sync', { positions: [{ conversation_id, seq: 4 }] });
  await b.next('synced');
  t.strictSame(await undelivered(server, bob.user_id), [5]);
  t.strictSame(
    b.of('chat').map((frame) => frame.seq),
    [5],
  );
});

t.test('[X8] an ack past what was given is refused', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const conversation_id = await send(a, bob.user_id, 2);
  const b = await connect(t, server, bob, { extended: true });
  const refused = async (seq: number) => {
    b.send('ack', { id: `to-${seq}`, conversation_id, seq });
    const { id, code, retryable } = await b.next('error');
    t.strictSame([id, code, retryable], [`to-${seq}`, 'invalid_position', false]);
  };
  await refused(1);
  b.send('sync', { positions: [] });
  await b.next('synced');
  await refused(3);
  t.strictSame(await undelivered(server, bob.user_id), [1, 2]);
});

t.test('[X9] past the bound of messages the server waits, and nothing is lost', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  const most = LIMITS.unconfirmedMessages;
  const conversation_id = await send(a, bob.user_id, most + 300);
  const seqs = () => b.of('chat').map((frame) => frame.seq);
  await b.until(() => seqs().length === most, 'not up to the bound');
  await b.barrier();
  await server.app.hub.repair();
  await b.barrier();
  t.equal(seqs().length, most);
  b.send('ack', { conversation_id, seq: 200 });
  await b.until(() => seqs().length === most + 200, 'not up to the bound again');
  await b.barrier();
  t.equal(seqs().length, most + 200);
  b.send('ack', { conversation_id, seq: most });
  await b.until(() => seqs().length === most + 300, 'the rest did not come');
  // Live again.
  await send(a, bob.user_id, 1);
  await b.until(() => seqs().length === most + 301, 'not live again');
  t.strictSame(seqs(), upTo(most + 301));
});

t.test('[X9] past the bound of bytes too', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  const conversation_id = await send(a, bob.user_id, 60, 'y'.repeat(10_000));
  const most = Math.ceil(LIMITS.unconfirmedBytes / 10_200);
  await b.until(() => b.of('chat').length >= most, 'not up to the bound');
  await b.barrier();
  const given = b.of('chat').length;
  t.ok(given <= most + 1, `${given} of about ${most}`);
  for (let seq = given; b.of('chat').length < 60; ) {
    b.send('ack', { conversation_id, seq });
    await b.until(() => b.of('chat').length > seq, 'no more after an ack');
    seq = b.of('chat').length;
  }
  t.strictSame(
    b.of('chat').map((frame) => frame.seq),
    upTo(60),
  );
});
