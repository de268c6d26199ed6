import { sizeOf } from '../schemas/size.js';
import { numbers, parseNumbers, type Sql } from './handle.js';
import type { Position, Target } from './messages.js';

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
  const rows = await sql<(Member & { other: number | null; channel: boolean | null })[]>`
    select p.user_id as "user", p.conversation_id as conversation, c.user_a + c.user_b - p.user_id as other,
      (select kind = 'channel' from groups g where g.conversation_id = p.conversation_id) as channel
    from unnest(${numbers(members.map(({ user }) => user))}::bigint[],
      ${numbers(members.map(({ conversation }) => conversation))}::bigint[]) p(user_id, conversation_id)
    cross join lateral (select last_seq from members x
      where x.user_id = p.user_id and x.conversation_id = p.conversation_id limit 1) me
    cross join lateral (select * from conversations x where x.conversation_id = p.conversation_id limit 1) c
    where me.last_seq is null and (c.user_a is null or (
      not c.closed and (select true from users where user_id = c.user_a) and (select true from users where user_id = c.user_b)))`;
  return rows.map(({ user, conversation, other, channel }) => ({
    user,
    conversation,
    target: other === null ? { conversation, channel: channel === true } : { user: other },
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

/** How far a conversation of a user goes, as far as they may see it. */
export interface End extends Position {
  /** Whether it is a group, or a channel. */
  grouped?: boolean;
  /** Bits of schemas/size.ts; undefined: none. */
  size?: number;
  /** Its last change, and when that was stored, in milliseconds since 1970; undefined where there is none, or it isn't for them. */
  change?: number | undefined;
  changedAt?: number | undefined;
}

/** Who is in a conversation that isn't one of two, at this moment. */
export async function rosterOf(
  sql: Sql,
  conversation: number,
): Promise<{ version: number; members: number[]; channel: boolean } | undefined> {
  const [row] = await sql<{ version: number; members: string; channel: boolean | null }[]>`
    select version, (select kind = 'channel' from groups g where g.conversation_id = c.conversation_id) as channel, array(select x.user_id from members x
      where x.conversation_id = c.conversation_id and x.last_seq is null)::text as members
    from conversations c where c.conversation_id = ${conversation} and c.user_a is null`;
  return row && { ...row, members: parseNumbers(row.members), channel: row.channel === true };
}

/** The last change of the conversation of a member `m`, for who is in it. */
export const lastChange = (sql: Sql) => sql`left join lateral (
    select change, at from changes x where x.conversation_id = m.conversation_id order by change desc limit 1
  ) h on m.last_seq is null`;

/** Members, and how far their conversations go: where nothing is left, as far as they went. One without a message is left out. */
export const goingTo = (sql: Sql) => sql`members m join lateral (
    select coalesce(
      (select seq from messages x where x.conversation_id = m.conversation_id order by seq desc limit 1),
      (select nullif(first_seq, 1) - 1 from conversations x where x.conversation_id = m.conversation_id)) as seq offset 0
  ) e on e.seq is not null`;

/** What a member's group is, where it is one. */
export const groupOf = (sql: Sql) => sql`left join lateral (
    select members, kind from groups x where m.joined_seq is not null and x.conversation_id = m.conversation_id limit 1
  ) g on true`;

interface Sized {
  members: number | null;
  kind: string | null;
}

/** Bits of schemas/size.ts, of a row with what its group is. */
export const sizeIn = ({ members, kind }: Sized): number =>
  members === null ? 0 : sizeOf(members, kind === 'channel');

/** How far each conversation of a user goes, as far as they may see it; one without a message is left out. */
export async function lastSeqs(sql: Sql, user: number): Promise<End[]> {
  const rows = await sql<
    (Required<Pick<End, 'conversation' | 'seq' | 'grouped'>> &
      Sized & { change: number | null; changed_at: Date | null })[]
  >`
    select m.conversation_id as conversation, least(e.seq, m.last_seq) as seq, m.joined_seq is not null as grouped,
      g.members, g.kind, h.change, h.at as changed_at
    from ${goingTo(sql)} ${groupOf(sql)} ${lastChange(sql)} where m.user_id = ${user}`;
  return rows.map(({ conversation, seq, grouped, change, changed_at, ...group }) => ({
    conversation,
    seq,
    grouped,
    size: sizeIn(group),
    change: change ?? undefined,
    changedAt: changed_at?.getTime(),
  }));
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
 * Moves how far a user has read, which has arrived then, forward only and to the end of what they may see at most. What moves nothing writes
 * nothing, but that it isn't marked as unread any more.
 * @returns where it stands now, and whether that is news, and whether the mark was; undefined if the user isn't a member
 */
export async function markRead(
  sql: Sql,
  user: number,
  conversation: number,
  seq: number,
): Promise<{ read: number; moved: boolean; unmarked: boolean } | undefined> {
  const [row] = await sql<{ read: number; moved: boolean; unmarked: boolean }[]>`
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
    ), unmarked as (
      update settings set unread_from = null
      where user_id = ${user} and conversation_id = ${conversation} and unread_from is not null returning user_id
    )
    select coalesce((select read_seq from moved), read) as read, exists (select from moved) as moved,
      exists (select from unmarked) as unmarked from here`;
  return row;
}

/**
 * How far each user has received and read a conversation, as `to` is told: who has left it hears of nothing past that.
 * @returns in the order given
 */
export async function receiptsOf(
  sql: Sql,
  places: readonly { to: number; user: number; conversation: number }[],
): Promise<{ delivered: number; read: number }[]> {
  return sql<{ delivered: number; read: number }[]>`
    select least(coalesce(c.delivered_seq, 0), t.last_seq) as delivered, least(coalesce(c.read_seq, 0), t.last_seq) as read
    from unnest(${numbers(places.map((place) => place.user))}::bigint[],
      ${numbers(places.map((place) => place.conversation))}::bigint[],
      ${numbers(places.map((place) => place.to))}::bigint[]) with ordinality p(user_id, conversation_id, told, i)
    left join lateral (select last_seq from members x
      where x.user_id = p.told and x.conversation_id = p.conversation_id limit 1) t on true
    left join lateral (select * from cursors x
      where x.user_id = p.user_id and x.conversation_id = p.conversation_id limit 1) c on true
    order by p.i`;
}
