/** An old server goes on working while its tables are converted. */
import { readFile } from 'node:fs/promises';
import postgres from 'postgres';
import t, { type Test } from 'tap';
import { loadConfig } from '../../plugins/config.js';
import { bringUp, openDatabase } from '../../plugins/db/open.js';
import { migrate } from '../../sql/migrate.js';
import { eventually } from '../helper.js';
import { startPostgres } from '../nodes/postgres.js';
import { asOf } from '../reference.js';

t.setTimeout(120_000);
/** Messages that are there before: the conversion takes a while. */
const BEFORE = 50_000;
const SENDERS = 4;

/** A database of an old version, whose newest migration is named. */
async function database(t: Test, newest: string) {
  const server = await startPostgres();
  t.teardown(() => server.stop());
  const url = await server.createDatabase();
  const connect = (max: number) => {
    const sql = postgres(url, {
      max,
      onnotice: () => {},
      types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    });
    t.teardown(() => sql.end({ timeout: 1 }));
    return sql;
  };
  await asOf(connect(1), newest);
  return { url, connect };
}

t.test(
  'what an old server stored while the tables were converted is there, and the rest was refused',
  async (t) => {
    const { connect } = await database(t, '0003_batches.sql');
    const sql = connect(1);
    await sql.unsafe(`
    insert into users (username, password, name_key) select 'u' || g, '', 'u' || g from generate_series(1, ${2 * SENDERS}) g;
    insert into conversations (user_a, user_b, last_seq) values (1, 2, ${BEFORE});
    insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select conversation_id, s, nextval('message_ids'), 1, now(), '~' || s, 'before'
      from conversations, generate_series(1, ${BEFORE}) s;
    insert into offline_messages (to_user_id, msg_id, conversation_id, seq)
      select 2, msg_id, conversation_id, seq from messages;`);
    const append = await readFile(new URL('append-before-cursors.sql', import.meta.url), 'utf8');
    const old = connect(SENDERS);
    const stored: string[] = [];
    const refused: string[] = [];
    /** One user writes to another, one message after the other, until one is refused. */
    const send = async (from: number, to: number) => {
      for (let n = 1; refused.length < SENDERS; n++) {
        const id = `${from}-${n}`;
        const one = (value: string | number) => `{${value}}`;
        const values = [from, to, 1, 1, 1, from, to, id, id].map(one);
        try {
          await old.unsafe(append, [...values, '{}', '{}']);
          stored.push(id);
        } catch (error) {
          if (!(error instanceof postgres.PostgresError)) throw error;
          refused.push(error.code);
          return;
        }
      }
    };
    const sending = Array.from({ length: SENDERS }, (_, i) => send(2 * i + 1, 2 * i + 2));
    await eventually(() => stored.length > 100, 'nothing is stored');
    const fresh = await migrate(sql);
    await Promise.all(sending);
    t.ok(fresh.includes('0004_cursors.sql'));
    t.strictSame([...new Set(refused)].sort(), ['42703'], 'a statement of the old form names what is gone');
    const rows = await sql<{ id: string }[]>`
    select client_id as id from messages where client_id not like '~%' order by msg_id`;
    t.strictSame(
      rows.map(({ id }) => id).sort(),
      stored.sort(),
      'what was answered is there, and nothing else',
    );
    const [whole] = await sql`
    select (select count(*)::int from messages) as messages,
      (select sum(last_seq - first_seq + 1)::int from plain_gaps) as waiting,
      (select sum(last)::int from (select max(seq) as last from messages group by conversation_id) each) as ends`;
    const all = BEFORE + stored.length;
    t.strictSame({ ...whole }, { messages: all, waiting: all, ends: all });
  },
);

t.test('a migration that gave way to a statement of an old server is tried again', async (t) => {
  const { url, connect } = await database(t, '0013_delete_user.sql');
  const said: string[] = [];
  const log = { info() {}, warn: (_: unknown, text?: string) => said.push(text ?? String(_)) };
  const opened = await openDatabase(loadConfig({ DB_URL: url }), log);
  t.teardown(() => opened.sql.end({ timeout: 1 }));
  const sql = connect(1);
  const waiting = async () => (await sql`select from pg_locks where not granted`).length > 0;
  let applied: Promise<string[]> | undefined;
  // It has one table of the migration and asks for the other while the migration has that and asks for the first.
  await connect(1).begin(async (old) => {
    await old`lock table members in access share mode`;
    applied = bringUp(opened, log);
    await eventually(waiting, 'the migration waits for nobody');
    await old`select count(*) from conversations`;
  });
  t.ok((await applied)?.includes('0014_groups.sql'));
  t.equal(said.length, 1);
  t.match(said[0], /: deadlock detected; next try in 250 ms$/);
});
