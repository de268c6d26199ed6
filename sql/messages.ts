import type postgres from 'postgres';
import type { GroupEvent } from '../schemas/group.js';
import { CHANGES } from '../schemas/limits.js';
import type { Reaction } from '../schemas/message.js';
import { type Beside, type BesideRow, besideOf } from './beside.js';
import { numbers, numbersOrNull, parseNumbers, type Sql, strings } from './handle.js';

/** Whom something is said to: a user, or those in a conversation that isn't one of two, as far as it is known a channel. */
export type Target = { user: number } | { conversation: number; channel?: boolean };

/** A message to store. */
export interface NewMessage {
  from: number;
  target: Target;
  clientId: string;
  content: string;
  beside?: Beside | undefined;
}

/** A message that is in the log. `createdAt` in milliseconds since 1970. */
export interface StoredMessage {
  conversation: number;
  seq: number;
  msgId: number;
  from: number;
  /** Between two, whom it is to, who may be the sender; undefined in any other conversation. */
  to: number | undefined;
  clientId: string;
  content: string;
  /** What it has beside its text. */
  beside?: Beside | undefined;
  /** What was done to a group, which has no content. */
  event?: GroupEvent;
  createdAt: number;
  /** Bits of schemas/size.ts, of its conversation; undefined: none, or not known here. */
  size?: number;
  /** What has become of it since; all is absent of one that never changed. */
  change?: number;
  /** Milliseconds since 1970. */
  editedAt?: number;
  deleted?: true;
  reactions?: Reaction[];
  pinned?: true;
}

/** The columns of a message that is as it was stored, and of one that has changed. */
export interface MessageRow extends BesideRow, Partial<ChangeRow> {
  conversation_id: number;
  seq: number;
  msg_id: number;
  from_user_id: number;
  to_user_id: number | null;
  created_at: Date;
  client_id: string;
  content: string;
  event?: GroupEvent | null;
}

/** The columns of what has become of a message. */
export interface ChangeRow {
  change: number | null;
  edited_at: Date | null;
  is_deleted: boolean;
  reactions: (Omit<Reaction, 'mine'> & { mine: boolean | null })[] | null;
  pinned: boolean | null;
}

/** Who is in a conversation of two users, or of one with oneself. */
export const membersOf = (one: number, other: number): readonly number[] =>
  one === other ? [one] : [one, other];

export const toStored = (row: MessageRow): StoredMessage => ({
  conversation: row.conversation_id,
  seq: row.seq,
  msgId: row.msg_id,
  from: row.from_user_id,
  to: row.to_user_id ?? undefined,
  clientId: row.client_id,
  content: row.content,
  beside: besideOf(row),
  ...(row.event && { event: row.event }),
  createdAt: row.created_at.getTime(),
  // What was edited after the reader had left is deleted to them, by no change: whoever returns takes the state that it has.
  ...(row.change ? changeOf(row, row.change) : row.is_deleted && { deleted: true as const }),
});

/** @param change the last */
export const changeOf = (
  row: Partial<ChangeRow>,
  change: number,
): Pick<StoredMessage, 'change' | 'editedAt' | 'deleted' | 'reactions' | 'pinned'> => ({
  change,
  ...(row.edited_at && { editedAt: row.edited_at.getTime() }),
  ...(row.is_deleted && { deleted: true }),
  ...(row.reactions && {
    reactions: row.reactions.map(({ mine, ...kind }) => ({ ...kind, ...(mine && { mine }) })),
  }),
  ...(row.pinned && { pinned: true }),
});

/** Which of the given messages are stored already, by conversation, sender and id, as they were stored then. */
export async function findStored(
  sql: Sql,
  messages: readonly NewMessage[],
): Promise<(StoredMessage & { members: readonly number[] })[]> {
  const users = messages.map(({ target }) => ('user' in target ? target.user : undefined));
  const named = messages.map(({ target }) => ('conversation' in target ? target.conversation : undefined));
  const rows = await sql<(MessageRow & { members: string | null })[]>`
    select m.conversation_id, m.seq, m.msg_id, m.from_user_id, i.to_user_id,
      m.created_at, m.client_id, m.content, m.reply_to, ${changeColumns(sql, undefined)},
      case when m.kind is null then m.extra end as extra, case when i.to_user_id is null then array(
        select x.user_id from members x where x.conversation_id = m.conversation_id and x.last_seq is null)::text end as members
    from unnest(${numbers(messages.map((message) => message.from))}::bigint[],
      ${numbersOrNull(users)}::bigint[], ${numbersOrNull(named)}::bigint[],
      ${strings(messages.map((message) => message.clientId))}::text[]) i(from_user_id, to_user_id, conversation_id, client_id)
    cross join lateral (select * from messages x
      where x.conversation_id = coalesce((select conversation_id from conversations c
        where c.conversation_id = i.conversation_id and c.user_a is null), (select conversation_id from conversations c
        where c.user_a = least(i.from_user_id, i.to_user_id) and c.user_b = greatest(i.from_user_id, i.to_user_id)))
        and x.from_user_id = i.from_user_id and x.client_id = i.client_id limit 1) m
    order by m.conversation_id, m.seq`;
  return rows.map((row) => ({
    ...toStored(row),
    members:
      row.members === null
        ? membersOf(row.from_user_id, row.to_user_id ?? row.from_user_id)
        : parseNumbers(row.members),
  }));
}

/** A place in a conversation: everything up to `seq` is held. */
export interface Position {
  conversation: number;
  seq: number;
}

/** A part of a statement. */
type Fragment = postgres.PendingQuery<postgres.Row[]>;

/** When a message `m` was edited last. */
const editedAt = (sql: Sql) => sql`(
        select e.at from changes e where e.conversation_id = m.conversation_id and e.change = m.edited)`;

/** Whether a message `m` was edited after `me` had left: how it is now isn't for them. */
const isLater = (sql: Sql) => sql`(me.last_seq is not null and m.edited is not null and ${editedAt(sql)} > (
        select l.created_at from messages l where l.conversation_id = m.conversation_id and l.seq = me.last_seq))`;

/**
 * The columns of a message `m` that people are given.
 * @param user who is, as `me` of `members`; undefined: several
 */
export const columns = (
  sql: Sql,
  user: number | Fragment | undefined,
) => sql`m.conversation_id, m.seq, m.msg_id, m.from_user_id, m.created_at, m.client_id,
      ${user === undefined ? sql`m.content` : sql`case when ${isLater(sql)} then '' else m.content end as content`},
      m.reply_to, case when m.kind is null then m.extra end as extra, case when m.kind = 'event' then m.extra end as event,
      ${changeColumns(sql, user, user === undefined ? undefined : sql`${isLater(sql)}`)}`;

/** Those of what has become of it. @param later whether that isn't for the user: to them it is gone */
export const changeColumns = (
  sql: Sql,
  user: number | Fragment | undefined,
  later: Fragment | undefined = undefined,
) => sql`${later ? sql`case when not coalesce(${later}, false) then m.change end as change` : sql`m.change`}, case when m.edited is not null then ${editedAt(sql)} end as edited_at, coalesce(m.kind = 'deleted', false) ${later ? sql`or ${later}` : sql``} as is_deleted,
      case when m.change is not null then exists (
        select from pins where pins.conversation_id = m.conversation_id and pins.seq = m.seq) end as pinned,
      case when m.change is not null then (
        select json_agg(json_build_object('emoji', k.emoji, 'count', k.count, 'users', k.users, 'mine', k.mine)
          order by k.first, k.emoji)
        from (
          select r.emoji, count(*) as count, min(r.at) as first, bool_or(r.user_id = ${user ?? null}::bigint) as mine,
            (array_agg(r.user_id order by r.at, r.user_id))[1:${CHANGES.named}::int] as users
          from reactions r where r.conversation_id = m.conversation_id and r.seq = m.seq group by r.emoji
        ) k
      ) end as reactions`;

/**
 * When the messages at these places were stored, in milliseconds since 1970.
 * @returns in the order given; undefined where there is none that the user may see
 */
export async function timesOf(
  sql: Sql,
  user: number,
  places: readonly Position[],
): Promise<(number | undefined)[]> {
  const rows = await sql<{ at: Date | null }[]>`
    select (select created_at from messages m where m.conversation_id = p.conversation_id and m.seq = p.seq and (
        select m.seq between me.first_seq and coalesce(me.last_seq, m.seq) and (me.hidden is null or not me.hidden @> m.seq)
        from members me where me.user_id = ${user} and me.conversation_id = p.conversation_id)) as at
    from unnest(${numbers(places.map((place) => place.conversation))}::bigint[],
      ${numbers(places.map((place) => place.seq))}::bigint[]) with ordinality p(conversation_id, seq, i)
    order by p.i`;
  return rows.map(({ at }) => at?.getTime());
}

/** Whom a message of a conversation `c` is to, where that is one of two and a user of it asks. */
export const toUser = (sql: Sql, user: number) =>
  sql`case when m.from_user_id <> ${user} and c.user_a is not null then ${user} else c.user_a + c.user_b - ${user} end`;

/**
 * A page of a conversation's history, oldest first, as far as a user may see it.
 * @param page `before`: below that `seq`, the nearest; `after`: above it; neither: the newest
 */
export async function readHistory(
  sql: Sql,
  user: number,
  conversation: number,
  page: { before?: number | undefined; after?: number | undefined; limit: number },
): Promise<StoredMessage[]> {
  const forward = page.after !== undefined;
  const rows = await sql<MessageRow[]>`
    select ${columns(sql, user)}, ${toUser(sql, user)} as to_user_id
    from messages m join conversations c using (conversation_id)
    join members me on me.user_id = ${user} and me.conversation_id = m.conversation_id
    where m.conversation_id = ${conversation}
      and m.seq > greatest(${page.after ?? 0},
        (select first_seq - 1 from conversations x where x.conversation_id = ${conversation}),
        (select first_seq - 1 from members me where me.user_id = ${user} and me.conversation_id = ${conversation}))
      and m.seq < least(${page.before ?? Number.MAX_SAFE_INTEGER}, (select last_seq + 1 from members me
        where me.user_id = ${user} and me.conversation_id = ${conversation}))
      and not coalesce((select hidden from members me where me.user_id = ${user} and me.conversation_id = ${conversation}) @> m.seq, false)
    order by m.seq ${forward ? sql`asc` : sql`desc`} limit ${page.limit}`;
  const messages = rows.map(toStored);
  return forward ? messages : messages.reverse();
}

/** Where the last page of a conversation begins. */
export interface LastPage extends Position {
  /** When the message there was stored, in milliseconds since 1970; undefined where that isn't there, or isn't for them. */
  at: number | undefined;
}

/**
 * Where the last page of each of these conversations begins for a user, as far as they may see it: what follows is that page.
 * @param rows of it
 */
export async function lastPages(
  sql: Sql,
  user: number,
  conversations: readonly number[],
  rows: number,
): Promise<LastPage[]> {
  const found = await sql<(Position & { at: Date | null })[]>`
    select p.id as conversation, l.seq, (
        select created_at from messages m where m.conversation_id = p.id and m.seq = l.seq
          and m.seq >= me.first_seq and (me.hidden is null or not me.hidden @> m.seq)
      ) as at
    from unnest(${numbers(conversations)}::bigint[]) p(id)
    cross join lateral (
      select first_seq, last_seq, hidden from members x where x.user_id = ${user} and x.conversation_id = p.id limit 1
    ) me
    cross join lateral (
      select coalesce((select min(page.seq) from (
          select m.seq from messages m where m.conversation_id = p.id and m.seq >= me.first_seq
            and m.seq <= coalesce(me.last_seq, ${Number.MAX_SAFE_INTEGER}) and (me.hidden is null or not me.hidden @> m.seq)
          order by m.seq desc limit ${rows}
        ) page) - 1, me.first_seq - 1) as seq
    ) l`;
  return found.map(({ at, ...place }) => ({ ...place, at: at?.getTime() }));
}
