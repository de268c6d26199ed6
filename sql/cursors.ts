import { numbers, numbersOrNull, parseNumbers, type Sql } from './handle.js';
import type { StoredMessage } from './messages.js';
import { packed, unpacked } from './packed.js';

/** How far a client of a user has come in a conversation; what isn't said hasn't moved. */
export interface Move {
  user: number;
  conversation: number;
  /** A client has everything up to there. */
  delivered?: number | undefined;
  /** The plain client has everything that it was pushed, up to there. */
  pushed?: number | undefined;
  /** The plain client has everything that waited for it, up to there. */
  fetched?: number | undefined;
}

/**
 * Moves cursors, forward only. Where something waits for a plain client, that has everything up to there.
 * @param moves no two of one user and conversation
 * @returns those that have moved
 */
export async function moveCursors(
  sql: Sql,
  moves: readonly Move[],
): Promise<{ user: number; conversation: number }[]> {
  // In order, so that replicas that move the same don't lock each other out.
  const sorted = [...moves].sort((x, y) => x.user - y.user || x.conversation - y.conversation);
  return sql<{ user: number; conversation: number }[]>`
    with said as materialized (
      select * from unnest(${numbers(sorted.map((move) => move.user))}::bigint[],
        ${numbers(sorted.map((move) => move.conversation))}::bigint[],
        ${numbersOrNull(sorted.map((move) => move.delivered))}::bigint[], ${numbersOrNull(sorted.map((move) => move.pushed))}::bigint[],
        ${numbersOrNull(sorted.map((move) => move.fetched))}::bigint[]) s(user_id, conversation_id, delivered, pushed, fetched)
    ), cut as (
      update plain_gaps g set first_seq = s.fetched + 1 from said s
      where s.fetched is not null
        and g.user_id = s.user_id and g.conversation_id = s.conversation_id and s.fetched between g.first_seq and g.last_seq - 1
    ), over as (
      delete from plain_gaps g using said s
      where s.fetched is not null
        and g.user_id = s.user_id and g.conversation_id = s.conversation_id and g.last_seq <= s.fetched
    ), far as materialized (
      select s.user_id, s.conversation_id, s.pushed, c.delivered_seq, c.plain_seq, greatest(s.delivered, case
        when s.pushed is not null or s.fetched is not null then coalesce((
            select min(greatest(g.first_seq, coalesce(s.fetched + 1, 0))) - 1 from plain_gaps g
            where g.user_id = s.user_id and g.conversation_id = s.conversation_id and g.last_seq > coalesce(s.fetched, 0)
          ), greatest(s.pushed, c.plain_seq)) end, 0) as delivered
      from said s left join lateral (select * from cursors x
        where x.user_id = s.user_id and x.conversation_id = s.conversation_id limit 1) c on true
    )
    insert into cursors (user_id, conversation_id, delivered_seq, plain_seq)
    -- A row that stays as it is would be locked all the same, which is a write.
    select user_id, conversation_id, delivered, pushed from far
    where delivered > coalesce(delivered_seq, 0) or pushed > coalesce(plain_seq, 0) order by 1, 2
    on conflict (user_id, conversation_id) do update
      set delivered_seq = greatest(cursors.delivered_seq, excluded.delivered_seq),
        plain_seq = greatest(cursors.plain_seq, excluded.plain_seq)
      where excluded.delivered_seq > cursors.delivered_seq or excluded.plain_seq > coalesce(cursors.plain_seq, 0)
    returning user_id as "user", conversation_id as conversation`;
}

/** A plain connection that begins. */
export interface Beginning {
  user: number;
  number: number;
  /** The last `msg_id` when it knocked. */
  line: number;
}

/** Where a plain connection begins. */
export interface Begun {
  /** By conversation: what comes after that is pushed. */
  places: Map<number, number>;
  /** Whether something has come already. */
  isPast: boolean;
}

/**
 * Begins plain connections, of each user one: what was stored before they knocked waits for `get_offline`, what comes after is
 * pushed (sql/migrations/0006_begin_plain.sql). One whose user has a newer connection begins nothing.
 * @returns by user; left out is whose newer connection has begun
 */
export async function beginPlain(sql: Sql, beginnings: readonly Beginning[]): Promise<Map<number, Begun>> {
  const sorted = [...beginnings].sort((x, y) => x.user - y.user);
  const rows = await sql<{ user_id: number; ids: string; places: string; is_past: boolean }[]>`
    select user_id, ids::text, places::text, is_past from begin_plain_1(
      ${numbers(sorted.map(({ user }) => user))}::bigint[], ${numbers(sorted.map(({ number }) => number))}::bigint[],
      ${numbers(sorted.map(({ line }) => line))}::bigint[])`;
  return new Map(
    rows.map(({ user_id, ids, places, is_past }) => {
      const seqs = parseNumbers(places);
      return [
        user_id,
        { places: new Map(parseNumbers(ids).map((id, i) => [id, seqs[i] ?? 0])), isPast: is_past },
      ];
    }),
  );
}

/** A page of what waits for a plain client, oldest first. */
export interface Waiting {
  messages: StoredMessage[];
  /** Whether more waits. */
  more: boolean;
}

/** Rows of each range at least that a page looks at. */
const FEW = 2;

/**
 * What waits for a user's plain client. Of each range a few rows are looked at; of those that may go on before the page's end more,
 * most of the one that begins first; and all is given up to where one of these is cut off again. So a page costs what it gives, however
 * much waits.
 * @param places where its connection began: what a newer one has made wait past them, this one is pushed
 * @param given how far the client was given each conversation already
 * @param limit rows at most
 * @param bytes of content at most, though always one row
 */
export async function readWaiting(
  sql: Sql,
  user: number,
  places: ReadonlyMap<number, number>,
  given: ReadonlyMap<number, number>,
  limit: number,
  bytes: number,
): Promise<Waiting> {
  const sorted = [...places].sort(([a], [b]) => a - b);
  const ids = numbers(sorted.map(([id]) => id));
  const afters = numbers(sorted.map(([id]) => given.get(id) ?? 0));
  const ends = numbers(sorted.map(([, seq]) => seq));
  /** The first rows of a range: of others, but in the conversation with oneself. */
  const some = sql`
    select seq, msg_id from messages x where x.conversation_id = g.conversation_id and x.seq between g.first_seq and g.last_seq
      and (x.from_user_id <> ${user}
        or x.conversation_id = (select conversation_id from conversations where user_a = ${user} and user_b = ${user}))
    order by x.seq limit g.rows`;
  const page = sql`
    select conversation_id, seq, msg_id, from_user_id, ${user}::bigint as to_user_id, created_at, client_id, content,
      null::bigint as reply_to, null::jsonb as extra, null::jsonb as event, change, null::timestamptz as edited_at,
      kind = 'deleted' as is_deleted, null::boolean as pinned, null::json as reactions
    from known where place <= ${limit} and before < ${bytes} order by msg_id`;
  const [row] = await sql<[{ page: string | null; more: boolean }]>`
    with gaps as materialized (
      select *, least(${limit} + 1, greatest(${FEW}, 2 * ${limit} / count(*) over ())) as rows from (
        select g.conversation_id, greatest(g.first_seq, (${afters}::bigint[])[p.place] + 1) as first_seq,
          least(g.last_seq, (${ends}::bigint[])[p.place]) as last_seq
        from plain_gaps g
        cross join lateral (select width_bucket(g.conversation_id, ${ids}::bigint[]) as place) p
        where g.user_id = ${user} and (${ids}::bigint[])[p.place] = g.conversation_id
      ) g
      where first_seq <= last_seq
    ), near as materialized (
      select g.conversation_id, g.last_seq, g.rows, m.seq, m.msg_id from gaps g cross join lateral (${some}) m
    ), open as materialized (
      select conversation_id, last_seq, max(seq) + 1 as first_seq,
        greatest(${FEW}, ${limit} / row_number() over (order by min(msg_id))) as rows
      from near group by conversation_id, last_seq, rows
      having count(*) = rows and max(msg_id) < coalesce((
        select msg_id from near order by msg_id offset ${limit} limit 1), ${Number.MAX_SAFE_INTEGER})
    ), far as materialized (
      select g.conversation_id, g.last_seq, g.rows, m.seq, m.msg_id from open g cross join lateral (${some}) m
    ), cut as materialized (
      select min(last_id) as id from (
        select max(msg_id) as last_id from far group by conversation_id, last_seq, rows having count(*) = rows
      ) each_cut
    ), known as materialized (
      select m.*, row_number() over (order by m.msg_id) as place,
        sum(octet_length(m.content)) over (order by m.msg_id) - octet_length(m.content) as before
      from (
        select conversation_id, seq
        from (select conversation_id, seq, msg_id from near union all select conversation_id, seq, msg_id from far) page
        where msg_id <= coalesce((select id from cut), ${Number.MAX_SAFE_INTEGER})
        order by msg_id limit ${limit} + 1
      ) p
      cross join lateral (
        select * from messages x where x.conversation_id = p.conversation_id and x.seq = p.seq limit 1
      ) m
    )
    select ${packed(sql, page)} as page, (select id from cut) is not null
      or exists (select from known where place > ${limit} or before >= ${bytes}) as more`;
  const messages = unpacked(row.page);
  return { messages, more: messages.length > 0 && row.more };
}
