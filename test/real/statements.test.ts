/** What a message costs the database: statements as the log counts them, commits as PostgreSQL does. */
import { setTimeout as wait } from 'node:timers/promises';
import postgres from 'postgres';
import t from 'tap';
import { build, connect, connectSynced, eventually, signUp } from '../helper.js';
import { startPostgres } from '../nodes/postgres.js';

t.setTimeout(120_000);

// One of its own, since transactions are counted for the whole server.
const server = await startPostgres({ settings: { autovacuum: 'off' } });
t.teardown(() => server.stop());
const one = await build(t, { DB_URL: await server.createDatabase() });
// The index of the search is made behind the log, whenever it is its turn.
await one.app.searching.indexer.close();
const admin = postgres(server.adminUrl(), { max: 1 });
t.teardown(() => admin.end());

/** Transactions that wrote something, since the server was made. */
async function commits(): Promise<number> {
  const [row] = await admin`select pg_snapshot_xmax(pg_current_snapshot())::text as xid`;
  return Number(row?.xid);
}

const senders = await Promise.all(Array.from({ length: 10 }, () => signUp(one)));
const receivers = await Promise.all(Array.from({ length: 10 }, () => signUp(one)));
const from = await Promise.all(senders.map((user) => connectSynced(t, one, user)));
const to = await Promise.all(receivers.map((user) => connect(t, one, user)));
for (const [i, client] of from.entries())
  client.send('chat', { to_user_id: receivers[i]?.user_id, content: 'the first of a pair' });
for (const client of to) await client.next('chat');

/** Nothing is under way any more: cursors are moved, presence is noted. */
const quiet = () =>
  eventually(async () => {
    const [row] = await one.app.db.sql`
      select (select count(*)::int from presence) as present`;
    const moves = Reflect.get(one.app.hub, 'moves');
    return (
      moves.waiting.size === 0 && moves.plain.size === 0 && row?.present === senders.length + receivers.length
    );
  }, 'it is not quiet');

/** Messages that the receivers haven't confirmed. */
async function undelivered(): Promise<number> {
  const [row] = await one.app.db.sql`
    select count(*)::int as n from messages m join members using (conversation_id)
    left join cursors c on c.user_id = members.user_id and c.conversation_id = m.conversation_id
    where m.from_user_id <> members.user_id and m.seq > coalesce(c.delivered_seq, 0)
      and members.user_id = any (${`{${receivers.map(({ user_id }) => user_id).join()}}`}::bigint[])`;
  return row?.n;
}

/** Sends so many in a second, spread evenly, each sender to one receiver, and gives what it cost. */
async function cost(
  messages: number,
  receiver = 0,
): Promise<{ statements: number; commits: number; batches: number }> {
  await quiet();
  const { counts } = one.app.messages;
  const before = { ...counts, commits: await commits() };
  const came = to.map((client) => client.of('chat').length);
  const slices = Math.min(messages, 50);
  for (let slice = 0, i = 0; slice < slices; slice++) {
    for (; i < ((slice + 1) * messages) / slices; i++)
      from[i % from.length]?.send('chat', {
        to_user_id: receivers[(i + receiver) % receivers.length]?.user_id,
        content: `${i}`,
      });
    if (slices > 1) await wait(1000 / slices);
  }
  const arrived = () => to.reduce((sum, client, i) => sum + client.of('chat').length - (came[i] ?? 0), 0);
  await eventually(() => arrived() === messages, 'not all came');
  // The pong to the ping after the last message.
  await eventually(async () => (await undelivered()) === 0, 'not all is confirmed');
  await quiet();
  return {
    statements: counts.statements - before.statements,
    batches: counts.batches - before.batches,
    commits: (await commits()) - before.commits,
  };
}

t.test(
  'a lone message is one statement and one commit, and one more commit when it has arrived',
  async (t) => {
    const { statements, commits, batches } = await cost(1);
    t.comment(`1 message: ${batches} batch, ${statements} statements, ${commits} commits`);
    t.strictSame({ statements, commits, batches }, { statements: 1, commits: 2, batches: 1 });
  },
);

t.test('the first message of a pair costs no more', async (t) => {
  const { statements, commits, batches } = await cost(1, 1);
  t.strictSame({ statements, commits, batches }, { statements: 1, commits: 2, batches: 1 });
});

for (const [messages, most] of [
  [100, 1.5],
  [5000, 0.1],
] as const)
  t.test(`${messages} messages in a second take at most ${most} statements each`, async (t) => {
    const { statements, commits, batches } = await cost(messages);
    t.comment(`${messages} messages: ${batches} batches, ${statements} statements, ${commits} commits`);
    t.ok(statements <= messages * most, `${statements} statements`);
    // Cursors are moved twenty times a second at most.
    t.ok(commits <= statements + 50, `${commits} commits`);
    t.ok(commits >= batches, 'each batch commits');
  });

// A plan made while a table is known to be empty may join from the wrong side, and stays.
t.test('what is planned on empty tables reads by index, and no more than it needs', async (t) => {
  const url = await server.createDatabase();
  await (await build(t, { DB_URL: url })).stop();
  const sql = postgres(url, { max: 1 });
  t.teardown(() => sql.end());
  await sql`analyze`;
  const fresh = await build(t, { DB_URL: url });
  const people = await Promise.all(Array.from({ length: 40 }, () => signUp(fresh)));
  const writers = await Promise.all(people.slice(0, 20).map((user) => connectSynced(t, fresh, user)));
  const readers = people.slice(20);
  const scans = () => sql<{ name: string; scans: number; read: number; sequential: number }[]>`
    select indexrelname as name, i.idx_scan::int as scans, i.idx_tup_read::int as read, t.seq_scan::int as sequential
    from pg_stat_user_indexes i join pg_stat_user_tables t using (relid) where t.relname <> 'migrations'`;
  const before = new Map((await scans()).map((row) => [row.name, row]));
  for (let round = 0; round < 5; round++)
    for (const [i, writer] of writers.entries()) {
      for (const [j, reader] of readers.entries())
        writer.send('chat', { to_user_id: reader.user_id, content: `${round} ${i} ${j}` });
      await wait(5);
    }
  await eventually(() => writers.every((writer) => writer.of('sent').length === 100), 'not all is stored');
  for (const reader of readers) {
    const client = await connect(t, fresh, reader);
    client.send('get_offline');
    await eventually(() => client.of('offline_list').length > 0, 'nothing came');
  }
  await eventually(() => fresh.app.hub.counts.moved === 400, 'what was fetched is not noted');
  // Its connections report what they counted when they end.
  await fresh.stop();
  await eventually(async () => {
    const [row] = await sql`select count(*)::int as open from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    return row?.open === 0;
  }, 'connections stay open');
  for (const { name, scans: now, read, sequential } of await scans()) {
    const old = before.get(name);
    t.equal(sequential, old?.sequential ?? 0, `${name}: its table is never read as a whole`);
    const [calls, rows] = [now - (old?.scans ?? 0), read - (old?.read ?? 0)];
    t.comment(`${name}: ${calls} scans, ${rows} rows`);
    // Of each reader all conversations are looked at when they come.
    const most = name === 'members_pkey' ? writers.length * calls : 2 * calls + 200;
    t.ok(rows <= most, `${name}: ${calls} scans, ${rows} rows`);
  }
});
