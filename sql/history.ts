import type { Sql } from './handle.js';

/** A message, as far as it shows which history it is of. */
export interface Witness {
  conversation: number;
  seq: number;
  msgId: number;
  /** Milliseconds since 1970. */
  createdAt: number;
}

/** What the database says of its history. */
export interface Testimony {
  /** Whether it only follows another server, and may be behind it. */
  standby: boolean;
  /** When the message that was asked for was stored, in milliseconds since 1970; undefined where it isn't there. */
  at: number | undefined;
  /** Whether it isn't there since its conversation begins after it now. */
  gone: boolean;
  /** A message of the newest batch that there is a row of. */
  newest: Witness | undefined;
}

/** Asks for a message, and for the newest that can be found at once. */
export async function testify(sql: Sql, known: Witness | undefined): Promise<Testimony> {
  const [row] = await sql<
    [
      {
        standby: boolean;
        at: Date | null;
        gone: boolean;
        conversation: number | null;
        seq: number | null;
        msg_id: number | null;
        created_at: Date | null;
      },
    ]
  >`
    select pg_is_in_recovery() as standby, (
      select created_at from messages
      where conversation_id = ${known?.conversation ?? null}::bigint and seq = ${known?.seq ?? null}::bigint
    ) as at, coalesce((
      select first_seq > ${known?.seq ?? null}::bigint from conversations
      where conversation_id = ${known?.conversation ?? null}::bigint
    ), false) as gone, n.*
    from (select) one left join (
      select m.conversation_id as conversation, m.seq, m.msg_id, m.created_at
      from (select conversations[1] as id, ends[1] as seq from batches order by xid desc limit 1) b
      cross join lateral (
        select * from messages x where x.conversation_id = b.id and x.seq = b.seq limit 1
      ) m
    ) n on true`;
  const { standby, at, gone, conversation, seq, msg_id: msgId, created_at } = row;
  const newest =
    conversation === null || seq === null || msgId === null || created_at === null
      ? undefined
      : { conversation, seq, msgId, createdAt: created_at.getTime() };
  return { standby, at: at?.getTime(), gone, newest };
}
