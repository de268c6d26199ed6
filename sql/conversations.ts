import type { Conversation } from '../schemas/conversation.js';
import type { Message } from '../schemas/message.js';
import { numbers, parseNumbers, type Sql } from './handle.js';
import type { Position, Target } from './messages.js';
import { asShown } from './users.js';

/** Somebody in a conversation. */
export interface Member {
  user: number;
  conversation: number;
}

/**
 * What users name who write to a conversation by its number: of one of two the other user, if both are there.
 * @returns those who are in their conversation, in no order
 */
export async function findTargets(
  sql: Sql,
  members: readonly Member[],
): Promise<(Member & { target: Target })[]> {
  const rows = await sql<(Member & { other: number | null })[]>`
    select p.user_id as "user", p.conversation_id as conversation, c.user_a + c.user_b - p.user_id as other
    from unnest(${numbers(members.map(({ user }) => user))}::bigint[],
      ${numbers(members.map(({ conversation }) => conversation))}::bigint[]) p(user_id, conversation_id)
    cross join lateral (select last_seq from members x
      where x.user_id = p.user_id and x.conversation_id = p.conversation_id limit 1) me
    cross join lateral (select * from conversations x where x.conversation_id = p.conversation_id limit 1) c
    where me.last_seq is null and (c.user_a is null or (
      not c.closed and (select true from users where user_id = c.user_a) and (select true from users where user_id = c.user_b)))`;
  return rows.map(({ user, conversation, other }) => ({
    user,
    conversation,
    target: other === null ? { conversation } : { user: other },
  }));
}

/**
 * The others in conversations that a user is in; nobody in one with oneself, in one that they have left, and in one of many.
 * @param atMost members that make no many
 */
export async function othersIn(
  sql: Sql,
  user: number,
  conversations: readonly number[],
  atMost: number,
): Promise<Member[]> {
  const rows = await sql<{ conversation: number; others: string }[]>`
    select p.id as conversation, array(select x.user_id from members x
      where x.conversation_id = p.id and x.last_seq is null and x.user_id <> ${user} limit ${atMost})::text as others
    from unnest(${numbers(conversations)}::bigint[]) p(id)
    cross join lateral (
      select last_seq from members x where x.user_id = ${user} and x.conversation_id = p.id limit 1
    ) me
    where me.last_seq is null`;
  return rows.flatMap(({ conversation, others }) => {
    const found = parseNumbers(others);
    return found.length < atMost ? found.map((other) => ({ user: other, conversation })) : [];
  });
}

/** Members, and how far their conversations go: where nothing is left, as far as they went. One without a message is left out. */
const goingTo = (sql: Sql) => sql`members m join lateral (
    select coalesce(
      (select seq from messages x where x.conversation_id = m.conversation_id order by seq desc limit 1),
      (select nullif(first_seq, 1) - 1 from conversations x where x.conversation_id = m.conversation_id)) as seq offset 0
  ) e on e.seq is not null`;

/** How far each conversation of a user goes, as far as they may see it; one without a message is left out. */
export async function lastSeqs(sql: Sql, user: number): Promise<Position[]> {
  return sql<Position[]>`
    select m.conversation_id as conversation, least(e.seq, m.last_seq) as seq
    from ${goingTo(sql)} where m.user_id = ${user}`;
}

/**
 * The same of the conversations of two alone, for a plain connection.
 * @param number of the connection
 * @returns undefined where a newer plain connection of its user has begun
 */
export async function plainLastSeqs(sql: Sql, user: number, number: number): Promise<Position[] | undefined> {
  const rows = await sql<{ is_replaced: boolean; conversation: number | null; seq: number | null }[]>`
    select u.plain_number > ${number} as is_replaced, c.* from users u left join lateral (
      select m.conversation_id as conversation, e.seq from ${goingTo(sql)} where m.user_id = u.user_id
        and (select user_a from conversations x where x.conversation_id = m.conversation_id) is not null
    ) c on true
    where u.user_id = ${user}`;
  if (rows[0]?.is_replaced === true) return undefined;
  return rows.flatMap(({ conversation, seq }) =>
    conversation === null || seq === null ? [] : [{ conversation, seq }],
  );
}

/** How far a conversation of a user goes, and what its cursor says. */
export interface Standing {
  conversation: number;
  /** As far as they may see it. */
  end: number;
  /** How far one of their devices has it. */
  delivered: number;
  /** When the message at the position that was asked for was stored, in milliseconds since 1970; undefined where it isn't there. */
  at: number | undefined;
}

/**
 * How far each conversation of a user goes; one without a message is left out.
 * @param positions whose messages are asked for
 */
export async function standings(sql: Sql, user: number, positions: readonly Position[]): Promise<Standing[]> {
  const sorted = [...positions].sort((x, y) => x.conversation - y.conversation);
  const ids = numbers(sorted.map(({ conversation }) => conversation));
  const seqs = numbers(sorted.map(({ seq }) => seq));
  const rows = await sql<(Omit<Standing, 'at'> & { at: Date | null })[]>`
    select m.conversation_id as conversation, least(e.seq, m.last_seq) as "end", coalesce(k.delivered_seq, 0) as delivered, (
        select created_at from messages x
        where x.conversation_id = (${ids}::bigint[])[p.place] and x.seq = (${seqs}::bigint[])[p.place]
          and x.conversation_id = m.conversation_id
      ) as at
    from ${goingTo(sql)}
    cross join lateral (select width_bucket(m.conversation_id, ${ids}::bigint[]) as place) p
    left join lateral (
      select delivered_seq from cursors x where x.user_id = m.user_id and x.conversation_id = m.conversation_id limit 1
    ) k on true
    where m.user_id = ${user}`;
  return rows.map(({ at, ...row }) => ({ ...row, at: at?.getTime() }));
}

/**
 * What kind of conversation it is that a user is in, or was.
 * @returns `other`: of one of two the other user; undefined if they aren't
 */
export async function conversationOf(
  sql: Sql,
  user: number,
  conversation: number,
): Promise<{ other: number | null } | undefined> {
  const [row] = await sql<{ other: number | null }[]>`
    select c.user_a + c.user_b - ${user} as other from members me join conversations c using (conversation_id)
    where me.user_id = ${user} and me.conversation_id = ${conversation}`;
  return row;
}

/**
 * Moves how far a user has read, which has arrived then, forward only and to the end of what they may see at most. What moves nothing writes nothing.
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
      select least(last_seq, ${seq}, coalesce((select x.seq from messages x
          where x.conversation_id = ${conversation} order by x.seq desc limit 1), 0)) as said,
        coalesce((select read_seq from cursors
          where user_id = ${user} and conversation_id = ${conversation}), 0) as read
      from members where user_id = ${user} and conversation_id = ${conversation}
    ), moved as (
      insert into cursors (user_id, conversation_id, read_seq, delivered_seq)
      select ${user}, ${conversation}, said, said from here where said > read
      on conflict (user_id, conversation_id) do update set read_seq = greatest(cursors.read_seq, excluded.read_seq),
        delivered_seq = greatest(cursors.delivered_seq, excluded.delivered_seq)
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
      where m.conversation_id = ${conversation} and m.from_user_id <> ${user} and m.seq > greatest(
        (select read_seq from cursors where user_id = ${user} and conversation_id = ${conversation}),
        (select first_seq - 1 from members where user_id = ${user} and conversation_id = ${conversation}))
      limit ${atMost}
    ) counted`;
  return row.unread;
}

/**
 * How far each user has received and read a conversation.
 * @returns in the order given
 */
export async function receiptsOf(
  sql: Sql,
  places: readonly { user: number; conversation: number }[],
): Promise<{ delivered: number; read: number }[]> {
  return sql<{ delivered: number; read: number }[]>`
    select coalesce(c.delivered_seq, 0) as delivered, coalesce(c.read_seq, 0) as read
    from unnest(${numbers(places.map((place) => place.user))}::bigint[],
      ${numbers(places.map((place) => place.conversation))}::bigint[]) with ordinality p(user_id, conversation_id, i)
    left join lateral (select * from cursors x
      where x.user_id = p.user_id and x.conversation_id = p.conversation_id limit 1) c on true
    order by p.i`;
}

interface ListRow {
  conversation_id: number;
  other: number;
  username: string;
  lookalike: boolean;
  deleted: boolean;
  last_seq: number;
  read_seq: number;
  unread: number;
  hidden: boolean;
  delivered_seq: number;
  other_read_seq: number;
  msg_id: number;
  from_user_id: number;
  created_at: Date;
  client_id: string;
  content: string;
}

/**
 * A page of a user's conversations of two that have a message, newest first.
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
    select page.*, coalesce(u.username, '') as username, coalesce(u.lookalike, false) as lookalike,
      u.deleted_at is not null as deleted,
      (select count(*) from (select from messages x where x.conversation_id = page.conversation_id
        and x.seq > page.read_seq and x.from_user_id <> ${user} limit ${unreadAtMost}) counted) as unread,
      coalesce(o.delivered_seq, 0) as delivered_seq, coalesce(o.read_seq, 0) as other_read_seq
    from (
      select c.conversation_id, c.user_a + c.user_b - ${user} as other, m.seq as last_seq,
        case when c.user_a = ${user} then c.b_blocks else c.a_blocks end as hidden,
        coalesce((select x.read_seq from cursors x
          where x.user_id = ${user} and x.conversation_id = c.conversation_id), 0) as read_seq,
        m.msg_id, m.from_user_id, m.created_at, m.client_id, m.content
      from (select conversation_id from members x where x.user_id = ${user} offset 0) me
      cross join lateral (select * from conversations x where x.conversation_id = me.conversation_id limit 1) c
      cross join lateral (select * from messages x where x.conversation_id = me.conversation_id
        order by x.seq desc limit 1) m
      where c.user_a is not null and m.msg_id < ${cursor ?? Number.MAX_SAFE_INTEGER}
      order by m.msg_id desc limit ${limit}
    ) page
    left join users u on u.user_id = page.other
    left join lateral (select * from cursors x
      where x.user_id = page.other and x.conversation_id = page.conversation_id limit 1) o on true
    order by page.msg_id desc`;
  return rows.map((row) => ({
    conversation_id: row.conversation_id,
    user: asShown({ ...row, user_id: row.other, username: row.username || `#${row.other}` }),
    last_seq: row.last_seq,
    last_message: lastMessage(row, user),
    unread: row.unread,
    read_seq: row.read_seq,
    receipt: row.hidden
      ? { delivered_seq: 0, read_seq: 0 }
      : { delivered_seq: row.delivered_seq, read_seq: row.other_read_seq },
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
