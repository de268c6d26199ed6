import { createHash } from 'node:crypto';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { checksumOf, migrate, pendingMigrations } from '../sql/migrate.js';
import { build, connect } from './helper.js';
import { asOf, emptied, emptyDatabase, fill, login, owed, password, type Sql, tables } from './reference.js';

t.setTimeout(240_000);

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
  const { env, sql, close } = await emptyDatabase(t);
  const lines = async () => (await shape(sql)).map(({ line }) => line);
  await sql.unsafe(tables('timestamp'));
  t.strictSame(await migrate(sql), Object.keys(LANDED));
  const wanted = await lines();
  for (const [text, checksum] of await earlierForms()) {
    const form = checksum.slice(0, 8);
    t.equal(sha256(text), checksum, `${form} is the one that was on main`);
    await emptied(sql);
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
  await close();
  t.equal((await login(await build(t, env), 'bob', password('bob'))).status, 200);
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
  const { env, sql, close } = await emptyDatabase(t);
  await asOf(sql, '0003_batches.sql');
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
  await close();

  const now = await build(t, env);
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
  const { sql } = await emptyDatabase(t);
  await migrate(sql);
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

  await emptied(sql);
  t.strictSame(await pendingMigrations(sql, folder), nobody, 'on an empty database');
  await fill(sql, 'timestamp');
  t.strictSame(await pendingMigrations(sql, folder), nobody, 'on one of the reference');
  const [row] = await sql`select to_regclass('migrations') as migrations`;
  t.equal(row?.migrations, null, 'and it was not touched');
});
