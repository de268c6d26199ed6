import { type BesideRow, besideOf } from './beside.js';
import { numbers, type Sql } from './handle.js';
import type { Position, StoredMessage } from './messages.js';

/** How far a conversation goes, for who isn't given its messages. */
export interface Head extends Position {
  /** When the message there was stored, in milliseconds since 1970; undefined where it isn't there, or isn't for them. */
  at: number | undefined;
  /** The place of the newest that mentions the user; undefined where that isn't known, or there is none. */
  mention: number | undefined;
}

/** How far each of these conversations goes for a user, as far as they may see it. */
export async function headsOf(sql: Sql, user: number, conversations: readonly number[]): Promise<Head[]> {
  const rows = await sql<(Position & { at: Date | null; mention: number | null })[]>`
    select p.id as conversation, e.seq, (
        select created_at from messages m where m.conversation_id = p.id and m.seq = e.seq
          and m.seq >= me.first_seq and (me.hidden is null or not me.hidden @> m.seq)
      ) as at, (
        select n.seq from (select * from unnest(array[${user}, 0]::bigint[]) u(id)) w
        cross join lateral (
          select x.seq from mentions x
          where x.conversation_id = p.id and x.user_id = w.id and x.seq between me.first_seq and e.seq
            and (me.hidden is null or not me.hidden @> x.seq) and (w.id > 0 or (
              select from_user_id from messages m where m.conversation_id = p.id and m.seq = x.seq) <> ${user})
          order by x.seq desc limit 1
        ) n
        order by n.seq desc limit 1
      ) as mention
    from unnest(${numbers(conversations)}::bigint[]) p(id)
    cross join lateral (
      select first_seq, last_seq, hidden from members x where x.user_id = ${user} and x.conversation_id = p.id limit 1
    ) me
    cross join lateral (
      select least(me.last_seq, (select m.seq from messages m where m.conversation_id = p.id order by m.seq desc limit 1)) as seq
    ) e
    where e.seq is not null`;
  return rows.map(({ at, mention, ...place }) => ({
    ...place,
    at: at?.getTime(),
    mention: mention ?? undefined,
  }));
}

/** A message that mentions somebody. */
export type Mentioning = Pick<StoredMessage, 'from' | 'seq' | 'beside'>;

/** The messages of a conversation that mention somebody, between two places, the first not among them. */
export async function mentioningIn(
  sql: Sql,
  conversation: number,
  after: number,
  upTo: number,
): Promise<Mentioning[]> {
  const rows = await sql<(BesideRow & Pick<Mentioning, 'from' | 'seq'>)[]>`
    select from_user_id as "from", seq, extra from messages
    where conversation_id = ${conversation} and seq > ${after} and seq <= ${upTo} and kind is null and extra is not null order by seq`;
  return rows.map(({ from, seq, ...row }) => ({ from, seq, beside: besideOf(row) }));
}
