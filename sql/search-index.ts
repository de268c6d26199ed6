import { numbers, parseNumbers, type Sql } from './handle.js';

/** Seconds after which another replica may go on for one that says nothing any more. */
const HELD_SECONDS = 3;
/** Blocks that were changed, of one look. */
const MARKS = 64;

/** A conversation, and a place that it has reached. */
export interface Reached {
  conversation: number;
  end: number;
}

/** A block of which some message was changed. */
interface Mark {
  mark: number;
  conversation: number;
  block: number;
}

/** What there is to do. */
export interface Work {
  /** Whether no other replica is at it. */
  isFree: boolean;
  /** What this look could see. */
  snapshot: string;
  /** Whether there may be more than it found: everything has to be gone through. */
  isPart: boolean;
  /** The last conversation of those gone through; undefined where nothing is left to. */
  swept: number | undefined;
  /** The highest number of a conversation. */
  last: number;
  /** Seconds since the first was stored of what is new. */
  behind: number;
  moved: Reached[];
  marks: Mark[];
}

/**
 * Looks for what isn't in the blocks yet: it finds what an earlier look could not see, in whatever order that was committed. Where
 * another replica is at it, batches aren't read: each replica asks, and what was stored would be read once for each.
 */
export async function lookForWork(sql: Sql, holder: string): Promise<Work> {
  const [row] = await sql<
    [
      {
        is_free: boolean;
        snapshot: string;
        is_part: boolean;
        swept: number | null;
        last: number | null;
        behind: number | null;
        ids: string | null;
        ends: string | null;
        marks: string;
        places: string;
        blocks: string;
      },
    ]
  >`
    with s as materialized (
      select *, held_until < now() or holder = ${holder} as is_free from search_state limit 1
    ), rows as materialized (
      select at, conversations, ends from batches
      where (select is_free from s) and xid >= pg_snapshot_xmax((select snapshot from s))
      union all
      select at, conversations, ends from batches
      where (select is_free from s) and xid = any (array(select pg_snapshot_xip((select snapshot from s))))
    ), marked as materialized (select * from search_marks order by mark limit ${MARKS})
    select s.is_free, s.swept, pg_current_snapshot()::text as snapshot,
      s.snapshot is null or pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax(s.snapshot)
        or (select i.pruned >= pg_snapshot_xmin(s.snapshot) from installation i) as is_part,
      (select conversation_id from conversations order by conversation_id desc limit 1) as last,
      (select extract(epoch from now() - min(at))::float8 from rows) as behind, m.ids, m.ends,
      array(select mark from marked order by mark)::text as marks, array(select conversation_id from marked order by mark)::text as places,
      array(select block from marked order by mark)::text as blocks
    from s cross join (
      select array_agg(id)::text as ids, array_agg(seq)::text as ends
      from (select e.id, max(e.seq) as seq from rows, unnest(conversations, ends) e(id, seq) group by 1) each
    ) m`;
  const [ids, ends] = [row.ids, row.ends].map((text) => parseNumbers(text ?? ''));
  const [places, blocks] = [row.places, row.blocks].map(parseNumbers);
  return {
    isFree: row.is_free,
    snapshot: row.snapshot,
    isPart: row.is_part,
    swept: row.swept ?? undefined,
    last: row.last ?? 0,
    behind: row.behind ?? 0,
    moved: (ids ?? []).map((conversation, i) => ({ conversation, end: ends?.[i] ?? 0 })),
    marks: parseNumbers(row.marks).map((mark, i) => ({
      mark,
      conversation: places?.[i] ?? 0,
      block: blocks?.[i] ?? 0,
    })),
  };
}

/**
 * Takes the work up, unless another replica has.
 * @param afresh the snapshot from which on everything is gone through again; undefined where that isn't needed
 * @returns the turn by which it is done; undefined if another one does it
 */
export async function takeUp(
  sql: Sql,
  holder: string,
  afresh: string | undefined,
): Promise<number | undefined> {
  const [row] = await sql<{ turn: number }[]>`
    update search_state set holder = ${holder}, held_until = now() + make_interval(secs => ${HELD_SECONDS}), turn = turn + 1,
      snapshot = coalesce(${afresh ?? null}::pg_snapshot, snapshot),
      swept = case when ${afresh ?? null}::pg_snapshot is null then swept else 0 end
    where held_until < now() or holder = ${holder} returning turn`;
  return row?.turn;
}

/** Lays the work down. @param swept up to where all are gone through; undefined: all are. What is seen by `snapshot` is done. */
export async function layDown(
  sql: Sql,
  turn: number,
  { snapshot, swept }: { snapshot: string; swept: number | undefined },
): Promise<void> {
  await sql`
    update search_state set held_until = now(), snapshot = ${snapshot}::pg_snapshot, swept = ${swept ?? null}::bigint
    where turn = ${turn}`;
}

/** A message, as far as it is to be found. */
export interface Text {
  conversation: number;
  seq: number;
  msg_id: number;
  from_user_id: number;
  created_at: Date;
  content: string;
}

/** What is searched of a message `m`: what was done to a group has no words. */
const text = (
  sql: Sql,
) => sql`m.conversation_id as conversation, m.seq, m.msg_id, m.from_user_id, m.created_at,
  case when m.kind is null then m.content else '' end as content`;

/** Messages that aren't in a block yet, with those of the last block that isn't full, conversation by conversation, in order. */
export async function textsBehind(
  sql: Sql,
  conversations: readonly Reached[],
  limit: number,
): Promise<Text[]> {
  return sql<Text[]>`
    select ${text(sql)}
    from unnest(${numbers(conversations.map(({ conversation }) => conversation))}::bigint[],
      ${numbers(conversations.map(({ end }) => end))}::bigint[]) with ordinality p(id, seq, i)
    left join lateral (
      select block::bigint, indexed from search_blocks x where x.conversation_id = p.id order by block desc limit 1
    ) b on true
    cross join lateral (
      select * from messages x where x.conversation_id = p.id and p.seq > coalesce(16 * b.block + b.indexed, 0)
        and x.seq > coalesce(16 * (b.block + b.indexed / 16), 0) order by x.seq limit ${limit}
    ) m
    order by p.i, m.seq limit ${limit}`;
}

/** The messages of these blocks, as far as there are such blocks, block by block, in order. */
export async function textsOf(
  sql: Sql,
  blocks: readonly { conversation: number; block: number }[],
): Promise<Text[]> {
  return sql<Text[]>`
    select ${text(sql)}
    from unnest(${numbers(blocks.map(({ conversation }) => conversation))}::bigint[],
      ${numbers(blocks.map(({ block }) => block))}::int[]) with ordinality p(id, block, i)
    cross join lateral (select block from search_blocks x where x.conversation_id = p.id and x.block = p.block limit 1) b
    cross join lateral (
      select * from messages x where x.conversation_id = p.id
        and x.seq > 16 * b.block::bigint and x.seq <= 16 * b.block::bigint + 16 order by x.seq
    ) m
    order by p.i, m.seq`;
}

/** A block to be written. */
export interface Block {
  conversation: number;
  block: number;
  indexed: number;
  size: number;
  firstId: number;
  lastId: number;
  /** Milliseconds since 1970. */
  firstAt: number;
  lastAt: number;
  /** As PostgreSQL reads bits. */
  signs: string;
}

/**
 * Writes blocks, and takes marks away that were there before their texts were read.
 * @returns whether it did: another replica may have taken the work over
 */
export async function putBlocks(
  sql: Sql,
  turn: number,
  blocks: readonly Block[],
  marks: readonly number[],
): Promise<boolean> {
  const of = (value: (block: Block) => number) => numbers(blocks.map(value));
  const rows = await sql`
    with mine as (
      update search_state set held_until = now() + make_interval(secs => ${HELD_SECONDS}) where turn = ${turn} returning turn
    ), put as (
      insert into search_blocks (conversation_id, block, indexed, size, first_id, last_id, first_at, last_at, signs)
      select b.id, b.block, b.indexed, b.size, b.first_id, b.last_id,
        to_timestamp(b.first_at / 1000.0), to_timestamp(b.last_at / 1000.0), b.signs
      from unnest(${of((b) => b.conversation)}::bigint[], ${of((b) => b.block)}::int[], ${of((b) => b.indexed)}::smallint[],
        ${of((b) => b.size)}::smallint[], ${of((b) => b.firstId)}::bigint[], ${of((b) => b.lastId)}::bigint[],
        ${of((b) => b.firstAt)}::bigint[], ${of((b) => b.lastAt)}::bigint[], ${`{${blocks.map((b) => b.signs).join()}}`}::varbit[]
      ) b(id, block, indexed, size, first_id, last_id, first_at, last_at, signs)
      where exists (select from mine)
      on conflict (conversation_id, block) do update set indexed = excluded.indexed, size = excluded.size,
        first_id = excluded.first_id, last_id = excluded.last_id, first_at = excluded.first_at, last_at = excluded.last_at,
        signs = excluded.signs
    ), gone as (
      delete from search_marks where mark = any (${numbers(marks)}::bigint[]) and exists (select from mine)
    )
    select from mine`;
  return rows.length > 0;
}

/** The next conversations of a walk through all of them. */
export async function conversationsAfter(sql: Sql, after: number, limit: number): Promise<Reached[]> {
  return sql<Reached[]>`
    select c.conversation_id as conversation, coalesce((
      select seq from messages m where m.conversation_id = c.conversation_id order by seq desc limit 1
    ), 0) as "end"
    from (select conversation_id from conversations where conversation_id > ${after} order by conversation_id limit ${limit}) c
    order by 1`;
}

/** What part of all conversations is gone through, from 0 to 1. */
export async function reachOf(sql: Sql): Promise<number> {
  const [row] = await sql<[{ swept: number | null; last: number | null }]>`
    select (select swept from search_state) as swept,
      (select conversation_id from conversations order by conversation_id desc limit 1) as last`;
  return reach(row.swept ?? undefined, row.last ?? 0);
}

/** @param swept as in `Work` */
export const reach = (swept: number | undefined, last: number): number =>
  swept === undefined || swept >= last ? 1 : swept / last;
