import type postgres from 'postgres';
import { millis, numbers, type Sql } from './handle.js';
import { columns, type MessageRow, type Position, type StoredMessage, toStored, toUser } from './messages.js';

/** What few messages have: it is left out where there is none of it. */
type Rare = Pick<
  MessageRow,
  'reply_to' | 'extra' | 'event' | 'change' | 'is_deleted' | 'pinned' | 'reactions'
> & {
  edited_at: string | null;
};

/** A message as a list of its columns. */
type Packed = readonly [
  conversation: number,
  seq: number,
  msgId: number,
  from: number,
  to: number | null,
  /** Milliseconds since 1970. */
  createdAt: number,
  clientId: string,
  content: string,
  rare?: Rare,
];

/**
 * Messages as one text, in the order of the rows, null where there are none: to read a thousand rows by their columns costs the client
 * of the database several times as much.
 * @param rows a query of the columns of a message, with `to_user_id`
 */
export const packed = (sql: Sql, rows: postgres.PendingQuery<postgres.Row[]>) => sql`(
    select string_agg('[' || concat_ws(',', x.conversation_id, x.seq, x.msg_id, x.from_user_id, coalesce(x.to_user_id::text, 'null'),
        ${millis(sql, sql`x.created_at`)}, to_json(x.client_id), to_json(x.content),
        case when x.reply_to is not null or x.extra is not null or x.event is not null or x.change is not null or x.is_deleted
          then json_build_object('reply_to', x.reply_to, 'extra', x.extra, 'event', x.event, 'change', x.change,
            'edited_at', x.edited_at, 'is_deleted', x.is_deleted, 'pinned', x.pinned, 'reactions', x.reactions) end) || ']', ',')
    from (${rows}) x)`;

/** Reads what `packed` made. */
export function unpacked(text: string | null): StoredMessage[] {
  if (text === null) return [];
  const all: Packed[] = JSON.parse(`[${text}]`);
  return all.map(([conversation, seq, msgId, from, to, createdAt, clientId, content, rare]) => {
    if (rare === undefined)
      return { conversation, seq, msgId, from, to: to ?? undefined, clientId, content, createdAt };
    return toStored({
      ...rare,
      ...{ conversation_id: conversation, seq, msg_id: msgId, from_user_id: from, to_user_id: to },
      created_at: new Date(createdAt),
      client_id: clientId,
      content,
      edited_at: rare.edited_at === null ? null : new Date(rare.edited_at),
    });
  });
}

/**
 * What is left after the given positions of a user, each conversation in order, as far as they may see it. Where it doesn't go on from
 * there by one, what was between is gone, or not for them.
 */
export async function readAfter(
  sql: Sql,
  user: number,
  positions: readonly Position[],
  limit: number,
): Promise<StoredMessage[]> {
  const page = sql`
    select ${columns(sql, user)}, ${toUser(sql, user)} as to_user_id
    from unnest(${numbers(positions.map((position) => position.conversation))}::bigint[],
      ${numbers(positions.map((position) => position.seq))}::bigint[]) with ordinality p(conversation_id, seq, i)
    cross join lateral (select * from conversations x where x.conversation_id = p.conversation_id limit 1) c
    cross join lateral (
      select first_seq, last_seq, hidden from members x where x.user_id = ${user} and x.conversation_id = p.conversation_id limit 1
    ) me
    cross join lateral (
      select * from messages where conversation_id = p.conversation_id
        and messages.seq > greatest(p.seq, me.first_seq - 1, c.first_seq - 1)
        and messages.seq <= coalesce(me.last_seq, ${Number.MAX_SAFE_INTEGER})
        and (me.hidden is null or not me.hidden @> messages.seq)
      order by messages.seq limit ${limit}
    ) m
    order by p.i, m.seq limit ${limit}`;
  const [row] = await sql<[{ page: string | null }]>`select ${packed(sql, page)} as page`;
  return unpacked(row.page);
}
