import { createHash } from 'node:crypto';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { hash } from '@node-rs/bcrypt';
import type { FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { checksumOf, migrate, pendingMigrations } from '../sql/migrate.js';
import { build, connect, REAL, type Server } from './helper.js';

t.setTimeout(120_000);

type Sql = FastifyInstance['db']['sql'];
type Type = 'timestamptz' | 'timestamp';
/** The embedded database takes seconds for each start, so it is tried with one of them. */
const types: Type[] = REAL ? ['timestamptz', 'timestamp'] : ['timestamp'];

/** The tables of the reference. */
const tables = (type: Type) => `
  create table users (user_id bigserial primary key, username varchar(64) unique not null, password text not null);
  create table friends (
    id bigserial primary key, user_id bigint not null, friend_id bigint not null, unique (user_id, friend_id));
  create table offline_messages (
    msg_id bigserial primary key, to_user_id bigint not null, from_user_id bigint not null, content text not null,
    created_at ${type} not null default now());
  create index idx_offline_messages_to_user_id on offline_messages (to_user_id);`;

const password = (name: string) => `password of ${name}`;
/** As the reference hashes. */
const hashed = async (name: string) => (await hash(password(name), 10)).replace(/^\$2[aby]\$/, '$2a$');

const [alice, capital, bob, gone, goneToo] = [1, 2, 5, 77, 88];
/** msg_id, to, from, content; one a minute. */
const owed: [number, number, number, string][] = [
  [3, alice, bob, 'the oldest'],
  [4, bob, alice, 'to bob'],
  [7, alice, gone, 'from somebody who is gone'],
  [8, goneToo, bob, 'to somebody who is gone'],
  [9, goneToo, gone, 'between two who are gone'],
  [11, alice, capital, '{"json": "\\u0041"} \' " \\ ü \u{1f600}\n'],
  [12, alice, bob, 'the second of bob'],
  [40, alice, alice, 'to myself'],
];
const at = (i: number) => `2024-05-01 10:0${i}:00.123456`;
const rows = (user: number) =>
  owed.flatMap(([msg_id, to, from, content], i) =>
    to === user
      ? [
          {
            msg_id,
            to_user_id: to,
            from_user_id: from,
            content,
            created_at: `2024-05-01T10:0${i}:00.123Z`,
          },
        ]
      : [],
  );

async function fill(sql: Sql, type: Type): Promise<void> {
  await sql.unsafe(tables(type));
  for (const [id, name] of [
    [alice, 'alice'],
    [capital, 'Alice'],
    [bob, 'bob'],
  ] as const)
    await sql`insert into users (user_id, username, password) values (${id}, ${name}, ${await hashed(name)})`;
  await sql`select setval('users_user_id_seq', 6)`;
  await sql`insert into friends (user_id, friend_id) values (1, 5), (1, 77), (77, 1), (1, 1)`;
  for (const [i, [msg_id, to, from, content]] of owed.entries())
    await sql`insert into offline_messages (msg_id, to_user_id, from_user_id, content, created_at)
      values (${msg_id}, ${to}, ${from}, ${content}, ${`${at(i)}${type === 'timestamptz' ? '+00' : ''}`}::text::${sql.unsafe(type)})`;
  // Those up to here were fetched, so that their rows are gone.
  await sql`select setval('offline_messages_msg_id_seq', 50)`;
}

/** A database as the reference leaves it: settings that point an instance at it. */
async function reference(t: Test, make: (sql: Sql) => Promise<void>): Promise<Record<string, string>> {
  const { app, env, stop } = await build(t);
  await app.db.sql.unsafe('drop schema public cascade; create schema public');
  await make(app.db.sql);
  await stop();
  return env;
}

async function login(server: Server, username: string, secret: string) {
  const { status, body } = await server.request('POST', '/login', { body: { username, password: secret } });
  return { status, token: String(body.data?.token) };
}

/** Everything that is in the database, but for what only says that a replica was there. */
async function contents(server: Server): Promise<string> {
  const all: unknown[] = [];
  for (const table of [
    'users',
    'friends',
    'conversations',
    'messages',
    'members',
    'cursors',
    'plain_gaps',
    'migrations',
  ])
    all.push(table, [...(await server.app.db.sql.unsafe(`select * from ${table} order by 1, 2`))]);
  return JSON.stringify(all);
}

for (const type of types)
  t.test(`a database of the reference is taken over, with ${type}`, async (t) => {
    const env = await reference(t, (sql) => fill(sql, type));
    const server = await build(t, env);
    const { sql } = server.app.db;

    await t.test('old hashes log in, names that differ only by case too', async (t) => {
      for (const [id, name] of [
        [alice, 'alice'],
        [capital, 'Alice'],
        [bob, 'bob'],
      ] as const) {
        const { status, token } = await login(server, name, password(name));
        t.strictSame([status, server.app.tokens.read(token).user_id], [200, id]);
        t.equal((await login(server, name, 'something else')).status, 401);
      }
      t.equal((await login(server, 'alice', password('Alice'))).status, 401);
      const register = (username: string) =>
        server.request('POST', '/register', { body: { username, password: 'password' } });
      t.equal((await register('somebody new')).body.data.user_id, 7);
      t.strictSame([(await register('ALICE')).status, (await register('alice')).status], [409, 409]);
    });

    await t.test('friends are contacts', async (t) => {
      const { token } = await login(server, 'alice', password('alice'));
      const { contacts, asked, asking } = (await server.request('GET', '/api/contacts', { token })).body.data;
      // The other of them is gone.
      t.strictSame(
        { contacts, asked, asking },
        { contacts: [{ user_id: bob, username: 'bob' }], asked: [], asking: [] },
      );
    });

    await t.test('nothing is lost', async (t) => {
      const [row] = await sql`
        select (select count(*)::int from messages) as messages, (select count(*)::int from plain_gaps) as owed,
          (select count(*)::int from friends) as friends`;
      t.strictSame({ ...row }, { messages: owed.length, owed: owed.length, friends: 4 });
      const stored = await sql`
        select m.msg_id, g.user_id as to_user_id, m.from_user_id, m.content
        from plain_gaps g join messages m using (conversation_id)
        where m.seq between g.first_seq and g.last_seq and (m.from_user_id <> g.user_id or m.content = 'to myself')
        order by msg_id`;
      t.strictSame(
        stored.map((message) => [message.msg_id, message.to_user_id, message.from_user_id, message.content]),
        owed,
      );
    });

    await t.test('old messages are fetched, oldest first, and new numbers go on', async (t) => {
      const user = async (name: string, user_id: number) => ({
        user_id,
        username: name,
        token: (await login(server, name, password(name))).token,
      });
      const b = await connect(t, server, await user('bob', bob));
      b.send('get_offline');
      t.strictSame((await b.next('offline_list')).data, rows(bob));
      const a = await connect(t, server, await user('alice', alice));
      a.send('get_offline');
      t.strictSame((await a.next('offline_list')).data, rows(alice));
      b.send('chat', { to_user_id: alice, content: 'new' });
      t.equal((await a.next('chat')).content, 'new');
      const { token } = await user('alice', alice);
      const { body } = await server.request('GET', '/api/conversations', { token });
      const [newest] = body.data.conversations;
      t.strictSame(
        [newest.user.username, newest.last_seq, newest.last_message.msg_id, newest.last_message.content],
        ['bob', 4, 51, 'new'],
      );
      const history = await server.request('GET', `/api/conversations/${newest.conversation_id}/messages`, {
        token,
      });
      t.strictSame(
        history.body.data.messages.map((message: { content: string }) => message.content),
        ['the oldest', 'to bob', 'the second of bob', 'new'],
      );
    });

    await t.test('a second start changes nothing', async (t) => {
      t.strictSame(await migrate(sql), []);
      // Stopped first, since what was confirmed at the last moment is settled until then.
      await server.stop();
      const second = await build(t, env);
      const before = await contents(second);
      await second.stop();
      t.equal(await contents(await build(t, env)), before);
    });
  });

if (REAL) {
  t.test('an empty database of the reference is taken over', async (t) => {
    const server = await build(
      t,
      await reference(t, async (sql) => void (await sql.unsafe(tables('timestamptz')))),
    );
    const { body } = await server.request('POST', '/register', {
      body: { username: 'first', password: 'password' },
    });
    t.equal(body.data.user_id, 1);
    const { token } = await login(server, 'first', 'password');
    const sent = await server.request('POST', '/api/messages', {
      token,
      body: { to_user_id: 1, content: 'x' },
    });
    t.equal(sent.body.data.seq, 1);
  });

  t.test('two instances that start at once on it take it over once', async (t) => {
    const env = await reference(t, (sql) => fill(sql, 'timestamp'));
    const servers = await Promise.all([build(t, env), build(t, env)]);
    const [one, two] = servers as [Server, Server];
    t.equal(await contents(one), await contents(two));
    const [row] = await one.app.db.sql`
      select (select count(*)::int from messages) as messages, (select count(*)::int from plain_gaps) as owed,
        (select count(*)::int from migrations) as migrations`;
    t.strictSame({ messages: row?.messages, owed: row?.owed }, { messages: owed.length, owed: owed.length });
  });

  t.test('an ordinary role is enough', async (t) => {
    const server = await build(t, await reference(t, (sql) => fill(sql, 'timestamptz')));
    const [role] = await server.app.db.sql`
      select rolsuper, rolcreaterole, rolreplication, rolbypassrls from pg_roles where rolname = current_user`;
    t.strictSame(
      { ...role },
      { rolsuper: false, rolcreaterole: false, rolreplication: false, rolbypassrls: false },
    );
    t.equal((await server.request('GET', '/readyz')).status, 200);
  });
}

const FOLDER = new URL('../sql/migrations/', import.meta.url);
/** Migrations on `main`: a new one gets its line with its landing, and none is ever changed. */
const LANDED = {
  '0001_log.sql': '239689cf627a753aca89e3da8a25eee6a0f9f910394bb8d5a2d3f68746310364',
  '0002_people.sql': 'c063f691b8a48f6622d141b4f3b4fa388a2aca4274302135e398640d52123a90',
  '0003_batches.sql': 'fe490de28793679de0bfde07aa4c6267506a89cbbeb580dad8208bebaaf45f26',
  '0004_cursors.sql': '1d48bf02d529f93264254633bf6c55c63c35526c8be1b4713c3b5316666d426b',
  '0005_append.sql': 'b17f16c2dc87cd525d136dfe33198cc9048abdb2edadd1ab8ed7e6c38d9f1f68',
  '0006_begin_plain.sql': '5ca9fafcd920fbb3e394e97f69da821bcae3ae806a98639568c01c13eb4ad7b8',
  '0007_name.sql': '00d91ac86bcc7f0744c2618797a948f7da575285b46a161a3f4194d791385ac8',
  '0008_sessions.sql': '30e08ce1dd098b4543f1684dbe58f10678c2145f09162e9b0a134938d6add591',
  '0009_accounts.sql': 'aa834b35b1907e1ecf51add6ff55f0742651e4d3c61414cd82dd10fad8ba9206',
  '0010_second_factor.sql': '8dbf53b63ca231c9fcd6c901a0d1044f357ab7a08addd1c4d8dac47867c1e1b1',
  '0011_contacts.sql': 'fea7bcf1eb45c091e52b8e2b237fe5590704a297eb2d1f165fa950c4e66cab27',
  '0012_append.sql': '25bda4e6c2fb4d916b44ad6c42eca9432643fcf7d4ff89e02f8e8408be907c13',
  '0013_delete_user.sql': '75264e5c2b46135b916120b22f6bf4a10ad1129210d5c03fcebb2e1fa266c5bf',
  '0014_groups.sql': '95b0e880a073ab1b80931fb5ef1919422b0b3678eb4f132a2c917c76bbdd60d2',
  '0015_mentions.sql': '8a974342b18ae09a0ebe1cb909578b53d37a1946cf83bb3008f5682f976f58b0',
  '0016_changes.sql': '294ae83bffed7118d1e85c1d9463564cf0cfecc55f18a92efbc658193f95ece4',
  '0017_search.sql': '5c80b2a9072fc0d14ce6d0fc6f3b7eb92f1c12f2782ef3e0ece1a5228538dda0',
  '0018_topic.sql': '2b4be37442242219977b4ab3375c7f5311755ab3e16e1039df8c6766eb0f9a8a',
  '0019_last_change.sql': 'c4361db36d01d1842106441b65e3e018dedf1d77ad733bdaaf97ebf67bf0a28a',
};
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

t.test('migrations that landed are what they were, whatever ends their lines', async (t) => {
  const sums: Record<string, string> = {};
  for (const name of (await readdir(FOLDER)).sort()) {
    const text = await readFile(new URL(name, FOLDER), 'utf8');
    sums[name] = checksumOf(text);
    t.equal(checksumOf(text.replaceAll(/\r?\n/g, '\r\n')), sums[name], name);
  }
  t.strictSame(sums, LANDED);
});

/** Text with one passage put in another's place, which has to be there. */
function undo(text: string, now: string, before: string): string {
  if (!text.includes(now)) throw new Error(`not there: ${now}`);
  return text.replace(now, () => before);
}

/** The forms that 0001 had on `main` before it was settled, the newest first, each with its checksum at the time. */
async function earlierForms() {
  const now = (await readFile(new URL('0001_log.sql', FOLDER), 'utf8')).replaceAll('\r\n', '\n');
  const full = undo(
    now,
    `-- Partial, so that a pair is never looked up by it: on tables that were empty when a plan was made it looks as good as
-- the unique one.
create index conversations_user_b on conversations (user_b) where user_a <> user_b;`,
    'create index conversations_user_b on conversations (user_b);',
  );
  const placeless = undo(
    full,
    `-- \`place\` tells an embedded database that was put back from a copy: it goes on from an earlier moment.
create table installation (id uuid not null default gen_random_uuid(), place text);`,
    'create table installation (id uuid not null default gen_random_uuid());',
  );
  const withMembers = [
    ['create index conversations_user_b on conversations (user_b);\n\n', ''],
    [
      ` A row comes with the first \`read\`: most conversations are opened far more
-- cheaply than they are read.`,
      '',
    ],
    [
      '-- Fencing numbers',
      `insert into members (user_id, conversation_id)
  select user_a, conversation_id from conversations
  union
  select user_b, conversation_id from conversations;

-- Fencing numbers`,
    ],
  ].reduce((text, [now = '', before = '']) => undo(text, now, before), placeless);
  return [
    [full, 'c8f8ad92f0de1157f2caa1acee80ebb909c53af5bdb3de1c3069490b79c00da4'],
    [placeless, 'c1f0110d57abcb62996a7b06f75943262a4754dfa64238408d08972630aca357'],
    [withMembers, 'a94e7d45d883332406973eda8ca8619d903b3980735b965b18af85a5d61f825a'],
    [now.replaceAll('\n', '\r\n'), sha256(now.replaceAll('\n', '\r\n'))],
  ] as const;
}

/** Columns and indexes of all tables. */
const shape = (sql: Sql) => sql`
  select table_name || '.' || column_name || ' ' || data_type as line from information_schema.columns
   where table_schema = 'public'
  union all select indexdef from pg_indexes where schemaname = 'public' order by 1`;

t.test('a database of each earlier form of 0001 is taken along, with what is in it', async (t) => {
  const server = await build(t);
  const { sql } = server.app.db;
  const anew = () => sql.unsafe('drop schema public cascade; create schema public');
  const lines = async () => (await shape(sql)).map(({ line }) => line);
  await anew();
  await sql.unsafe(tables('timestamp'));
  t.strictSame(await migrate(sql), Object.keys(LANDED));
  const wanted = await lines();
  for (const [text, checksum] of await earlierForms()) {
    const form = checksum.slice(0, 8);
    t.equal(sha256(text), checksum, `${form} is the one that was on main`);
    await anew();
    await fill(sql, 'timestamp');
    await sql.unsafe(text);
    await sql`create table migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
    await sql`insert into migrations (name, checksum) values ('0001_log.sql', ${checksum})`;
    t.strictSame(await migrate(sql), Object.keys(LANDED).slice(1), `${form} is known`);
    t.strictSame(await lines(), wanted, `${form} has today's tables`);
    t.strictSame([...(await sql`select * from cursors where read_seq > 0`)], [], 'nobody has read anything');
    const stored = await sql`select msg_id, content from messages order by msg_id`;
    t.strictSame(
      stored.map((row) => [row.msg_id, row.content]),
      owed.map(([msg_id, , , content]) => [msg_id, content]),
    );
    const [row] = await sql`select checksum from migrations where name = '0001_log.sql'`;
    t.equal(row?.checksum, LANDED['0001_log.sql']);
  }
  await sql`update migrations set checksum = ${sha256('something else')} where name = '0001_log.sql'`;
  await t.rejects(migrate(sql), /^The migration 0001_log.sql has changed since it was applied/);
  await sql`update migrations set checksum = ${LANDED['0001_log.sql']} where name = '0001_log.sql'`;
  await server.stop();
  t.equal((await login(await build(t, server.env), 'bob', password('bob'))).status, 200);
});

/** Users, what they said to each other, what each of them is owed, and how far they have read: as versions before had it. */
async function fillWithDebts(sql: Sql): Promise<void> {
  await sql.unsafe(`
    select setseed(0.4);
    insert into users (username, password, name_key) select 'u' || g, '', 'u' || g from generate_series(1, 30) g;
    insert into conversations (user_a, user_b)
      select a, b from generate_series(1, 30) a, generate_series(1, 30) b where a <= b and (a + b) % 3 < 2;
    insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select conversation_id, s, nextval('message_ids'), case when random() < 0.5 then user_a else user_b end,
        now() - interval '1 day' + s * interval '1 second', case when s % 2 = 0 then 'id-' else '~' end || s, 'text ' || s
      from generate_series(1, 340) s, conversations where s <= 40 + conversation_id order by s, conversation_id;
    update conversations c set last_seq = (select max(seq) from messages m where m.conversation_id = c.conversation_id);
    -- Some are owed what is at the end, some have holes, some are owed nothing.
    insert into offline_messages (to_user_id, msg_id, conversation_id, seq)
      select user_a + user_b - from_user_id, msg_id, conversation_id, seq
      from messages join conversations c using (conversation_id)
      where case conversation_id % 4 when 0 then seq > last_seq - 30 when 1 then seq % 5 = 0 when 2 then random() < 0.1 else false end;
    insert into members (user_id, conversation_id, read_seq)
      select user_a, conversation_id, last_seq / 2 from conversations where conversation_id % 3 = 0;
    insert into members (user_id, conversation_id, read_seq)
      select user_b, conversation_id, last_seq from conversations where conversation_id % 5 = 0 on conflict do nothing;`);
}

t.test('what versions before owed, and knew of each user, is as it was', async (t) => {
  const server = await build(t);
  const { sql } = server.app.db;
  await sql.unsafe('drop schema public cascade; create schema public');
  await sql`create table migrations (
    name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
  for (const name of ['0001_log.sql', '0002_people.sql', '0003_batches.sql'] as const) {
    await sql.unsafe(await readFile(new URL(name, FOLDER), 'utf8'));
    await sql`insert into migrations (name, checksum) values (${name}, ${LANDED[name]})`;
  }
  await fillWithDebts(sql);
  const before = {
    // As the list told it.
    list: [
      ...(await sql`
        select me.id as user, c.conversation_id as conversation, c.last_seq as last, coalesce(r.read_seq, 0) as read,
          least(1000, (select count(*) from messages m where m.conversation_id = c.conversation_id
            and m.from_user_id <> me.id and m.seq > coalesce(r.read_seq, 0))) as unread,
          coalesce((select min(seq) - 1 from offline_messages o
            where o.to_user_id = user_a + user_b - me.id and o.conversation_id = c.conversation_id), c.last_seq) as delivered
        from generate_series(1, 30) me(id) join conversations c on me.id in (user_a, user_b)
        left join members r on r.user_id = me.id and r.conversation_id = c.conversation_id order by 1, 2`),
    ],
    owed: [
      ...(await sql`
        select o.to_user_id as user, o.msg_id, m.from_user_id, m.content
        from offline_messages o join messages m using (conversation_id, seq) order by 1, 2`),
    ],
    // As a `sync` from nothing gave it.
    log: [...(await sql`select conversation_id, seq, msg_id, content from messages order by 1, 2`)],
  };
  t.ok(before.owed.length > 1000 && before.list.length > 500, 'there is something to keep');
  t.strictSame(await migrate(sql), Object.keys(LANDED).slice(3));
  await server.stop();

  const now = await build(t, server.env);
  const users = Array.from({ length: 30 }, (_, i) => ({ user_id: i + 1, username: `u${i + 1}` })).map(
    (user) => ({
      ...user,
      token: now.app.tokens.sign(user, undefined, 3600),
    }),
  );
  const list: object[] = [];
  const owed: object[] = [];
  const log = new Map<string, object>();
  for (const user of users) {
    const { body } = await now.request('GET', '/api/conversations?limit=100', { token: user.token });
    for (const { conversation_id, last_seq, read_seq, unread, receipt } of body.data.conversations)
      list.push({
        ...{ user: user.user_id, conversation: conversation_id, last: last_seq, read: read_seq, unread },
        delivered: receipt.delivered_seq,
      });
  }
  for (const user of users) {
    const plain = await connect(t, now, user);
    plain.send('get_offline');
    const rows = () => plain.of('offline_list').flatMap(({ data }) => data);
    const waiting = before.owed.filter((row) => row.user === user.user_id).length;
    await plain.until(() => plain.of('offline_list').length > 0 && rows().length >= waiting, 'not all came');
    await plain.barrier();
    for (const row of rows())
      owed.push({
        user: user.user_id,
        msg_id: row.msg_id,
        from_user_id: row.from_user_id,
        content: row.content,
      });
    await plain.close();
    const extended = await connect(t, now, user, { extended: true });
    extended.socket.on('message', () => {
      const { type, conversation_id, seq } = extended.frames.at(-1);
      if (type === 'chat') extended.send('ack', { conversation_id, seq });
    });
    extended.send('sync', { positions: [] });
    await extended.next('synced');
    for (const { conversation_id, seq, msg_id, content } of extended.of('chat'))
      log.set(`${conversation_id}:${seq}`, { conversation_id, seq, msg_id, content });
    await extended.close();
  }
  const byPlace = (x: { user: number; conversation: number }, y: { user: number; conversation: number }) =>
    x.user - y.user || x.conversation - y.conversation;
  t.strictSame((list as { user: number; conversation: number }[]).sort(byPlace), before.list);
  t.strictSame(owed, before.owed);
  t.equal(log.size, before.log.length);
  t.strictSame(
    before.log.filter(({ conversation_id, seq }) => log.get(`${conversation_id}:${seq}`) === undefined),
    [],
  );
});

t.test('what is pending is told without a change, and who has to stop for it', async (t) => {
  const server = await build(t);
  const { sql } = server.app.db;
  const folder = pathToFileURL(`${t.testdir()}/`);
  await cp(FOLDER, folder, { recursive: true });
  const add = (name: string, ...lines: string[]) => writeFile(new URL(name, folder), lines.join('\r\n'));
  const mark = '-- alone: no instance of an earlier version may run while this is applied.';
  await add('0097_alone.sql', mark, 'create table forms (form int);');
  await add('0098_beside.sql', '-- The mark stands first or not at all.', mark, 'select 1;');
  await add('0099_other.sql', `${mark} Or nearly so.`, 'select 1;');
  const further = [
    { name: '0097_alone.sql', alone: true },
    { name: '0098_beside.sql', alone: false },
    { name: '0099_other.sql', alone: false },
  ];
  t.strictSame(await pendingMigrations(sql), []);
  for (const time of ['once', 'and again'])
    t.strictSame(await pendingMigrations(sql, folder), further, `told ${time}`);
  const everything = [...Object.keys(LANDED), ...further.map(({ name }) => name)];
  const nobody = everything.map((name) => ({ name, alone: false }));
  t.strictSame(await pendingMigrations(undefined, folder), nobody, 'without a database');

  t.strictSame(
    await migrate(sql, folder),
    further.map(({ name }) => name),
  );
  t.strictSame(await pendingMigrations(sql, folder), []);
  await t.rejects(
    pendingMigrations(sql),
    /^The database has the migration 0097_alone.sql, which this version/,
  );

  await sql.unsafe('drop schema public cascade; create schema public');
  t.strictSame(await pendingMigrations(sql, folder), nobody, 'on an empty database');
  await fill(sql, 'timestamp');
  t.strictSame(await pendingMigrations(sql, folder), nobody, 'on one of the reference');
  const [row] = await sql`select to_regclass('migrations') as migrations`;
  t.equal(row?.migrations, null, 'and it was not touched');
});
