import type { Conversation } from '../schemas/conversation.js';
import type { Message } from '../schemas/message.js';
import { numbers, type Sql } from './handle.js';

/** A conversation of two users, or of one with oneself; `a` is the lower id. */
export interface Pair {
  conversation: number;
  a: number;
  b: number;
}

/** Finds conversations by id; those whose users are both there, in no order. */
export async function findConversations(sql: Sql, ids: readonly number[]): Promise<Pair[]> {
  return sql<Pair[]>`
    select c.conversation_id as conversation, c.user_a as a, c.user_b as b
    from conversations c
    where c.conversation_id = any (${numbers(ids)}::bigint[])
      and (select true from users where user_id = c.user_a) and (select true from users where user_id = c.user_b)`;
}

/** How far each conversation of a user goes. */
export async function lastSeqs(sql: Sql, user: number): Promise<{ conversation: number; seq: number }[]> {
  return sql<{ conversation: number; seq: number }[]>`
    select conversation_id as conversation, last_seq as seq from conversations where user_a = ${user}
    union all
    select conversation_id, last_seq from conversations where user_b = ${user} and user_a <> user_b`;
}

/** The two users of a conversation, if one of them is `user`. */
export async function conversationOf(
  sql: Sql,
  user: number,
  conversation: number,
): Promise<{ other: number; lastSeq: number } | undefined> {
  const [row] = await sql<{ other: number; lastSeq: number }[]>`
    select user_a + user_b - ${user} as other, last_seq as "lastSeq" from conversations
    where conversation_id = ${conversation} and ${user} in (user_a, user_b)`;
  return row;
}

/**
 * Moves how far a user has read, forward only. What moves nothing writes nothing.
 * @returns where it stands now, and whether that is news; undefined if the user isn't a member
 */
export async function markRead(
  sql: Sql,
  user: number,
  conversation: number,
  seq: number,
): Promise<{ read: number; moved: boolean } | undefined> {
  const [row] = await sql<{ read: number; moved: boolean }[]>`
    with here as (
      select least(${seq}, last_seq) as said, coalesce((select read_seq from members
        where user_id = ${user} and conversation_id = ${conversation}), 0) as read
      from conversations where conversation_id = ${conversation} and ${user} in (user_a, user_b)
    ), moved as (
      insert into members (user_id, conversation_id, read_seq)
      select ${user}, ${conversation}, said from here where said > read
      on conflict (user_id, conversation_id) do update set read_seq = greatest(members.read_seq, excluded.read_seq)
      returning read_seq
    )
    select coalesce((select read_seq from moved), read) as read, exists (select from moved) as moved from here`;
  return row;
}

/** Messages of others past what the user has read, counted up to a bound. */
export async function countUnread(
  sql: Sql,
  user: number,
  conversation: number,
  atMost: number,
): Promise<number> {
  const [row] = await sql<[{ unread: number }]>`
    select count(*) as unread from (
      select from messages m
      where m.conversation_id = ${conversation} and m.from_user_id <> ${user} and m.seq > coalesce(
        (select read_seq from members where user_id = ${user} and conversation_id = ${conversation}), 0)
      limit ${atMost}
    ) counted`;
  return row.unread;
}

/** How far a place goes, or the first debt in it. */
type ReceiptRow = { user: number; conversation: number } & (
  | { last: number; read: number; owed: null }
  | { last: null; read: null; owed: number }
);

/**
 * How far each user has received and read a conversation. Received: all before the first debt.
 * @returns in the order given; undefined where there is no such conversation
 */
export async function receiptsOf(
  sql: Sql,
  places: readonly { user: number; conversation: number }[],
): Promise<({ delivered: number; read: number } | undefined)[]> {
  const users = [...new Set(places.map((place) => place.user))];
  const conversations = numbers(places.map((place) => place.conversation));
  // Debts are ordered by user, so each user's are read once for all of its places.
  const rows = await sql<ReceiptRow[]>`
    select p.user_id as "user", c.conversation_id as conversation, c.last_seq as last, coalesce(m.read_seq, 0) as read,
      null::bigint as owed
    from unnest(${numbers(places.map((place) => place.user))}::bigint[], ${conversations}::bigint[]) p(user_id, conversation_id)
    cross join lateral (select * from conversations x where x.conversation_id = p.conversation_id limit 1) c
    left join lateral (select * from members x
      where x.user_id = p.user_id and x.conversation_id = p.conversation_id limit 1) m on true
    union all
    select u.user_id, o.conversation_id, null, null, min(o.seq)
    from unnest(${numbers(users)}::bigint[]) u(user_id)
    cross join lateral (select conversation_id, seq from offline_messages
      where to_user_id = u.user_id and conversation_id = any (${conversations}::bigint[]) offset 0) o
    group by 1, 2`;
  const key = (place: { user: number; conversation: number }) => `${place.user}:${place.conversation}`;
  const found = new Map<string, { last: number; read: number }>();
  const firstOwed = new Map<string, number>();
  for (const row of rows)
    if (row.owed === null) found.set(key(row), row);
    else firstOwed.set(key(row), row.owed);
  return places.map((place) => {
    const state = found.get(key(place));
    const owed = firstOwed.get(key(place));
    return state && { delivered: owed === undefined ? state.last : owed - 1, read: state.read };
  });
}

interface ListRow {
  conversation_id: number;
  other: number;
  username: string;
  last_seq: number;
  read_seq: number;
  unread: number;
  delivered_seq: number;
  other_read_seq: number;
  msg_id: number;
  from_user_id: number;
  created_at: Date;
  client_id: string;
  content: string;
}

/**
 * A page of a user's conversations that have a message, newest first.
 * @param cursor `msg_id` of the last message of the last row of the page before
 * @param unreadAtMost where counting unread messages stops
 */
export async function listConversations(
  sql: Sql,
  user: number,
  cursor: number | undefined,
  limit: number,
  unreadAtMost: number,
): Promise<Conversation[]> {
  const rows = await sql<ListRow[]>`
    select page.*, coalesce(u.username, '') as username,
      (select count(*) from (select from messages x where x.conversation_id = page.conversation_id
        and x.seq > page.read_seq and x.from_user_id <> ${user} limit ${unreadAtMost}) counted) as unread,
      coalesce((select min(o.seq) - 1 from offline_messages o
        where o.to_user_id = page.other and o.conversation_id = page.conversation_id), page.last_seq) as delivered_seq,
      coalesce((select x.read_seq from members x
        where x.user_id = page.other and x.conversation_id = page.conversation_id), 0) as other_read_seq
    from (
      select c.conversation_id, c.user_a + c.user_b - ${user} as other, c.last_seq, coalesce(me.read_seq, 0) as read_seq,
        m.msg_id, m.from_user_id, m.created_at, m.client_id, m.content
      from (
        select * from conversations where user_a = ${user}
        union all
        select * from conversations where user_b = ${user} and user_a <> user_b
      ) c
      join messages m on m.conversation_id = c.conversation_id and m.seq = c.last_seq
      left join members me on me.user_id = ${user} and me.conversation_id = c.conversation_id
      where m.msg_id < ${cursor ?? Number.MAX_SAFE_INTEGER}
      order by m.msg_id desc limit ${limit}
    ) page left join users u on u.user_id = page.other
    order by page.msg_id desc`;
  return rows.map((row) => ({
    conversation_id: row.conversation_id,
    user: { user_id: row.other, username: row.username || `#${row.other}` },
    last_seq: row.last_seq,
    last_message: lastMessage(row, user),
    unread: row.unread,
    read_seq: row.read_seq,
    receipt: { delivered_seq: row.delivered_seq, read_seq: row.other_read_seq },
  }));
}

const lastMessage = (row: ListRow, user: number): Message => ({
  conversation_id: row.conversation_id,
  msg_id: row.msg_id,
  seq: row.last_seq,
  from_user_id: row.from_user_id,
  to_user_id: row.from_user_id === user ? row.other : user,
  content: row.content,
  created_at: row.created_at.toISOString(),
  ...(row.from_user_id === user && { id: row.client_id }),
});
