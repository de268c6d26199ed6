import { numbers, parseNumbers, type Sql } from './handle.js';
import { isVisible } from './visible.js';

/** What narrows a search down. */
export interface Narrowed {
  user: number;
  conversation?: number | undefined;
  from?: number | undefined;
  /** RFC 3339. */
  before?: string | undefined;
  after?: string | undefined;
}

/** A block in which there may be what is searched. */
export interface Candidate {
  conversation: number;
  block: number;
  lastId: number;
}

/** What was found in a range of numbers of messages. */
export interface Scan {
  /** The range: up to the one below `high`. */
  low: number;
  high: number;
  /** Blocks that were looked at. */
  read: number;
  candidates: Candidate[];
  /** When the first and the last message of them were stored. */
  oldest: Date | null;
  newest: Date | null;
}

/** Numbers of members' conversations are all that is read of others: nothing here depends on what others have. */
const narrowed = (sql: Sql, { user, conversation }: Narrowed) => sql`
  select conversation_id from members where user_id = ${user}
    and (${conversation ?? null}::bigint is null or conversation_id = ${conversation ?? null}::bigint)`;

/**
 * Looks at the blocks of a user's conversations in a range of numbers of messages.
 * @param wanted what a block has to have (plugins/search/signs.ts)
 * @param high above the range; undefined: above all
 */
export async function scanBlocks(
  sql: Sql,
  by: Narrowed,
  { bits, probes }: { bits: readonly (string | null)[]; probes: readonly [number, number, number] },
  high: number | undefined,
  width: number,
): Promise<Scan> {
  const has = (i: 0 | 1 | 2) => sql`get_bit(b.signs, ${probes[i]}::int & ((1 << b.size) - 1)) = 1`;
  const [row] = await sql<
    [
      {
        low: number;
        high: number;
        read: number;
        ids: string | null;
        blocks: string | null;
        last_ids: string | null;
        oldest: Date | null;
        newest: Date | null;
      },
    ]
  >`
    with bounds as materialized (
      select high, greatest(high - ${width}::bigint, 1) as low
      from (select coalesce(${high ?? null}::bigint, (select last_value + 1 from message_ids)) as high) top
    ), w as materialized (
      select ${`{${bits.map((of) => of ?? 'null').join()}}`}::varbit[] as bits
    ), mine as materialized (${narrowed(sql, by)}), looked as (
      select b.conversation_id, b.block, b.last_id, b.first_at, b.last_at,
        ${has(0)} and ${has(1)} and ${has(2)} and (b.signs & w.bits[b.size]) = w.bits[b.size]
          and (${by.before ?? null}::timestamptz is null or b.first_at < ${by.before ?? null}::timestamptz)
          and (${by.after ?? null}::timestamptz is null or b.last_at >= ${by.after ?? null}::timestamptz) as fits
      from mine cross join bounds cross join w cross join lateral (
        (select * from search_blocks x where x.conversation_id = mine.conversation_id
          and x.first_id >= bounds.low and x.first_id < bounds.high)
        union all
        (select * from search_blocks x where x.conversation_id = mine.conversation_id
          and x.first_id < bounds.low order by x.first_id desc limit 1)
      ) b
      where b.last_id >= bounds.low
    )
    select (select low from bounds) as low, (select high from bounds) as high, count(*) as read,
      array_agg(conversation_id) filter (where fits)::text as ids, array_agg(block) filter (where fits)::text as blocks,
      array_agg(last_id) filter (where fits)::text as last_ids, min(first_at) as oldest, max(last_at) as newest
    from looked`;
  const [ids = [], blocks, lastIds] = [row.ids, row.blocks, row.last_ids].map((text) =>
    parseNumbers(text ?? ''),
  );
  return {
    ...row,
    candidates: ids.map((conversation, i) => ({
      conversation,
      block: blocks?.[i] ?? 0,
      lastId: lastIds?.[i] ?? 0,
    })),
  };
}

/** A text that is to be compared. */
export interface Read {
  conversation: number;
  seq: number;
  msgId: number;
  content: string;
}

/**
 * The texts of some blocks that a user may see, in a range of numbers of messages, in no order. They are many, and most are of no use:
 * so they come in one row.
 */
export async function readBlocks(
  sql: Sql,
  { user, from, before, after }: Narrowed,
  { low, high }: Pick<Scan, 'low' | 'high'>,
  blocks: readonly Candidate[],
): Promise<Read[]> {
  const [row] = await sql<[{ ids: string | null; seqs: string; numbers: string; texts: string | null }]>`
    select array_agg(m.conversation_id)::text as ids, array_agg(m.seq)::text as seqs, array_agg(m.msg_id)::text as numbers,
      json_agg(m.content)::text as texts
    from unnest(${numbers(blocks.map(({ conversation }) => conversation))}::bigint[],
      ${numbers(blocks.map(({ block }) => block))}::bigint[]) p(id, block)
    cross join lateral (select * from conversations x where x.conversation_id = p.id limit 1) c
    cross join lateral (select * from members x where x.user_id = ${user} and x.conversation_id = p.id limit 1) me
    cross join lateral (
      -- By the block alone, whatever else is known of its messages: else more of the conversation is read.
      select * from messages x where x.conversation_id = p.id and x.seq > 16 * p.block and x.seq <= 16 * p.block + 16 offset 0
    ) m
    where m.seq >= c.first_seq and ${isVisible(sql)} and m.kind is null and m.content <> ''
      and m.msg_id >= ${low} and m.msg_id < ${high}
      and (${from ?? null}::bigint is null or m.from_user_id = ${from ?? null}::bigint)
      and (${before ?? null}::timestamptz is null or m.created_at < ${before ?? null}::timestamptz)
      and (${after ?? null}::timestamptz is null or m.created_at >= ${after ?? null}::timestamptz)`;
  if (row.ids === null || row.texts === null) return [];
  const texts: string[] = JSON.parse(row.texts);
  const [ids, seqs, msgIds] = [row.ids, row.seqs, row.numbers].map(parseNumbers);
  return texts.map((content, i) => ({
    conversation: ids?.[i] ?? 0,
    seq: seqs?.[i] ?? 0,
    msgId: msgIds?.[i] ?? 0,
    content,
  }));
}

/** Who wrote a message, to whom where it is one of two, and when. */
export interface Told {
  msg_id: number;
  from_user_id: number;
  to_user_id: number | null;
  created_at: Date;
}

/** What is told of these messages, as far as a user may see them, in no order. */
export async function tellOf(sql: Sql, user: number, found: readonly Read[]): Promise<Told[]> {
  return sql<Told[]>`
    select m.msg_id, m.from_user_id, c.user_a + c.user_b - m.from_user_id as to_user_id, m.created_at
    from unnest(${numbers(found.map(({ conversation }) => conversation))}::bigint[],
      ${numbers(found.map(({ seq }) => seq))}::bigint[]) p(id, seq)
    cross join lateral (select * from conversations x where x.conversation_id = p.id limit 1) c
    cross join lateral (select * from members x where x.user_id = ${user} and x.conversation_id = p.id limit 1) me
    cross join lateral (select * from messages x where x.conversation_id = p.id and x.seq = p.seq limit 1) m
    where ${isVisible(sql)}`;
}

/** A group that a user is in, and what it is called. */
export interface Titled {
  conversation_id: number;
  kind: 'group' | 'channel';
  title: string;
}

/** The groups and channels that a user is in. */
export async function titlesOf(sql: Sql, user: number, atMost: number): Promise<Titled[]> {
  return sql<Titled[]>`
    select g.conversation_id, g.kind, g.title
    from (select * from members x where x.user_id = ${user} and x.joined_seq is not null and x.last_seq is null
      order by x.joined_seq desc limit ${atMost}) me
    cross join lateral (select * from groups x where x.conversation_id = me.conversation_id limit 1) g`;
}
