import t from 'tap';
import { LIMITS } from '../../schemas/limits.js';
import { build, type Client, connect, connectSynced, eventually, signUp, unfetched } from '../helper.js';

const server = await build(t);
const pair = async () => [await signUp(server), await signUp(server)] as const;

/** Stores messages to somebody. */
async function store(sender: Client, to: number, contents: string[]): Promise<void> {
  const before = sender.of('sent').length;
  for (const content of contents) sender.send('chat', { to_user_id: to, content });
  await sender.until(() => sender.of('sent').length === before + contents.length, 'not all are stored');
}
const contents = (client: Client): string[] =>
  client.of('offline_list').flatMap((frame) => frame.data.map((row: { content: string }) => row.content));
const numbered = (n: number, pad = '') => Array.from({ length: n }, (_, i) => `${i} ${pad}`.trim());

t.test(
  '[P4] what is owed comes oldest first, as the reference sends it; nothing is an empty list',
  async (t) => {
    const [alice, bob] = await pair();
    const a = await connectSynced(t, server, alice);
    a.send('chat', { to_user_id: bob.user_id, content: 'first' });
    const first = await a.next('sent');
    a.send('chat', { to_user_id: bob.user_id, content: 'second' });
    const second = await a.next('sent');
    const b = await connect(t, server, bob);
    b.send('get_offline');
    const row = (sent: { msg_id: number; created_at: string }, content: string) => ({
      msg_id: sent.msg_id,
      to_user_id: bob.user_id,
      from_user_id: alice.user_id,
      content,
      created_at: sent.created_at,
    });
    t.strictSame(await b.next('offline_list'), {
      type: 'offline_list',
      data: [row(first, 'first'), row(second, 'second')],
    });
    await eventually(
      async () => (await unfetched(server, bob.user_id)).length === 0,
      'the rows are still owed',
    );
    b.send('get_offline');
    t.strictSame(await b.next('offline_list'), { type: 'offline_list', data: [] });
  },
);

t.test('[P4] past a bound of rows there are more frames, as they are confirmed', async (t) => {
  const [alice, bob] = await pair();
  const all = numbered(2300);
  await store(await connectSynced(t, server, alice), bob.user_id, all);
  const b = await connect(t, server, bob, { options: { autoPong: false } });
  let payload: Buffer | undefined;
  b.socket.on('ping', (data) => {
    payload = data;
  });
  const confirm = () => b.socket.pong(payload);
  b.send('get_offline');
  t.equal((await b.next('offline_list')).data.length, 1000);
  await b.barrier();
  t.equal(b.of('offline_list').length, 1, 'not before the first is confirmed');
  confirm();
  t.equal((await b.next('offline_list')).data.length, 1000);
  await b.barrier();
  confirm();
  t.equal((await b.next('offline_list')).data.length, 300);
  await b.barrier();
  t.equal(b.of('offline_list').length, 3);
  t.strictSame(contents(b), all);
});

for (const [name, conversation] of [
  ['in turn', 'i / 65'],
  ['all at once', 'i % 40'],
  ['mostly in one', 'case when i < 40 or i >= 2000 then i % 40 when i < 160 then 0 else 39 end'],
  ['in bursts', "abs(hashtext('burst ' || i / 7)) % 40"],
] as const)
  t.test(`[P4] what waits in many conversations, written ${name}, comes as it was stored`, async (t) => {
    const { sql } = server.app.db;
    const bob = await signUp(server);
    const { user_id: user } = bob;
    const made = await sql<{ id: number }[]>`
      insert into conversations (user_a, user_b) select ${user}::bigint, ${user}::bigint + 1000000 * i from generate_series(0, 39) i
      returning conversation_id as id`;
    const ids = `{${made.map(({ id }) => id).join()}}`;
    await sql`insert into members (user_id, conversation_id) select ${user}, unnest(${ids}::bigint[])`;
    // Each third is of the user; of those only what was written to oneself waits.
    const stored = await sql<{ msg_id: number; waits: boolean }[]>`
      insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select (${ids}::bigint[])[c + 1], seq, nextval('message_ids'), case when i % 3 = 0 then ${user}::bigint else 1 end, now(), i::text, 'x'
      from (
        select i, c, row_number() over (partition by c order by i) as seq
        from (select i, ${sql.unsafe(conversation)} as c from generate_series(0, 2599) i) each order by i
      ) ordered
      returning msg_id, from_user_id <> ${user} or conversation_id = (${ids}::bigint[])[1] as waits`;
    const wanted = stored.filter(({ waits }) => waits).map(({ msg_id }) => msg_id);
    const b = await connect(t, server, bob);
    b.send('get_offline');
    const given = () =>
      b.of('offline_list').flatMap(({ data }) => data.map(({ msg_id }: { msg_id: number }) => msg_id));
    await b.until(() => given().length >= wanted.length, 'not all came');
    t.strictSame(given(), wanted);
  });

t.test('[P4] past a bound of bytes there are more frames, and none is larger than it', async (t) => {
  const [alice, bob] = await pair();
  const all = numbered(120, 'x'.repeat(12_000));
  await store(await connectSynced(t, server, alice), bob.user_id, all);
  const b = await connect(t, server, bob);
  b.send('get_offline');
  await b.until(() => contents(b).length >= all.length, 'not all came');
  t.strictSame(contents(b), all);
  t.ok(b.of('offline_list').length > 2);
  for (const frame of b.of('offline_list')) t.ok(JSON.stringify(frame).length <= 524_288 + 40);
});

t.test('[P4] what is asked for twice at once comes once', async (t) => {
  const [alice, bob] = await pair();
  const all = numbered(30);
  await store(await connectSynced(t, server, alice), bob.user_id, all);
  const b = await connect(t, server, bob);
  b.send('get_offline');
  b.send('get_offline');
  await b.until(() => b.of('offline_list').length === 2, 'two answers');
  t.strictSame(
    b.of('offline_list').map((frame) => frame.data.length),
    [30, 0],
  );
});

t.test('[P6] rows of a connection that broke before its pong come again', async (t) => {
  const [alice, bob] = await pair();
  const all = numbered(5);
  const a = await connectSynced(t, server, alice);
  await store(a, bob.user_id, all);
  for (let i = 0; i < 2; i++) {
    const b = await connect(t, server, bob, { options: { autoPong: false } });
    b.send('get_offline');
    await b.next('offline_list');
    t.strictSame(contents(b), all);
    // Asked again, the same connection isn't given them twice.
    b.send('get_offline');
    t.strictSame((await b.next('offline_list')).data, []);
    b.socket.terminate();
    await b.closed;
  }
  const b = await connect(t, server, bob);
  b.send('get_offline');
  await b.next('offline_list');
  t.strictSame(contents(b), all);
  await eventually(
    async () => (await unfetched(server, bob.user_id)).length === 0,
    'confirmed rows are still owed',
  );
  await b.close();
  const again = await connect(t, server, bob);
  again.send('get_offline');
  t.strictSame((await again.next('offline_list')).data, []);
});

t.test('[P6] a pushed message is owed until the pong to a ping after it', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const b = await connect(t, server, bob, { options: { autoPong: false } });
  let ping: Buffer | undefined;
  b.socket.on('ping', (data) => {
    if (b.of('chat').length === 2) ping = data;
  });
  await store(a, bob.user_id, ['one', 'two']);
  await b.until(() => b.of('chat').length === 2, 'not pushed');
  await eventually(() => ping !== undefined, 'no ping');
  await store(a, bob.user_id, ['three']);
  await b.until(() => b.of('chat').length === 3, 'not pushed');
  // Any other pong confirms nothing.
  b.socket.pong('999999');
  b.socket.pong();
  await b.barrier();
  t.equal((await unfetched(server, bob.user_id)).length, 3);
  b.socket.pong(ping);
  await eventually(async () => (await unfetched(server, bob.user_id)).length === 1, 'two are confirmed');
  b.socket.terminate();
  await b.closed;
  const next = await connect(t, server, bob);
  next.send('get_offline');
  await next.next('offline_list');
  t.strictSame(contents(next), ['three']);
  t.equal(next.of('chat').length, 0);
});

t.test(
  '[P6] a client that confirms nothing is given no more than the bound, and all once it does',
  async (t) => {
    const [alice, bob] = await pair();
    const a = await connectSynced(t, server, alice);
    const b = await connect(t, server, bob, { options: { autoPong: false } });
    const all = numbered(LIMITS.unconfirmedMessages + 50);
    const payloads: Buffer[] = [];
    b.socket.on('ping', (data) => payloads.push(data));
    await store(a, bob.user_id, all);
    await b.until(() => b.of('chat').length === LIMITS.unconfirmedMessages, 'not up to the bound');
    await b.barrier();
    t.equal(b.of('chat').length, LIMITS.unconfirmedMessages);
    await eventually(() => payloads.length > 0, 'no ping');
    b.socket.pong(payloads.at(-1));
    await b.until(() => b.of('chat').length >= all.length, 'the rest did not come');
    await b.barrier();
    t.strictSame(
      b.of('chat').map((frame) => frame.content),
      all,
    );
  },
);
