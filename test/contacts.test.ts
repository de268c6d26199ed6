/** Who knows whom, on two instances. */
import t from 'tap';
import { LIMITS } from '../schemas/limits.js';
import { build, connect, freshName, signUp, type User } from './helper.js';
import { add, ask, block, get, known, named, post, remove, unblock } from './relations.js';

const one = await build(t, { INSTANCE_ID: 'one' });
const two = await build(t, { INSTANCE_ID: 'two' }, one);
const { sql } = one.app.db;
const pair = async () => [await signUp(one), await signUp(two)] as const;

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

t.test('[K5] a change is told once to who is connected, and not to plain clients', async (t) => {
  const [a, b] = await pair();
  const clients = [
    [await connect(t, one, a, { extended: true }), a],
    [await connect(t, two, b, { extended: true }), b],
  ] as const;
  const plain = await connect(t, two, b);
  for (const change of [() => add(one, a, b), () => add(two, b, a), () => block(two, b, a)]) {
    t.equal((await change())[0], 200);
    for (const [client, user] of clients)
      t.equal((await client.next('contacts')).version, (await get(one, user, '/api/contacts')).version);
  }
  // What changes nothing is no news.
  await remove(one, a, b);
  await block(one, b, a);
  await plain.barrier();
  t.strictSame(
    plain.frames.filter(({ type }) => type !== 'online_list'),
    [],
  );
  for (const [client] of clients) {
    await client.barrier();
    t.equal(client.of('contacts').length, 3);
  }
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
