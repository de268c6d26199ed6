import t from 'tap';
import { build, type Client, connect, connectSynced, signUp, type User, undelivered } from '../helper.js';

const server = await build(t);

/** A user's messages to another over HTTP, so that no socket has to be there. */
async function store(from: User, to: User, contents: string[]): Promise<number> {
  let conversation = 0;
  for (const content of contents) {
    const { body } = await server.request('POST', '/api/messages', {
      token: from.token,
      body: { to_user_id: to.user_id, content },
    });
    conversation = body.data.conversation_id;
  }
  return conversation;
}
const users = (n: number) => Promise.all(Array.from({ length: n }, () => signUp(server)));
const chats = (client: Client) => client.of('chat').map((frame) => frame.content);
const open = (t: Parameters<typeof connect>[0], user: User) => connect(t, server, user, { extended: true });

t.test('[X2] nothing live comes before sync, and all of it after', async (t) => {
  const [alice, bob] = (await users(2)) as [User, User];
  const a = await open(t, alice);
  await store(bob, alice, ['before', 'too']);
  const b = await connectSynced(t, server, bob);
  b.send('chat', { to_user_id: alice.user_id, content: 'live' });
  await b.next('sent');
  await server.app.hub.repair();
  await a.barrier();
  t.strictSame(
    a.frames.map((frame) => frame.type),
    ['welcome', 'pong'],
  );
  a.send('sync', { id: 's', positions: [] });
  t.strictSame(await a.next('synced'), { type: 'synced', id: 's' });
  t.strictSame(chats(a), ['before', 'too', 'live']);
});

t.test('[X2] of many who sync at a moment each is given what they lack themselves', async (t) => {
  const [bob, ...others] = (await users(6)) as [User, ...User[]];
  const named = await Promise.all(
    others.map(async (user, i) => {
      const conversation_id = await store(bob, user, [`${i}a`, `${i}b`, `${i}c`]);
      return { conversation_id, seq: i === 4 ? 9 : Math.min(i, 3) };
    }),
  );
  const clients = await Promise.all(others.map((user) => open(t, user)));
  for (const [i, client] of clients.entries()) client.send('sync', { positions: [named[i]] });
  await Promise.all(clients.map((client) => client.next('synced')));
  t.strictSame(clients.map(chats), [['0a', '0b', '0c'], ['1b', '1c'], ['2c'], [], []]);
  t.strictSame(
    clients.map((client) => client.of('reset').map(({ conversation_id, seq }) => [conversation_id, seq])),
    [[], [], [], [], [[named[4]?.conversation_id, 3]]],
  );
});

t.test('[X2] with `rest` a conversation that is not named goes on from its end', async (t) => {
  const [alice, bob, carol] = (await users(3)) as [User, User, User];
  const withBob = await store(bob, alice, ['b1', 'b2']);
  await store(carol, alice, ['c1', 'c2']);
  const a = await open(t, alice);
  a.send('sync', { positions: [{ conversation_id: withBob, seq: 1 }], rest: 'end' });
  await a.next('synced');
  t.strictSame(chats(a), ['b2']);
  await store(carol, alice, ['c3']);
  await a.until(() => chats(a).length === 2, 'the next one comes');
  t.strictSame(
    a.of('chat').map(({ content, seq }) => [content, seq]),
    [
      ['b2', 2],
      ['c3', 3],
    ],
  );
});

t.test(
  '[X2] what is missing from the positions comes, each conversation in order, then synced',
  async (t) => {
    const [alice, bob, carol, dave] = (await users(4)) as [User, User, User, User];
    const many = Array.from({ length: 250 }, (_, i) => `${i + 1}`);
    const b = await connectSynced(t, server, bob);
    for (const content of many) b.send('chat', { to_user_id: alice.user_id, content });
    await b.until(() => b.of('sent').length === many.length, 'not all are stored');
    const withBob = b.of('sent')[0].conversation_id;
    const withCarol = await store(carol, alice, ['c1', 'c2', 'c3']);
    const withDave = await store(alice, dave, ['d1']);
    await store(dave, alice, ['d2']);
    const a = await open(t, alice);
    a.send('sync', { positions: [{ conversation_id: withBob, seq: 20 }], more: true });
    a.send('sync', { id: 'last', positions: [{ conversation_id: withCarol, seq: 3 }] });
    await a.next('synced');
    t.equal(a.frames.at(-1)?.type, 'synced');
    t.equal(a.of('synced').length, 1);
    const of = (conversation: number) =>
      a.of('chat').filter((frame) => frame.conversation_id === conversation);
    t.strictSame(
      of(withBob).map((frame) => [frame.seq, frame.content]),
      many.slice(20).map((content, i) => [i + 21, content]),
    );
    t.strictSame(of(withCarol), []);
    t.strictSame(
      of(withDave).map((frame) => [frame.seq, frame.content, frame.from_user_id, 'id' in frame]),
      [
        [1, 'd1', alice.user_id, true],
        [2, 'd2', dave.user_id, false],
      ],
    );
    // Each of them goes on live from where the sync ended.
    await store(carol, alice, ['c4']);
    t.equal((await a.next('chat')).seq, 4);
  },
);

t.test('[X2] what is said while a long sync runs comes once, in its place', async (t) => {
  const [alice, bob] = (await users(2)) as [User, User];
  const b = await connectSynced(t, server, bob);
  const n = 900;
  for (let i = 1; i <= n; i++) b.send('chat', { to_user_id: alice.user_id, content: `${i}` });
  await b.until(() => b.of('sent').length === n, 'not all are stored');
  const a = await open(t, alice);
  a.send('sync', { positions: [] });
  let acked = 0;
  a.socket.on('message', () => {
    const last = a.of('chat').at(-1);
    if (last === undefined || last.seq < acked + 100) return;
    acked = last.seq;
    a.send('ack', { conversation_id: last.conversation_id, seq: acked });
    if (acked < 700) b.send('chat', { to_user_id: alice.user_id, content: `during ${acked}` });
    if (acked < 700) a.send('chat', { to_user_id: bob.user_id, content: `own ${acked}` });
  });
  await a.next('synced');
  await a.until(() => a.of('sent').length >= 6, 'own messages are not stored');
  await a.until(() => a.of('chat').length + a.of('sent').length === n + 12, 'not all came');
  await a.barrier();
  const seqs = a.of('chat').map((frame) => frame.seq);
  t.strictSame(
    seqs,
    [...seqs].sort((x, y) => x - y),
  );
  t.strictSame(
    [...seqs, ...a.of('sent').map((frame) => frame.seq)].sort((x, y) => x - y),
    Array.from({ length: n + 12 }, (_, i) => i + 1),
  );
});

t.test('[X3] positions of another epoch mean nothing here', async (t) => {
  const [alice, bob] = (await users(2)) as [User, User];
  const conversation = await store(bob, alice, ['one', 'two']);
  const a = await open(t, alice);
  a.send('sync', { id: 'a', epoch: 'another', positions: [{ conversation_id: conversation, seq: 2 }] });
  t.strictSame(await a.next('reset'), { type: 'reset', id: 'a' });
  await a.barrier();
  t.equal(a.of('synced').length + a.of('chat').length, 0);
  a.send('sync', { id: 'b', epoch: server.app.db.epoch, positions: [] });
  await a.next('synced');
  t.strictSame(chats(a), ['one', 'two']);
});

t.test('[X3] a position past the end, or of a conversation of others, is set back by reset', async (t) => {
  const [alice, bob, carol] = (await users(3)) as [User, User, User];
  const own = await store(bob, alice, ['one', 'two']);
  const others = await store(bob, carol, ['secret']);
  const a = await open(t, alice);
  a.send('sync', {
    id: 's',
    positions: [
      { conversation_id: own, seq: 3 },
      { conversation_id: others, seq: 1 },
      { conversation_id: 999_999_999, seq: 5 },
    ],
  });
  await a.next('synced');
  const [last] = await server.app.db
    .sql`select created_at from messages where conversation_id = ${own} and seq = 2`;
  t.strictSame(a.of('reset'), [
    { type: 'reset', id: 's', conversation_id: own, seq: 2, at: last?.created_at.getTime() },
    { type: 'reset', id: 's', conversation_id: others, seq: 0 },
    { type: 'reset', id: 's', conversation_id: 999_999_999, seq: 0 },
  ]);
  t.strictSame(chats(a), []);
  // It stands at the end now: live messages go on from there, and what is missing is in the history.
  await store(bob, alice, ['three']);
  t.strictSame([(await a.next('chat')).seq, chats(a)], [3, ['three']]);
  await store(bob, carol, ['more']);
  await a.barrier();
  t.strictSame(chats(a), ['three']);
  const { body } = await server.request('GET', `/api/conversations/${own}/messages`, { token: alice.token });
  t.strictSame(
    body.data.messages.map((message: { content: string }) => message.content),
    ['one', 'two', 'three'],
  );
});

t.test('[X18] a position proves itself by the time of its message', async (t) => {
  const [alice, bob, carol, dave] = (await users(4)) as [User, User, User, User];
  const a = await connectSynced(t, server, alice);
  const ids: number[] = [];
  for (const other of [bob, carol, dave]) ids.push(await store(other, alice, ['one', 'two', 'three']));
  const [same = 0, another = 0, silent = 0] = ids;
  await a.until(() => chats(a).length === 9, 'not all came');
  const timeOf = (conversation: number, seq: number) =>
    Date.parse(
      a.of('chat').find((frame) => frame.conversation_id === conversation && frame.seq === seq).created_at,
    );

  const back = await open(t, alice);
  back.send('sync', {
    id: 's',
    positions: [
      { conversation_id: same, seq: 2, at: timeOf(same, 2) },
      { conversation_id: another, seq: 2, at: timeOf(another, 2) - 1 },
      { conversation_id: silent, seq: 2 },
    ],
  });
  await back.next('synced');
  t.strictSame(
    back.of('reset'),
    [{ type: 'reset', id: 's', conversation_id: another, seq: 3, at: timeOf(another, 3) }],
    'of the others nobody notices',
  );
  t.strictSame(
    back.of('chat').map(({ conversation_id, seq }) => [conversation_id, seq]),
    [
      [same, 3],
      [silent, 3],
    ],
  );
  await store(carol, alice, ['four']);
  t.equal((await back.next('chat')).seq, 4, 'it goes on from the end');

  // What a reset says is a position that proves itself.
  const again = await open(t, alice);
  const [{ conversation_id, seq, at }] = back.of('reset');
  again.send('sync', { positions: [{ conversation_id, seq, at }], rest: 'end' });
  await again.next('synced');
  t.strictSame([again.of('reset').length, chats(again)], [0, ['four']]);
});

t.test('[X18] what another history has at a position has not arrived', async (t) => {
  const [alice, bob] = (await users(2)) as [User, User];
  const conversation = await store(bob, alice, ['one', 'two']);
  const a = await open(t, alice);
  a.send('sync', { positions: [{ conversation_id: conversation, seq: 2, at: 1 }] });
  await a.next('synced');
  t.strictSame(await undelivered(server, alice.user_id), [1, 2]);
});

t.test('[X4] a client may sync again at any time', async (t) => {
  const [alice, bob] = (await users(2)) as [User, User];
  const conversation = await store(bob, alice, ['1', '2', '3']);
  const a = await connectSynced(t, server, alice);
  t.strictSame(chats(a), ['1', '2', '3']);
  for (const seq of [1, 3, 0]) {
    const before = a.of('chat').length;
    a.send('sync', { id: `from-${seq}`, positions: [{ conversation_id: conversation, seq }] });
    t.equal((await a.next('synced')).id, `from-${seq}`);
    t.strictSame(chats(a).slice(before), ['1', '2', '3'].slice(seq));
  }
  await store(bob, alice, ['4']);
  t.equal((await a.next('chat')).seq, 4);
});

t.test('[X4] of two syncs at once each is answered', async (t) => {
  const [alice, bob] = (await users(2)) as [User, User];
  await store(bob, alice, ['1', '2']);
  const a = await open(t, alice);
  a.send('sync', { id: 'one', positions: [] });
  a.send('sync', { id: 'two', positions: [] });
  await a.until(() => a.of('synced').some((frame) => frame.id === 'two'), 'the last is not answered');
  const from = a.frames.findLastIndex((frame) => frame.type === 'synced');
  t.equal(a.frames[from]?.id, 'two');
  t.strictSame(chats(a).slice(-2), ['1', '2']);
});
