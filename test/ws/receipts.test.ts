import t from 'tap';
import {
  build,
  type Client,
  connect,
  connectSynced,
  eventually,
  signUp,
  type User,
  unfetched,
} from '../helper.js';

const server = await build(t);
const pair = async () => [await signUp(server), await signUp(server)] as const;

async function send(from: Client, to: User, n = 1): Promise<number> {
  const before = from.of('sent').length;
  for (let i = 0; i < n; i++) from.send('chat', { to_user_id: to.user_id, content: `${i}` });
  await from.until(() => from.of('sent').length === before + n, 'not all are stored');
  return from.of('sent')[0].conversation_id;
}
/** Waits for a receipt that says so, and checks that none before it said more. */
async function receipt(client: Client, delivered: number, read: number): Promise<void> {
  await client.until(
    () => client.of('receipt').some((frame) => frame.delivered_seq === delivered && frame.read_seq === read),
    `no receipt ${delivered}/${read}`,
  );
}
async function listed(user: User, conversation: number) {
  const { body } = await server.request('GET', '/api/conversations', { token: user.token });
  const rows: { conversation_id: number; receipt: object; read_seq: number; unread: number }[] =
    body.data.conversations;
  return rows.find((row) => row.conversation_id === conversation);
}
const onlyGrow = (client: Client) => {
  const frames = client.of('receipt');
  return frames.every((frame, i) => {
    const before = frames[i - 1];
    return !before || (frame.delivered_seq >= before.delivered_seq && frame.read_seq >= before.read_seq);
  });
};

t.test('[X10] read moves forward only, and not past the end', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  const conversation_id = await send(a, bob, 5);
  const readBy = async () => {
    const row = await listed(bob, conversation_id);
    return [row?.read_seq, row?.unread];
  };
  t.strictSame(await readBy(), [0, 5]);
  for (const [seq, read] of [
    [3, 3],
    [1, 3],
    [4, 4],
    [99, 5],
    [0, 5],
  ] as const) {
    b.send('read', { conversation_id, seq });
    await b.barrier();
    t.strictSame(await readBy(), [read, 5 - read]);
  }
  const { body } = await server.request('POST', `/api/conversations/${conversation_id}/read`, {
    token: bob.token,
    body: { seq: 2 },
  });
  t.strictSame(body.data, { read_seq: 5, unread: 0, mentions: 0 });
  t.equal(b.of('error').length, 0);
});

t.test("[X11] the other side's receipt says how far it has received and read", async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  const conversation_id = await send(a, bob, 4);
  await b.until(() => b.of('chat').length === 4, 'not all came');
  t.strictSame((await listed(alice, conversation_id))?.receipt, { delivered_seq: 0, read_seq: 0 });
  b.send('ack', { conversation_id, seq: 3 });
  t.strictSame(await a.next('receipt'), {
    type: 'receipt',
    conversation_id,
    user_id: bob.user_id,
    delivered_seq: 3,
    read_seq: 0,
  });
  b.send('read', { conversation_id, seq: 2 });
  await receipt(a, 3, 2);
  b.send('ack', { conversation_id, seq: 4 });
  await receipt(a, 4, 2);
  b.send('read', { conversation_id, seq: 4 });
  await receipt(a, 4, 4);
  t.strictSame((await listed(alice, conversation_id))?.receipt, { delivered_seq: 4, read_seq: 4 });
  t.equal(a.of('receipt').length, 4);
  t.ok(onlyGrow(a));
  t.equal(b.of('receipt').length, 0);
});

t.test('[X11] what a plain client has received is told too', async (t) => {
  const [alice, bob] = await pair();
  const [a] = [await connectSynced(t, server, alice), await connect(t, server, bob)];
  const conversation_id = await send(a, bob, 3);
  await receipt(a, 3, 0);
  t.ok(onlyGrow(a));
  t.strictSame((await listed(alice, conversation_id))?.receipt, { delivered_seq: 3, read_seq: 0 });
});

t.test('[X11] a receipt names nothing that still waits', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  await send(a, bob, 3);
  const b = await connect(t, server, bob);
  await send(a, bob, 2);
  await b.until(() => b.of('chat').length === 2, 'not pushed');
  await eventually(
    async () => (await unfetched(server, bob.user_id)).length === 3,
    'what was pushed is not confirmed',
  );
  await a.barrier();
  for (const frame of a.of('receipt')) t.equal(frame.delivered_seq, 0);
  b.send('get_offline');
  await receipt(a, 5, 0);
  t.ok(onlyGrow(a));
});

t.test('[X11] a receipt after a new connection says no less than one before', async (t) => {
  const [alice, bob] = await pair();
  let a = await connectSynced(t, server, alice);
  const b = await connectSynced(t, server, bob);
  const conversation_id = await send(a, bob, 2);
  await b.until(() => b.of('chat').length === 2, 'not all came');
  b.send('ack', { conversation_id, seq: 2 });
  b.send('read', { conversation_id, seq: 2 });
  await receipt(a, 2, 2);
  await a.close();
  a = await connectSynced(t, server, alice);
  await send(a, bob);
  await b.until(() => b.of('chat').length === 3, 'not all came');
  b.send('ack', { conversation_id, seq: 3 });
  await receipt(a, 3, 2);
  t.equal(a.of('receipt').length, 1);
});

t.test('[X11] a sync position is a receipt too', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const conversation_id = await send(a, bob, 3);
  await connectSynced(t, server, bob, [{ conversation_id, seq: 2 }]);
  await receipt(a, 2, 0);
});
