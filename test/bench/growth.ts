/**
 * What a message costs as things grow: npm run bench:growth -- [--rows 20000000] [--seconds 5] [--out FILE]. Each row of the
 * table is a state of the database that SQL made, under the same load of 50 pairs.
 */
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type postgres from 'postgres';
import { prepared } from './data.js';
import type { Figures } from './measure.js';
import { FIRST, pin, Stack } from './stack.js';
import { loadOn, openLoopOn } from './steady.js';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '20000000' },
    seconds: { type: 'string', default: '5' },
    out: { type: 'string', default: 'growth.json' },
  },
});
if (cpus().length > 1) pin(process.pid, 1);
const stack = await Stack.start(0);
const bench = { stack, core: 0, seconds: Number(values.seconds) };
const table: Record<string, Figures> = {};

async function row(name: string, run: () => Promise<Figures>) {
  const figures = await run();
  table[name] = figures;
  process.stdout.write(
    `${name}: ${Object.entries(figures)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ')}\n`,
  );
}

/** A conversation of one of the pairs that the load uses, with so many messages in it. */
const withHistory = (each: number) => (sql: postgres.Sql) =>
  sql`
  with made as (
    insert into conversations (user_a, user_b)
    select ${FIRST}::int + g, ${FIRST}::int + 50 + g from generate_series(0, 0) g returning conversation_id, user_a, user_b
  ), joined as (
    insert into members (user_id, conversation_id)
    select user_a, conversation_id from made union all select user_b, conversation_id from made
  )
  insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
  select conversation_id, s, nextval('message_ids'), user_a, now() - interval '1 day', '~' || s, repeat('x', 100)
  from made, generate_series(1, ${each}::int) s`;

/** A log of others' messages: conversations with a hundred messages each. */
const withLog = (rows: number) => async (sql: postgres.Sql) => {
  await sql`with made as (
      insert into conversations (user_a, user_b)
      select 1000000 + g, 2000000 + g from generate_series(1, ${rows / 100}::int) g returning conversation_id, user_a, user_b
    )
    insert into members (user_id, conversation_id)
    select user_a, conversation_id from made union all select user_b, conversation_id from made`;
  await sql`insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
    select conversation_id, s, nextval('message_ids'), user_a, now() - interval '1 day', '~' || s, repeat('x', 100)
    from conversations, generate_series(1, 100) s`;
};

/** Messages that wait for a user who is written to as well. */
const withWaiting = (count: number) => async (sql: postgres.Sql) => {
  await sql`insert into plain_gaps (user_id, conversation_id, first_seq, last_seq)
    select ${FIRST + 50}, 1000000, 2 * s, 2 * s from generate_series(1, ${count}::int) s`;
};

try {
  for (const users of [100, 1000, 10_000])
    await row(`${users} users connected, 3,000 messages/s`, async () =>
      openLoopOn(bench, await stack.fresh(), users, 3000),
    );
  for (const each of [0, 1000, 1_000_000])
    await row(`a conversation of ${each} messages`, async () =>
      loadOn(bench, await prepared(stack, withHistory(each))),
    );
  for (const rows of [0, Number(values.rows) / 20, Number(values.rows)])
    await row(`a log of ${rows} messages`, async () => loadOn(bench, await prepared(stack, withLog(rows))));
  for (const count of [0, 1000, 100_000])
    await row(`a receiver for whom ${count} messages wait`, async () =>
      loadOn(bench, await prepared(stack, withWaiting(count))),
    );
} finally {
  await stack.stop();
}
await writeFile(values.out, `${JSON.stringify(table, null, 2)}\n`);
