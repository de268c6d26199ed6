import t, { type Test } from 'tap';
import { build, connect, connectSynced, freshName, type Server, signUp } from './helper.js';

/** In lower case, since names are folded; of characters that every field takes. */
const CANARY = 'canary7f3a';

/** All rows of all tables that have the canary in any form, by table and column. */
async function placesOf({ app }: Server): Promise<string[]> {
  const { sql } = app.db;
  const columns = await sql<{ table: string; column: string }[]>`
    select c.table_name as "table", c.column_name as "column"
    from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and t.table_type = 'BASE TABLE' order by 1, 2`;
  const found: string[] = [];
  for (const { table, column } of columns) {
    const rows = await sql.unsafe(
      `select from "${table}" where lower("${column}"::text) like '%${CANARY}%'
        or "${column}"::text like '%' || encode('${CANARY}'::bytea, 'hex') || '%'`,
    );
    if (rows.length > 0) found.push(`${table}.${column}`);
  }
  return found;
}

/** Somebody who has filled in every field that there is, an admin, and the other side of a conversation. */
async function inhabited(t: Test) {
  const server = await build(t);
  const admin = await signUp(server);
  const other = await signUp(server, 'Olga');
  const username = `x ${CANARY}`;
  await server.request('POST', '/register', { body: { username, password: `${CANARY}${CANARY}` } });
  const { body } = await server.request('POST', '/login', {
    body: { username, password: `${CANARY}${CANARY}`, device: CANARY },
    headers: { 'user-agent': CANARY },
  });
  const gone = body.data as { user_id: number; username: string; token: string };
  const send = (from: { token: string }, to: number, content: string, id?: string) =>
    server.request('POST', '/api/messages', {
      token: from.token,
      body: { to_user_id: to, content, ...(id !== undefined && { id }) },
    });
  const sent = [
    await send(gone, other.user_id, `hello ${CANARY}`, CANARY),
    await send(other, gone.user_id, 'hello you'),
    await send(gone, gone.user_id, `a note, ${CANARY}`),
  ];
  const { sql } = server.app.db;
  await sql`insert into friends (user_id, friend_id) values (${gone.user_id}, ${other.user_id}), (${other.user_id}, ${gone.user_id})`;
  await server.app.accounts.createReset(gone.user_id, undefined);
  const conversation: number = sent[0]?.body.data.conversation_id;
  const remove = (query = '') =>
    server.request('DELETE', `/api/admin/users/${gone.user_id}${query}`, { token: admin.token });
  return { server, admin, other, gone, send, conversation, remove, sql };
}

t.test('[G4] of who is deleted nothing is left but what they wrote to others', async (t) => {
  const { server, admin, other, gone, conversation, remove, sql } = await inhabited(t);
  t.ok((await placesOf(server)).length >= 4, 'before, it is in several places');
  const { status, body } = await remove();
  t.strictSame([status, body], [200, { code: 0, message: 'ok', data: {} }]);
  t.strictSame(await placesOf(server), ['messages.content']);
  const [left] = await sql`
    select (select count(*)::int from sessions where user_id = ${gone.user_id}) as sessions,
      (select count(*)::int from resets) as resets, (select count(*)::int from friends) as friends,
      (select count(*)::int from name_words where user_id = ${gone.user_id}) as words,
      (select count(*)::int from rings where user_id = ${gone.user_id}) > 0 as rung`;
  t.strictSame({ ...left }, { sessions: 0, resets: 0, friends: 0, words: 0, rung: true });
  const [entry] = (await server.request('GET', '/api/admin/audit?limit=1', { token: admin.token })).body.data
    .entries;
  t.match(entry, { actor_id: admin.user_id, action: 'delete', user_id: gone.user_id });

  const get = (path: string) => server.request('GET', path, { token: other.token });
  const stub = { user_id: gone.user_id, username: `deleted user #${gone.user_id}`, deleted: true };
  t.strictSame((await get(`/api/users/${gone.user_id}`)).body.data, { ...stub, created_at: null });
  const [row] = (await get('/api/conversations')).body.data.conversations;
  t.strictSame([row.conversation_id, row.user, row.last_message.content], [conversation, stub, 'hello you']);
  const history = (await get(`/api/conversations/${conversation}/messages`)).body.data.messages;
  t.strictSame(
    history.map((message: { from_user_id: number; content: string }) => [
      message.from_user_id,
      message.content,
    ]),
    [
      [gone.user_id, `hello ${CANARY}`],
      [other.user_id, 'hello you'],
    ],
  );
  const everybody = (await get('/api/users?limit=50')).body.data.users;
  t.notOk(everybody.some(({ user_id }: { user_id: number }) => user_id === gone.user_id));
  t.strictSame((await get('/api/users?query=deleted')).body.data.users, []);
});

t.test('with what they wrote nothing is left at all, and that can be asked later', async (t) => {
  for (const queries of [['?messages=true'], ['', '?messages=true'], ['?messages=false', '?messages=true']]) {
    const { server, other, conversation, remove } = await inhabited(t);
    for (const query of queries) t.equal((await remove(query)).status, 200, query);
    t.strictSame(await placesOf(server), []);
    const { body } = await server.request('GET', `/api/conversations/${conversation}/messages`, {
      token: other.token,
    });
    t.strictSame(
      body.data.messages.map(({ content }: { content: string }) => content),
      ['', 'hello you'],
      'what the other wrote stays, in its place',
    );
    t.equal((await remove()).body.error, 'user_not_found');
  }
});

t.test('a long conversation is emptied to its end', async (t) => {
  const { server, other, gone, conversation, remove, sql } = await inhabited(t);
  await sql`
    insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
    select ${conversation}, 2 + i, 1000000 + i, case when i % 3 = 0 then ${other.user_id}::bigint else ${gone.user_id}::bigint end, now(), 'c' || i, ${CANARY}
    from generate_series(1, 5000) i`;
  t.equal((await remove('?messages=true')).status, 200);
  const [row] = await sql`
    select count(*) filter (where from_user_id = ${gone.user_id} and (content <> '' or client_id not like '~%'))::int as left,
      count(*) filter (where from_user_id = ${other.user_id} and content <> ${CANARY})::int as lost
    from messages where conversation_id = ${conversation} and seq > 2`;
  t.strictSame({ ...row }, { left: 0, lost: 0 });
  void server;
});

t.test(
  '[G4] nobody writes to who is deleted, by whatever name, also where the conversation is known',
  async (t) => {
    const { server, other, gone, conversation, send, remove } = await inhabited(t);
    const second = await build(t, {}, server);
    const [plain, extended] = [await connect(t, second, other), await connectSynced(t, second, other)];
    // Both replicas know the conversation by its users and by its number.
    extended.send('chat', { conversation_id: conversation, content: 'known by number', id: 'one' });
    t.equal((await extended.next('sent')).id, 'one');
    t.equal((await send(other, gone.user_id, 'known here')).status, 200);
    t.equal((await remove()).status, 200);
    for (const named of [{ conversation_id: conversation }, { to_user_id: gone.user_id }]) {
      const { status, body } = await server.request('POST', '/api/messages', {
        token: other.token,
        body: { ...named, content: 'too late' },
      });
      t.equal(status, 404, JSON.stringify(named));
      t.ok(['user_not_found', 'conversation_not_found'].includes(body.error), body.error);
      extended.send('chat', { ...named, content: 'too late', id: `late-${Object.keys(named)}` });
      const error = await extended.next('error');
      t.match(error, { id: `late-${Object.keys(named)}`, retryable: false });
      t.ok(['user_not_found', 'conversation_not_found'].includes(error.code), error.code);
    }
    plain.send('chat', { to_user_id: gone.user_id, content: 'too late' });
    t.equal((await plain.next('error')).content, 'target user not found');
    const stranger = await signUp(server);
    t.equal((await send(stranger, gone.user_id, 'never spoke')).body.error, 'user_not_found');
    t.equal((await send(gone, other.user_id, 'from beyond')).status === 200, false, 'nor do they');
    const [row] = await server.app.db
      .sql`select count(*)::int as n from messages where content like '%too late%'`;
    t.equal(row?.n, 0);
    t.equal((await send(other, stranger.user_id, 'goes on')).status, 200, 'the others go on');
  },
);

t.test('what is sent while somebody is deleted is stored before that or not at all', async (t) => {
  const { server, other, gone, send, remove, sql } = await inhabited(t);
  const second = await build(t, {}, server);
  const strangers = await Promise.all(Array.from({ length: 5 }, () => signUp(server)));
  const sends = [other, ...strangers].flatMap((from) =>
    Array.from({ length: 5 }, (_, i) =>
      (i % 2 === 0 ? server : second).request('POST', '/api/messages', {
        token: from.token,
        body: { to_user_id: gone.user_id, content: 'at once' },
      }),
    ),
  );
  const [removed, ...answers] = await Promise.all([remove('?messages=true'), ...sends]);
  t.equal(removed?.status, 200);
  for (const { status, body } of answers)
    t.ok(status === 200 || body.error === 'user_not_found', JSON.stringify(body));
  const [row] = await sql`
    select count(*) filter (where not closed)::int as open from conversations
    where ${gone.user_id} in (user_a, user_b)`;
  t.equal(row?.open, 0);
  t.equal((await send(other, gone.user_id, 'after')).body.error, 'user_not_found');
});

t.test('a name is free once its owner is deleted, and the number is nobody else’s', async (t) => {
  const { server, gone, remove } = await inhabited(t);
  await remove();
  const login = await server.request('POST', '/login', {
    body: { username: gone.username, password: `${CANARY}${CANARY}` },
  });
  t.equal(login.status, 401);
  const stub = `deleted user #${gone.user_id}`;
  for (const password of ['', 'x', 'not a hash'])
    t.not((await server.request('POST', '/login', { body: { username: stub, password } })).status, 200);
  const again = await server.request('POST', '/register', {
    body: { username: gone.username, password: 'another one' },
  });
  t.equal(again.status, 200);
  t.ok(again.body.data.user_id > gone.user_id);
});

t.test('a deleted user has no way back in', async (t) => {
  const { server, gone, remove, admin } = await inhabited(t);
  await remove();
  for (const change of ['suspend', 'restore', 'promote', 'demote', 'reset'])
    t.equal(
      (await server.request('POST', `/api/admin/users/${gone.user_id}/${change}`, { token: admin.token }))
        .body.error,
      'user_not_found',
      change,
    );
  for (const path of ['/api/me'])
    t.equal((await server.request('GET', path, { token: gone.token })).status, 401, path);
  for (const query of ['?messages=yes', '?messages=1', '?messages'])
    t.equal((await remove(query)).body.error, 'bad_request', query);
});

t.test('several are deleted, and each has a name of nobody', async (t) => {
  const server = await build(t);
  const admin = await signUp(server);
  const users = [await signUp(server), await signUp(server, freshName('Zoë'))];
  for (const { user_id } of users)
    t.equal(
      (await server.request('DELETE', `/api/admin/users/${user_id}`, { token: admin.token })).status,
      200,
    );
  const rows = await server.app.db
    .sql`select username from users where deleted_at is not null order by user_id`;
  t.strictSame(
    rows.map(({ username }) => username),
    users.map(({ user_id }) => `deleted user #${user_id}`),
  );
  await server.stop();
  const again = await build(t, server.env);
  t.equal(
    (await again.app.db.sql`select from users where deleted_at is not null`).length,
    2,
    'also after a start',
  );
});
