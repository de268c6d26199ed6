/** What retention has taken, or what was said before somebody came, made by SQL. */
import t, { type Test } from 'tap';
import {
  build,
  type Client,
  connect,
  connectSynced,
  eventually,
  makeMany,
  signUp,
  type User,
  unfetched,
} from '../helper.js';

const server = await build(t);
const { sql } = server.app.db;

/** Alice and Bob, and a conversation of theirs with so many messages. */
async function pair(messages: number) {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const places: { conversation_id: number; seq: number; at: number }[] = [];
  for (let n = 1; n <= messages; n++) places.push(await say(alice, { to_user_id: bob.user_id }));
  const conversation_id = places[0]?.conversation_id ?? 0;
  /** What a client holds that has everything up to there. */
  const held = (seq: number) => places[seq - 1];
  return { alice, bob, conversation_id, held };
}

async function say(from: User, to: object) {
  const { body } = await server.request('POST', '/api/messages', {
    token: from.token,
    body: { ...to, content: 'x' },
  });
  const { conversation_id, seq, created_at } = body.data;
  return { conversation_id, seq, at: Date.parse(created_at) };
}

/** Takes what is before a place. @param isDone whether the rows are gone already */
async function retain(conversation: number, first: number, isDone = true): Promise<void> {
  await sql`update conversations set first_seq = ${first} where conversation_id = ${conversation}`;
  if (isDone) await sql`delete from messages where conversation_id = ${conversation} and seq < ${first}`;
}

/** What a client is told of its conversations, in order: a reset by its `seq` and whether it keeps what it holds, a message by its `seq`. */
const told = (client: Client) =>
  client.frames.flatMap(({ type, seq, keep }) =>
    type === 'reset' ? [keep === true ? `kept to ${seq}` : `reset to ${seq}`] : type === 'chat' ? [seq] : [],
  );

async function synced(t: Test, user: User, ...positions: unknown[]): Promise<Client> {
  const client = await connect(t, server, user, { extended: true });
  client.send('sync', { positions });
  await client.next('synced');
  return client;
}

const history = async (user: User, conversation: number, query = '') => {
  const path = `/api/conversations/${conversation}/messages${query}`;
  const { data } = (await server.request('GET', path, { token: user.token })).body;
  return { seqs: data.messages.map(({ seq }: { seq: number }) => seq), more: data.has_more };
};

for (const isDone of [true, false])
  t.test(
    `[X19] what retention took${isDone ? '' : ', and has still to delete,'} is gone, and no other history`,
    async (t) => {
      const { alice, bob, conversation_id, held } = await pair(6);
      await retain(conversation_id, 5, isDone);
      const is = async (position: object | undefined, wanted: unknown[]) =>
        t.strictSame(told(await synced(t, bob, position ?? { conversation_id, seq: 0 })), wanted);
      await is(undefined, ['kept to 4', 5, 6]);
      await is(held(2), ['kept to 4', 5, 6]);
      await is({ conversation_id, seq: 2 }, ['kept to 4', 5, 6]);
      await is(held(4), [5, 6]);
      await is(held(5), [6]);
      await is(held(6), []);
      await is({ ...held(5), at: 1 }, ['reset to 6']);
      await is({ conversation_id, seq: 7, at: 1 }, ['reset to 6']);
      if (isDone) await is({ ...held(2), at: 1 }, ['kept to 4', 5, 6]);

      t.strictSame(await history(bob, conversation_id), { seqs: [5, 6], more: false });
      t.strictSame(await history(bob, conversation_id, '?after=1'), { seqs: [5, 6], more: false });
      t.strictSame(await history(bob, conversation_id, '?before=6&limit=1'), { seqs: [5], more: false });

      const client = await synced(t, bob, held(2));
      client.send('ack', { conversation_id, seq: 6 });
      await say(alice, { conversation_id });
      await client.until(() => told(client).length === 4, 'it does not go on');
      t.strictSame(told(client), ['kept to 4', 5, 6, 7]);
      t.equal(client.of('error').length, 0);
    },
  );

t.test('[X19] of a conversation of which nothing is left, what is held stays', async (t) => {
  const { bob, conversation_id, held } = await pair(3);
  await retain(conversation_id, 4);
  t.strictSame(told(await synced(t, bob, held(3))), []);
  t.strictSame(told(await synced(t, bob, held(1))), ['kept to 3']);
  t.strictSame(told(await synced(t, bob, { conversation_id, seq: 4, at: 1 })), ['reset to 3']);
  t.strictSame(await history(bob, conversation_id), { seqs: [], more: false });
  // Nor is it another history to the server, whose newest message that was.
  await server.app.hub.repair();
  t.notOk(server.app.db.history.isOver);
  t.equal((await say(bob, { conversation_id })).seq, 4, 'and it goes on behind that');
});

t.test('[X19] who comes later is given what is said from then on', async (t) => {
  const { alice, bob, held } = await pair(1);
  const conversation_id = await makeMany(server, [alice, bob]);
  for (let n = 1; n <= 3; n++) await say(alice, { conversation_id });
  const carol = await signUp(server);
  const [phone, plain] = [await connectSynced(t, server, carol), await connect(t, server, carol)];
  await sql`insert into members (user_id, conversation_id, first_seq) values (${carol.user_id}, ${conversation_id}, 4)`;
  await say(alice, { conversation_id });
  await phone.until(() => told(phone).length === 2, 'it does not come');
  t.strictSame(told(phone), ['kept to 3', 4]);
  t.strictSame(told(await synced(t, carol)), ['kept to 3', 4]);
  t.strictSame(told(await synced(t, carol, { conversation_id, seq: 3 })), [4]);
  t.strictSame(await history(carol, conversation_id), { seqs: [4], more: false });
  const read = await server.request('POST', `/api/conversations/${conversation_id}/read`, {
    token: carol.token,
    body: { seq: 1 },
  });
  t.strictSame(read.body.data, { read_seq: 1, unread: 1, mentions: 0 });
  t.strictSame(told(await synced(t, bob, { conversation_id, seq: 1 }, held(1))), [2, 3, 4]);
  await plain.barrier();
  t.equal(plain.of('chat').length, 0);
});

t.test('a plain client goes on past what retention took before it was pushed', async (t) => {
  const { alice, bob, conversation_id } = await pair(2);
  const plain = await connect(t, server, bob);
  const live = server.app.hub.connectionsOf(bob.user_id)[0];
  live?.suspend();
  for (let n = 3; n <= 6; n++) await say(alice, { conversation_id });
  await retain(conversation_id, 6);
  live?.resumed();
  await plain.next('chat');
  await say(alice, { conversation_id });
  await plain.next('chat');
  await eventually(async () => {
    const [row] = await sql`select plain_seq from cursors
      where user_id = ${bob.user_id} and conversation_id = ${conversation_id}`;
    return row?.plain_seq === 7;
  }, 'it is not confirmed');
  t.equal(plain.of('chat').length, 2);
});

t.test('[P4] what retention took before it was fetched waits no more', async (t) => {
  for (const [first, left] of [
    [3, 2],
    [5, 0],
  ] as const) {
    const { bob, conversation_id } = await pair(4);
    const before = await connect(t, server, bob);
    await before.close();
    await retain(conversation_id, first);
    const rows =
      await sql`select msg_id from messages where conversation_id = ${conversation_id} order by seq`;
    const plain = await connect(t, server, bob);
    plain.send('get_offline');
    const { data } = await plain.next('offline_list');
    const ids = data.map(({ msg_id }: { msg_id: number }) => msg_id);
    t.strictSame(
      ids,
      rows.map(({ msg_id }) => msg_id),
    );
    t.equal(ids.length, left);
    await eventually(async () => (await unfetched(server, bob.user_id)).length === 0, 'it is still owed');
  }
});
