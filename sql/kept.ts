import type { Sql } from './handle.js';
import { columns, type MessageRow, type Position, type StoredMessage, toStored, toUser } from './messages.js';
import { isVisible } from './visible.js';

/** Messages that are kept somewhere, with their conversations and the members who ask. */
const kept = (sql: Sql, user: number) => sql`
    cross join lateral (select * from conversations x where x.conversation_id = k.conversation_id limit 1) c
    cross join lateral (
      select * from members x where x.user_id = ${user} and x.conversation_id = k.conversation_id limit 1
    ) me
    cross join lateral (
      select * from messages x where x.conversation_id = k.conversation_id and x.seq = k.seq limit 1
    ) m`;

/** What is pinned in a conversation, as a user sees it, the newest pin first. */
export async function listPins(
  sql: Sql,
  user: number,
  conversation: number,
  limit: number,
): Promise<{ message: StoredMessage; by: number; at: Date }[]> {
  const rows = await sql<(MessageRow & { pinned_by: number; pinned_at: Date })[]>`
    select ${columns(sql, user)}, ${toUser(sql, user)} as to_user_id, k.user_id as pinned_by, k.at as pinned_at
    from pins k ${kept(sql, user)}
    where k.conversation_id = ${conversation} and ${isVisible(sql)} order by k.at desc, k.seq desc limit ${limit}`;
  return rows.map((row) => ({ message: toStored(row), by: row.pinned_by, at: row.pinned_at }));
}

/**
 * Saves a message for a user who sees it, unless it is already.
 * @returns why it isn't: there is no such message, or the list is full
 */
export async function save(
  sql: Sql,
  user: number,
  { conversation, seq }: Position,
  atMost: number,
): Promise<'message_not_found' | 'list_full' | undefined> {
  const [row] = await sql<[{ is_there: boolean; is_full: boolean }]>`
    with found as materialized (
      select m.seq from (select ${conversation}::bigint as conversation_id, ${seq}::bigint as seq) k ${kept(sql, user)}
      where ${isVisible(sql)} and m.kind is null
    ), room as materialized (
      select exists (select from saved where user_id = ${user} and conversation_id = ${conversation} and seq = ${seq})
        or (select count(*) from saved where user_id = ${user}) < ${atMost} as is_left
    ), put as (
      insert into saved (user_id, conversation_id, seq)
      select ${user}, ${conversation}, seq from found where (select is_left from room)
      on conflict do nothing
    )
    select exists (select from found) as is_there, not (select is_left from room) as is_full`;
  return row.is_there ? (row.is_full ? 'list_full' : undefined) : 'message_not_found';
}

/** Forgets what a user has saved. */
export async function unsave(sql: Sql, user: number, { conversation, seq }: Position): Promise<void> {
  await sql`delete from saved where user_id = ${user} and conversation_id = ${conversation} and seq = ${seq}`;
}

/** What a user has saved, the newest first. @param before the last of the page before */
export async function listSaved(
  sql: Sql,
  user: number,
  before: number | undefined,
  limit: number,
): Promise<{ message: StoredMessage; id: number; at: Date }[]> {
  const rows = await sql<(MessageRow & { saved_id: number; saved_at: Date })[]>`
    select ${columns(sql, user)}, ${toUser(sql, user)} as to_user_id, k.saved_id, k.at as saved_at
    from saved k ${kept(sql, user)}
    where k.user_id = ${user} and k.saved_id < ${before ?? Number.MAX_SAFE_INTEGER} and ${isVisible(sql)}
    order by k.saved_id desc limit ${limit}`;
  return rows.map((row) => ({ message: toStored(row), id: row.saved_id, at: row.saved_at }));
}
