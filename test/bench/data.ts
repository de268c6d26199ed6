import postgres from 'postgres';
import type { Env } from './measure.js';
import { FIRST, type Stack } from './stack.js';

type Sql = postgres.Sql;
type Fragment = postgres.PendingQuery<postgres.Row[]>;

/** A database of the bench that some statements have filled. */
export async function prepared(stack: Stack, work: (sql: Sql) => Promise<unknown>): Promise<Env> {
  const env = await stack.fresh();
  const sql = postgres(env.DB_URL ?? '', { max: 1, onnotice: () => {} });
  try {
    await work(sql);
    await sql.unsafe('vacuum analyze');
  } finally {
    await sql.end();
  }
  await stack.checkpoint();
  return env;
}

/**
 * Makes conversations of two in which both have everything.
 * @param pairs rows of `a` and `b`, the lower user and the other, who has written all
 * @param each messages in each
 * @param order of all messages, by `conversation_id` and `seq`
 */
export const talks = (sql: Sql, pairs: Fragment, each = 1, order = sql`seq, conversation_id`) => sql`
  with made as (
    insert into conversations (user_a, user_b) select a, b from (${pairs}) p
    returning conversation_id, user_a, user_b
  ), joined as (
    insert into members (user_id, conversation_id)
    select user_a, conversation_id from made union all select user_b, conversation_id from made
  ), known as (
    insert into cursors (user_id, conversation_id, delivered_seq, plain_seq)
    select user_a, conversation_id, ${each}::bigint, ${each}::bigint from made
    union all
    select user_b, conversation_id, ${each}, ${each} from made
  ), begun as (
    update users set plain_at = now() where user_id in (select user_a from made union select user_b from made)
  )
  insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
  select conversation_id, seq, nextval('message_ids'), user_b, now() - interval '1 day', '~' || seq, repeat('x', 100)
  from (
    select conversation_id, user_b, seq from made, generate_series(1, ${each}::int) seq order by ${order}
  ) ordered`;

/** Conversations of one user with so many others, some of whom no row in `users` has. */
export const withMany = (sql: Sql, user: number, others: number) => sql`
  select ${FIRST + user}::bigint as a, 1000000 + g as b from generate_series(1, ${others}::int) g`;

/** Everybody's contacts, by place: those next to them in a circle, half of them on each side. */
export const ring = (sql: Sql, users: number, contacts: number) => sql`
  select ${FIRST}::bigint + least(i, j) as a, ${FIRST}::bigint + greatest(i, j) as b
  from generate_series(0, ${users - 1}::int) i, generate_series(1, ${contacts / 2}::int) step,
    lateral (select (i + step) % ${users}::int as j) other`;

/** Where each of so many users stands in their conversations. */
export async function positionsOf(env: Env, users: number): Promise<Map<number, number>[]> {
  const sql = postgres(env.DB_URL ?? '', { max: 1 });
  const rows = await sql<{ user: number; conversation: number; seq: number }[]>`
    select user_id::int as user, conversation_id::int as conversation, delivered_seq::int as seq from cursors
    where user_id between ${FIRST} and ${FIRST + users - 1}`;
  await sql.end();
  const positions = Array.from({ length: users }, () => new Map<number, number>());
  for (const { user, conversation, seq } of rows) positions[user - FIRST]?.set(conversation, seq);
  return positions;
}
