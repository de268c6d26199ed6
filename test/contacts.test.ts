/** Who knows whom, and who is kept out, on two instances. */
import t, { type Test } from 'tap';
import { LIMITS } from '../schemas/limits.js';
import {
  build,
  type Client,
  connect,
  connectSynced,
  eventually,
  freshName,
  makeMany,
  REAL,
  type Server,
  signUp,
  type User,
} from './helper.js';

const one = await build(t, { INSTANCE_ID: 'one' });
const two = await build(t, { INSTANCE_ID: 'two' }, one);
const { sql } = one.app.db;
const named = ({ user_id, username }: User) => ({ user_id, username });
const people = (n: number) => Promise.all(Array.from({ length: n }, () => signUp(one)));
const pair = async () => (await people(2)) as [User, User];

/** Asks something of somebody. @returns the status, and the data or the code of the error */
async function ask(server: Server, user: User, method: string, what: 'contacts' | 'blocks', other: User) {
  const path = `/api/${what}/${other.user_id}`;
  const { status, body } = await server.request(method, path, { token: user.token });
  return [status, status === 200 ? body.data : body.error];
}
const add = (server: Server, user: User, other: User) => ask(server, user, 'PUT', 'contacts', other);
const remove = (server: Server, user: User, other: User) => ask(server, user, 'DELETE', 'contacts', other);
const block = (server: Server, user: User, other: User) => ask(server, user, 'PUT', 'blocks', other);
const unblock = (server: Server, user: User, other: User) => ask(server, user, 'DELETE', 'blocks', other);
const get = async (server: Server, user: User, path: string) =>
  (await server.request('GET', path, { token: user.token })).body.data;
const blocked = async (server: Server, user: User) => (await get(server, user, '/api/blocks')).blocked;
/** Those whom a user knows, without the version. */
async function known(server: Server, user: User) {
  const { contacts, asked, asking } = await get(server, user, '/api/contacts');
  return { contacts, asked, asking };
}
const post = (server: Server, from: User, body: object) =>
  server.request('POST', '/api/messages', { token: from.token, body: { content: 'hello', ...body } });
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

t.test('somebody asks, the other accepts, and either ends it', async (t) => {
  const [a, b] = await pair();
  t.strictSame(await add(one, a, b), [200, { state: 'asked' }]);
  t.strictSame(await add(two, a, b), [200, { state: 'asked' }], 'asked again it is the same');
  t.strictSame(await known(two, a), { contacts: [], asked: [named(b)], asking: [] });
  t.strictSame(await known(two, b), { contacts: [], asked: [], asking: [named(a)] });
  t.strictSame(await add(two, b, a), [200, { state: 'contact' }]);
  for (const [user, other] of [[a, b] as const, [b, a] as const])
    t.strictSame(await known(one, user), { contacts: [named(other)], asked: [], asking: [] });
  t.strictSame(await remove(one, b, a), [200, {}]);
  t.strictSame(await remove(one, b, a), [200, {}], 'what has ended already is no error');
  for (const user of [a, b]) t.strictSame(await known(two, user), { contacts: [], asked: [], asking: [] });
});

t.test('a request is withdrawn, and declined', async (t) => {
  const [a, b] = await pair();
  for (const by of [a, b]) {
    await add(one, a, b);
    t.strictSame(await remove(two, by, by === a ? b : a), [200, {}]);
    for (const user of [a, b]) t.strictSame(await known(one, user), { contacts: [], asked: [], asking: [] });
  }
});

t.test('two who ask each other at once are contacts', async (t) => {
  for (let i = 0; i < 20; i++) {
    const [a, b] = await pair();
    const answers = await Promise.all([add(one, a, b), add(two, b, a)]);
    t.strictSame(answers.map(([, data]) => data.state).sort(), ['asked', 'contact'], 'the later one accepts');
    t.strictSame(await known(one, a), { contacts: [named(b)], asked: [], asking: [] });
  }
});

t.test('nobody asks or blocks themselves, or who isn’t there', async (t) => {
  const a = await signUp(one);
  const nobody = { ...a, user_id: Number.MAX_SAFE_INTEGER };
  for (const what of ['contacts', 'blocks'] as const) {
    t.strictSame(await ask(one, a, 'PUT', what, a), [400, 'bad_request']);
    t.strictSame(await ask(one, a, 'PUT', what, nobody), [404, 'user_not_found']);
    t.strictSame(await ask(one, a, 'DELETE', what, nobody), [200, {}]);
    for (const id of ['0', '-1', '1.5', 'x', '1e3', '9007199254740993', '%00']) {
      const { status, body } = await one.request('PUT', `/api/${what}/${id}`, { token: a.token });
      t.strictSame([status, body.error], [400, 'bad_request'], id);
    }
    t.equal((await one.request('PUT', `/api/${what}/1`)).body.error, 'missing_token');
    t.equal((await one.request('GET', `/api/${what}`)).body.error, 'missing_token');
  }
  t.equal((await sql`select from conversations where user_b = ${nobody.user_id}`).length, 0);
});

t.test('the lists have bounds', async (t) => {
  const [a, b] = await pair();
  const many = (n: number, from: number) => sql`
    insert into friends (user_id, friend_id)
    select ${a.user_id}, ${from}::bigint + i from generate_series(1, ${n}) i`;
  await many(LIMITS.contactRequests, 10_000_000);
  t.strictSame(await add(one, a, b), [409, 'list_full']);
  await add(one, b, a);
  t.strictSame(await add(one, a, b), [200, { state: 'contact' }], 'to accept is no request');
  await remove(one, a, b);
  await many(LIMITS.contacts, 20_000_000);
  await sql`
    insert into friends (user_id, friend_id) select friend_id, user_id from friends
    where user_id = ${a.user_id} and friend_id > 20000000`;
  await add(one, b, a);
  t.strictSame(await add(one, a, b), [409, 'list_full']);
  await sql`
    insert into conversations (user_a, user_b, a_blocks)
    select ${a.user_id}, 30000000 + i, true from generate_series(1, ${LIMITS.blocked}) i`;
  t.strictSame(await block(one, a, b), [409, 'list_full']);
});

t.test(
  '[K5] a request that comes and is accepted is told to who is connected, and not to plain clients',
  async (t) => {
    const [a, b] = await pair();
    const [asker, asked, plain] = [
      await connect(t, one, a, { extended: true }),
      await connect(t, two, b, { extended: true }),
      await connect(t, two, b),
    ];
    const told = async (client: Client, user: User) => {
      const { version } = await client.next('contacts');
      t.equal(version, (await get(one, user, '/api/contacts')).version);
    };
    for (const change of [
      () => add(one, a, b),
      () => add(two, b, a),
      () => block(two, b, a),
      () => remove(one, a, b),
    ])
      if ((await change())[0] === 200 && change.toString().includes('remove') === false)
        for (const [client, user] of [[asker, a] as const, [asked, b] as const]) await told(client, user);
    await plain.barrier();
    await asked.barrier();
    t.strictSame(
      plain.frames.filter(({ type }) => type !== 'online_list'),
      [],
    );
    t.strictSame(asked.of('contacts').length, 3, 'each change once');
  },
);

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
      const [blocker, other] = [both[i] as User, both[j] as User];
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
  const [a, b, c] = (await people(3)) as [User, User, User];
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

t.test('a block ends that two are contacts, and who is blocked can’t ask', async (t) => {
  const [a, b] = await pair();
  await add(one, a, b);
  await add(one, b, a);
  await block(two, a, b);
  for (const user of [a, b]) t.strictSame(await known(one, user), { contacts: [], asked: [], asking: [] });
  t.strictSame(await add(one, b, a), [403, 'not_accepted']);
  t.strictSame(await add(one, a, b), [403, 'not_accepted']);
  await unblock(one, a, b);
  t.strictSame(await add(one, b, a), [200, { state: 'asked' }]);
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

t.test('where people find their contacts alone', async (t) => {
  const one = await build(t, { DIRECTORY: 'contacts' });
  const two = await build(t, { DIRECTORY: 'contacts' }, one);
  const users = (await Promise.all([1, 2, 3, 4].map(() => signUp(one, freshName('Person'))))) as [
    User,
    User,
    User,
    User,
  ];
  const [a, b, c, d] = users;
  const found = async (user: User, query?: string): Promise<number[]> =>
    (
      await get(one, user, `/api/users${query === undefined ? '' : `?query=${encodeURIComponent(query)}`}`)
    ).users.map((row: User) => row.user_id);
  const status = async (user: User, path: string, method = 'GET') =>
    (await two.request(method, path, { token: user.token })).status;

  await t.test('[K4] strangers are found by their whole name alone', async (t) => {
    t.strictSame(await found(a), [a.user_id]);
    t.strictSame(await found(a, 'person'), [a.user_id]);
    t.notOk((await found(a, b.username.slice(0, -1))).includes(b.user_id));
    t.strictSame(await found(a, ` ${b.username.toUpperCase()} `), [b.user_id]);
    for (const [method, path] of [
      ['GET', `/api/users/${b.user_id}`],
      ['PUT', `/api/contacts/${b.user_id}`],
      ['PUT', `/api/blocks/${b.user_id}`],
    ] as const) {
      t.equal(await status(a, path, method), 404, path);
      t.equal(await status(a, `${path}?username=${b.username}x`, method), 404, path);
    }
    t.equal(await status(a, `/api/users/${b.user_id}?username=${b.username.toUpperCase()}`), 200);
    for (const name of ['', '%00', 'x'.repeat(257)])
      t.equal(await status(a, `/api/contacts/${b.user_id}?username=${name}`, 'PUT'), 400, name);
    t.equal(
      await status(a, `/api/contacts/${b.user_id}?username=%E2%80%8B`, 'PUT'),
      404,
      'a name of nothing',
    );
  });

  await t.test('[K4] strangers begin no conversation, and contacts do', async (t) => {
    const refused = async (from: User, to: User) =>
      (await post(two, from, { to_user_id: to.user_id })).body.error;
    t.equal(await refused(a, b), 'not_accepted');
    t.equal(await refused(a, { ...b, user_id: 999_999 }), 'user_not_found');
    t.equal((await one.app.db.sql`select from conversations`).length, 0);
    t.equal(await status(a, `/api/contacts/${b.user_id}?username=${b.username}`, 'PUT'), 200);
    t.equal(await refused(a, b), 'not_accepted', 'who has asked, neither');
    t.equal(await refused(b, a), 'not_accepted', 'nor who is asked');
    t.equal(await status(a, `/api/users/${b.user_id}`), 200);
    t.equal(await status(b, `/api/users/${a.user_id}`), 200);
    t.equal(await status(b, `/api/contacts/${a.user_id}`, 'PUT'), 200);
    t.strictSame(
      [await found(a), await found(b, 'person')],
      [
        [a.user_id, b.user_id],
        [a.user_id, b.user_id],
      ],
    );
    t.equal((await post(two, a, { to_user_id: b.user_id })).body.data.seq, 1);
    t.equal((await post(one, a, { to_user_id: a.user_id })).status, 200, 'everybody may write to themselves');
  });

  await t.test(
    '[K4] a conversation that exists goes on when its users are no contacts any more',
    async (t) => {
      await remove(one, a, b);
      t.equal((await post(two, b, { to_user_id: a.user_id })).body.data.seq, 2);
      t.strictSame(await found(a, 'person'), [a.user_id, b.user_id], 'and they find each other');
    },
  );

  await t.test('[K4] a block that is taken back begins no conversation', async (t) => {
    t.equal(await status(c, `/api/blocks/${d.user_id}?username=${d.username}`, 'PUT'), 200);
    t.equal(await status(c, `/api/users/${d.user_id}`), 200, 'whom one has blocked one knows');
    await unblock(one, c, d);
    for (const [from, to] of [[c, d] as const, [d, c] as const])
      t.equal((await post(two, from, { to_user_id: to.user_id })).body.error, 'not_accepted');
    t.strictSame(await found(c), [c.user_id]);
    const client = await connect(t, one, d, { extended: true });
    const targets = [c, d, a];
    for (let i = 0; i < 9; i++)
      client.send('chat', { id: `${i}`, to_user_id: targets[i % 3]?.user_id, content: `${i}` });
    await client.until(
      () => client.of('sent').length + client.of('error').length === 9,
      'not all are answered',
    );
    t.strictSame(
      client.of('sent').map(({ to_user_id, seq }) => [to_user_id, seq]),
      [
        [d.user_id, 1],
        [d.user_id, 2],
        [d.user_id, 3],
      ],
    );
    t.strictSame(new Set(client.of('error').map(({ code }) => code)), new Set(['not_accepted']));
  });
});
