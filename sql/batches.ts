import { sizeOf } from '../schemas/size.js';
import { millis, numbers, parseNumbers, type Sql } from './handle.js';

/** A conversation that was appended to. */
export interface Moved {
  conversation: number;
  /** The place of its last message, then. */
  end: number;
  /** The last change of one of its messages, of those that were stored; 0: none was. */
  change: number;
  members: readonly number[];
  /** Whether it isn't one of two. */
  many: boolean;
  /** Bits of schemas/size.ts. */
  size: number;
  /** When its last message was stored, in milliseconds since 1970; undefined in one of two. */
  at: number | undefined;
}

/** What a look at the batches found. */
export interface Look {
  /** What this look could see: where the next one goes on. */
  snapshot: string;
  /** Whether there may be more than it found: rows are gone that the look before hadn't seen, or numbers are drawn again. */
  isPart: boolean;
  /** Whether transactions are undone that were over when an earlier look was. */
  isUndone: boolean;
  moved: Moved[];
}

/**
 * What was appended since a look before. Batches commit in another order than they begin: so what that look could not see is
 * read, whatever its number, and nothing is missed, however late it commits.
 * @param since the `snapshot` of that look; undefined for the first one, before which anything may have come
 * @param settled that of an earlier one: what was over then is known to every standby that loses nothing
 * @param own transactions whose batches needn't be read
 */
export async function lookAtBatches(
  sql: Sql,
  since: string | undefined,
  settled: string | undefined,
  own: readonly number[],
): Promise<Look> {
  if (since === undefined) {
    const [row] = await sql<[{ snapshot: string }]>`select pg_current_snapshot()::text as snapshot`;
    return { snapshot: row.snapshot, isPart: true, isUndone: false, moved: [] };
  }
  const known = numbers(own.toSorted((a, b) => a - b));
  const [row] = await sql<
    [
      {
        snapshot: string;
        is_part: boolean;
        is_undone: boolean;
        ids: string | null;
        ends: string | null;
        changes: string | null;
        a: string | null;
        b: string | null;
        rosters: string | null;
        channels: string | null;
        times: string | null;
        left_ids: string | null;
        left_ends: string | null;
        left_users: string | null;
      },
    ]
  >`
    with rows as materialized (
      select conversations, ends, changes from (
        select * from batches where xid >= pg_snapshot_xmax(${since}::pg_snapshot)
        union all
        select * from batches where xid = any (array(select pg_snapshot_xip(${since}::pg_snapshot)))
      ) b
      where (${known}::xid8[])[width_bucket(b.xid, ${known}::xid8[])] is distinct from b.xid
    ), moved as materialized (
      select e.id, max(e.seq) as seq, min(e.seq) as first, coalesce(max(e.change), 0) as change
      from rows, unnest(conversations, ends, changes) e(id, seq, change) group by 1
    ), gone as materialized (
      -- Whoever left by one of these: what they see ends with it.
      select x.conversation_id, x.last_seq, x.user_id from moved m
      cross join lateral (
        select * from members x where x.conversation_id = m.id and x.last_seq between m.first and m.seq and x.joined_seq is not null
      ) x
    )
    select pg_current_snapshot()::text as snapshot,
      pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax(${since}::pg_snapshot)
        or (select i.pruned >= pg_snapshot_xmin(${since}::pg_snapshot) from installation i) as is_part,
      pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax(${settled ?? since}::pg_snapshot) as is_undone,
      array_agg(m.id)::text as ids, array_agg(m.seq)::text as ends, array_agg(m.change)::text as changes,
      array_agg(c.user_a)::text as a, array_agg(c.user_b)::text as b, json_agg(array(
        select x.user_id from members x where x.conversation_id = m.id and x.last_seq is null
      )) filter (where c.user_a is null)::text as rosters,
      array_agg((select g.conversation_id from groups g where g.conversation_id = m.id and g.kind = 'channel'))
        filter (where c.user_a is null)::text as channels,
      array_agg((select ${millis(sql, sql`x.created_at`)} from messages x
        where x.conversation_id = m.id and x.seq = m.seq)) filter (where c.user_a is null)::text as times,
      (select array_agg(conversation_id)::text from gone) as left_ids, (select array_agg(last_seq)::text from gone) as left_ends,
      (select array_agg(user_id)::text from gone) as left_users
    from moved m cross join lateral (
      select user_a, user_b from conversations x where x.conversation_id = m.id limit 1
    ) c`;
  const [ids, ends, changes, a, b] = [row.ids, row.ends, row.changes, row.a, row.b].map((text) =>
    parseNumbers(text ?? ''),
  );
  // In the order of those conversations that have one: NULL, for users that it doesn't name, is read as NaN.
  const rosters: number[][] = JSON.parse(row.rosters ?? '[]');
  const [channels, times] = [row.channels, row.times].map((text) => parseNumbers(text ?? '').values());
  const next = rosters.values();
  const moved = (ids ?? []).map((conversation, i): Moved => {
    const [one, other] = [a?.[i] ?? 0, b?.[i] ?? 0];
    const place = { conversation, end: ends?.[i] ?? 0, change: changes?.[i] ?? 0 };
    if (!Number.isNaN(one) && !Number.isNaN(other)) return pairOf(place, one, other);
    const members = next.next().value ?? [];
    const size = sizeOf(members.length, channels?.next().value === conversation);
    const at = times?.next().value;
    return { ...place, members, many: true, size, at: Number.isNaN(at) ? undefined : at };
  });
  const [leftIds, leftEnds, leftUsers] = [row.left_ids, row.left_ends, row.left_users].map((text) =>
    parseNumbers(text ?? ''),
  );
  const sizes = new Map(moved.map(({ conversation, size }) => [conversation, size]));
  for (const [i, conversation] of (leftIds ?? []).entries()) {
    const size = sizes.get(conversation) ?? 0;
    const members = [leftUsers?.[i] ?? 0];
    const end = leftEnds?.[i] ?? 0;
    moved.push({ conversation, end, change: 0, members, many: true, size, at: undefined });
  }
  return { snapshot: row.snapshot, isPart: row.is_part, isUndone: row.is_undone, moved };
}

/** Of two. Each replica makes one for each conversation: a spread and a `some` here took nine tenths of what a look costs it. */
const pairOf = (
  { conversation, end, change }: Pick<Moved, 'conversation' | 'end' | 'change'>,
  one: number,
  other: number,
): Moved => ({
  conversation,
  end,
  change,
  members: one === other ? [one] : [one, other],
  many: false,
  size: 0,
  at: undefined,
});

/**
 * Deletes rows that are older than every look, some at a time, and notes up to where.
 * @returns whether there may be more of them
 */
export async function pruneBatches(sql: Sql, minutes: number, atMost: number): Promise<boolean> {
  const [row] = await sql<[{ gone: number }]>`
    with gone as (
      delete from batches where ctid = any (array(
        select ctid from (select ctid, at from batches order by xid limit ${atMost}) oldest
        where at < now() - make_interval(mins => ${minutes})))
      returning xid
    ), noted as (
      update installation set pruned = (select xid from gone order by xid desc limit 1)
      where pruned < (select xid from gone order by xid desc limit 1)
    )
    select count(*) as gone from gone`;
  return row.gone === atMost;
}

/** Forgets batches that another cluster numbered: a dump brought them here, where those numbers are still to come. */
export async function forgetForeignBatches(sql: Sql): Promise<void> {
  await sql`delete from batches where xid >= pg_snapshot_xmax(pg_current_snapshot())`;
  await sql`update installation set pruned = '0' where pruned >= pg_snapshot_xmax(pg_current_snapshot())`;
}
