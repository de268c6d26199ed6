/** Who is kept out, on two instances. */
import t, { type Test } from 'tap';
import {
  build,
  type Client,
  connect,
  connectSynced,
  eventually,
  makeMany,
  REAL,
  signUp,
  type User,
} from './helper.js';
import { block, blocked, get, named, post, unblock } from './relations.js';

const one = await build(t, { INSTANCE_ID: 'one' });
const two = await build(t, { INSTANCE_ID: 'two' }, one);
const { sql } = one.app.db;
const pair = async () => [await signUp(one), await signUp(two)] as const;
const stored = async (a: User, b: User): Promise<string[]> =>
  (
    await sql<{ content: string }[]>`
      select content from messages m join conversations c using (conversation_id)
      where c.user_a = ${Math.min(a.user_id, b.user_id)} and c.user_b = ${Math.max(a.user_id, b.user_id)} order by seq`
  ).map(({ content }) => content);
const refusal = {
  code: 'not_accepted',
  content: 'this person does not accept that from you, or you do not from them',
  retryable: false,
};

t.test('[K2] who is blocked writes no more, at any door, and neither does who blocks', async (t) => {
  const [a, b] = await pair();
  t.equal((await post(one, b, { to_user_id: a.user_id, content: 'before', id: 'before' })).status, 200);
  const [plain, extended] = [await connect(t, one, b), await connect(t, two, b, { extended: true })];
  t.strictSame(await block(two, a, b), [200, {}]);
  t.strictSame(await block(one, a, b), [200, {}], 'again it is the same');
  t.strictSame(await blocked(one, a), [named(b)]);
  t.strictSame(await blocked(one, b), []);
  const [{ conversation_id }] = (await get(one, b, '/api/conversations')).conversations;
  const doors = async (user: User, other: User, plain: Client, extended: Client) => {
    for (const target of [{ to_user_id: other.user_id }, { conversation_id }])
      for (const server of [one, two]) {
        const { status, body } = await post(server, user, target);
        t.strictSame([status, body.error], [403, 'not_accepted']);
      }
    plain.send('chat', { to_user_id: other.user_id, content: 'plain' });
    t.strictSame(await plain.next('error'), { type: 'error', content: refusal.content });
    for (const [id, target] of Object.entries({ x: { to_user_id: other.user_id }, y: { conversation_id } })) {
      extended.send('chat', { id, ...target, content: 'extended' });
      t.strictSame(await extended.next('error'), { type: 'error', id, ...refusal });
    }
  };
  await doors(b, a, plain, extended);
  await doors(a, b, await connect(t, one, a), await connect(t, two, a, { extended: true }));
  t.strictSame(await stored(a, b), ['before']);
  const again = await post(two, b, { to_user_id: a.user_id, content: 'before', id: 'before' });
  t.strictSame([again.status, again.body.data.seq], [200, 1], 'what was said before is still said');
  t.equal((await post(one, b, { to_user_id: b.user_id })).status, 200, 'to themselves');
  t.equal((await post(one, b, { to_user_id: (await signUp(one)).user_id })).status, 200, 'and to others');
  t.strictSame(await unblock(one, a, b), [200, {}]);
  for (const [from, to] of [[a, b] as const, [b, a] as const])
    t.equal((await post(two, from, { to_user_id: to.user_id, content: 'after' })).status, 200);
  t.strictSame(await stored(a, b), ['before', 'after', 'after']);
});

t.test(
  '[K2] a block comes before anything was ever said, from either side of the pair, and from both',
  async (t) => {
    for (const [i, j] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const both = await pair();
      const [blocker, other] = [both[i], both[j]] as const;
      await block(one, blocker, other);
      for (const [from, to] of [[other, blocker] as const, [blocker, other] as const])
        t.equal((await post(two, from, { to_user_id: to.user_id })).body.error, 'not_accepted');
      await block(two, other, blocker);
      await unblock(one, blocker, other);
      t.strictSame(await blocked(one, other), [named(blocker)]);
      t.equal((await post(two, other, { to_user_id: blocker.user_id })).body.error, 'not_accepted');
      await unblock(one, other, blocker);
      for (const user of both) {
        const client = await connectSynced(t, one, user);
        await client.barrier();
        t.strictSame(client.of('chat'), [], 'a conversation without messages is none');
        t.strictSame((await get(one, user, '/api/conversations')).conversations, []);
      }
      t.equal((await post(two, other, { to_user_id: blocker.user_id })).body.data.seq, 1);
    }
  },
);

t.test('[K2] of a batch only what is to who has blocked is refused', async (t) => {
  const [a, b, c] = [...(await pair()), await signUp(one)] as const;
  await block(one, a, b);
  const many = await makeMany(one, [a, b, c]);
  const client = await connect(t, one, b, { extended: true });
  const targets = [{ to_user_id: a.user_id }, { to_user_id: c.user_id }, { conversation_id: many }];
  for (let i = 0; i < 30; i++) client.send('chat', { id: `${i}`, content: `${i}`, ...targets[i % 3] });
  await client.until(
    () => client.of('sent').length + client.of('error').length === 30,
    'not all are answered',
  );
  t.strictSame(
    client.of('error').map(({ id, code }) => [Number(id) % 3, code]),
    Array.from({ length: 10 }, () => [0, 'not_accepted']),
  );
  t.strictSame(
    client
      .of('sent')
      .map(({ seq }) => seq)
      .sort((x, y) => x - y),
    Array.from({ length: 20 }, (_, i) => Math.floor(i / 2) + 1),
  );
});

t.test('[K1] a server of the version before stores nothing there either', async (t) => {
  const [a, b] = await pair();
  const append = async (id: string) => {
    const [row] = await sql<{ ids: string }[]>`
      select ids::text from append_1(array[${a.user_id}::bigint], array[${b.user_id}::bigint], '{}', '{1}', '{1}', '{1}',
        array[${b.user_id}::bigint], array[${id}::text], array[${id}::text])`;
    return row?.ids;
  };
  t.match(await append('before'), /^\{\d+\}$/);
  await block(one, a, b);
  t.equal(await append('after'), '{NULL}');
  t.strictSame(await stored(a, b), ['before']);
});

t.test('[K3] who is blocked sees no presence of who has blocked, live and when they ask', async (t) => {
  const [a, b] = await pair();
  const [here, watching] = [await connect(t, one, a, { extended: true }), await connectSynced(t, two, b)];
  const how = async (client: Client) => {
    client.send('presence', { user_ids: [a.user_id] });
    return (await client.next('presence')).users;
  };
  await eventually(async () => (await how(watching))[0].online === true, 'they are not online');
  const hidden = [{ user_id: a.user_id, online: false, last_seen_at: null }];
  await block(one, a, b);
  t.strictSame((await watching.next('presence')).users, hidden, 'at once');
  t.strictSame(await how(watching), hidden);
  t.strictSame(await how(await connectSynced(t, one, b)), hidden);
  const plain = await connect(t, one, b);
  plain.send('get_online_list');
  t.notOk((await plain.next('online_list')).data.includes(a.user_id));
  await here.close();
  const back = await connect(t, two, a, { extended: true });
  const seen = watching.of('presence').length;
  await eventually(async () => {
    const [owners] = await one.app.bus.owners([a.user_id]);
    return owners?.length === 1;
  }, 'they are not back');
  t.strictSame(await how(watching), hidden);
  t.ok(
    watching
      .of('presence')
      .slice(seen)
      .every(({ users }) => users.every((row: { online: boolean }) => !row.online)),
  );
  await unblock(two, a, b);
  t.match((await watching.next('presence')).users, [{ user_id: a.user_id, online: true }]);
  await back.close();
});

t.test(
  '[K3] who is hidden is asked for once for each who watches, however many and whom they watch',
  async (t) => {
    const server = await build(t);
    const users = await Promise.all(Array.from({ length: 6 }, () => signUp(server)));
    const late = await signUp(server);
    const watchers = await Promise.all(users.map((user) => connectSynced(t, server, user)));
    for (const watcher of watchers) {
      watcher.send('presence', { user_ids: [...users, late].map(({ user_id }) => user_id) });
      await watcher.next('presence');
    }
    const { contacts, sessions } = server.app;
    const { onChange } = contacts;
    const found: number[] = [];
    contacts.onChange = (user) => {
      found.push(user);
      onChange(user);
    };
    sessions.listener.forgetAll();
    await connect(t, server, late, { extended: true });
    const isTold = (watcher: Client) =>
      watcher
        .of('presence')
        .some(({ users }) =>
          users.some(
            (row: { user_id: number; online: boolean }) => row.user_id === late.user_id && row.online,
          ),
        );
    await eventually(() => watchers.every(isTold), 'somebody is not told');
    t.strictSame(found.sort(), users.map(({ user_id }) => user_id).sort());
  },
);

t.test('[K3] neither hears that the other types, and who is blocked gets no receipts', async (t) => {
  const [a, b] = await pair();
  const { conversation_id } = (await post(one, b, { to_user_id: a.user_id })).body.data;
  const [mine, theirs] = [await connectSynced(t, one, a), await connectSynced(t, two, b)];
  await block(two, a, b);
  for (const client of [mine, theirs]) await client.next('contacts');
  const receipts = theirs.of('receipt').length;
  for (const client of [mine, theirs]) {
    client.send('typing', { conversation_id });
    await client.barrier();
  }
  mine.send('read', { conversation_id, seq: 1 });
  await mine.barrier();
  const [row] = (await get(one, b, '/api/conversations')).conversations;
  t.strictSame(row.receipt, { delivered_seq: 0, read_seq: 0 });
  // Of other conversations both are told as ever, and by then would have been of this one.
  const c = await signUp(one);
  const other = (await post(one, b, { to_user_id: c.user_id })).body.data.conversation_id;
  const third = await connectSynced(t, one, c);
  third.send('read', { conversation_id: other, seq: 1 });
  await theirs.until(
    () => theirs.of('receipt').some((frame) => frame.conversation_id === other && frame.read_seq === 1),
    'no receipt',
  );
  t.strictSame(
    theirs
      .of('receipt')
      .slice(receipts)
      .filter((frame) => frame.conversation_id === conversation_id),
    [],
  );
  for (const client of [mine, theirs]) t.strictSame(client.of('typing'), []);
  await unblock(one, a, b);
  t.strictSame(
    (await get(one, b, '/api/conversations')).conversations.find(
      (one: { conversation_id: number }) => one.conversation_id === conversation_id,
    ).receipt,
    {
      delivered_seq: 1,
      read_seq: 1,
    },
  );
});

/** On real ones there are more chances to find what is rare. */
const ROUNDS = REAL ? 40 : 8;

/** Sends from both instances without pause until it is refused; what is stored is what was there when the block was answered. */
async function race(t: Test, first: boolean) {
  const [a, b] = await pair();
  if (!first) await post(one, a, { to_user_id: b.user_id, content: 'the first' });
  const clients = [
    await connect(t, one, b, { extended: true }),
    await connect(t, two, b, { extended: true }),
    await connect(t, one, b),
  ];
  // Of who asks there nothing is to be looked up then: on the embedded engine that waits for two logs that are never done.
  await blocked(two, a);
  let over = false;
  let n = 0;
  const sending = clients.map(async (client) => {
    while (!over && client.of('error').length === 0) {
      for (let i = 0; i < 10; i++) client.send('chat', { to_user_id: a.user_id, content: `${n++}` });
      await client.barrier();
    }
  });
  const http = [one, two].map(async (server) => {
    while (!over && (await post(server, b, { to_user_id: a.user_id, content: `${n++}` })).status === 200);
  });
  if (!first) await eventually(async () => (await stored(a, b)).length > 20, 'nothing is stored');
  const answer = await block(two, a, b);
  const then = (await stored(a, b)).length;
  over = answer[0] !== 200;
  t.strictSame(answer, [200, {}]);
  await Promise.all([...sending, ...http]);
  for (const client of clients) await client.barrier();
  t.equal((await stored(a, b)).length, then, `${then} stored before the block, nothing after`);
  for (const client of clients) t.ok(client.of('error').length > 0, 'who goes on is refused');
}

t.test('[K1] nothing is stored after a block’s answer, whoever sends on whichever instance', async (t) => {
  for (let i = 0; i < ROUNDS; i++) await race(t, false);
});

t.test('[K1] the same where the block races with the first message', async (t) => {
  for (let i = 0; i < ROUNDS; i++) await race(t, true);
});
