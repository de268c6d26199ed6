import { numbers, parseNumbers, type Sql, strings } from './handle.js';

/** A message to store, from one user to another, who may be the same. */
export interface NewMessage {
  from: number;
  to: number;
  clientId: string;
  content: string;
}

/** A message that is in the log. `createdAt` in milliseconds since 1970. */
export interface StoredMessage {
  conversation: number;
  seq: number;
  msgId: number;
  from: number;
  /** Who is in the conversation, in no order. */
  members: readonly number[];
  clientId: string;
  content: string;
  createdAt: number;
}

/** What the database made of a message. */
export interface Appended {
  conversation: number;
  seq: number;
  msgId: number;
  members: readonly number[];
  /** Milliseconds since 1970. */
  createdAt: number;
}

/**
 * Appends a batch, in one statement: makes the conversations that are missing, numbers the messages and stores them
 * (sql/migrations/0005_append.sql).
 * @param messages in the order in which they get their numbers; no two with the same users and id
 * @returns what became of each message; undefined where one of its two users isn't there
 * @throws PostgresError 23505 if one of the messages is there already: nothing is stored then
 * @throws OddAnswerError
 */
export async function append(sql: Sql, messages: readonly NewMessage[]): Promise<(Appended | undefined)[]> {
  // A conversation is named by its users, not by an id that was looked up before: in a database that was put back to an earlier
  // moment that may be the one of somebody else.
  const groups = new Map<
    string,
    { a: number; b: number; members: readonly number[]; count: number; place: number }
  >();
  const ranks: number[] = [];
  const groupOf = messages.map(({ from, to }) => {
    const [a, b] = from < to ? [from, to] : [to, from];
    const key = `${a}:${b}`;
    const group = groups.get(key) ?? { a, b, members: membersOf(a, b), count: 0, place: 0 };
    groups.set(key, group);
    ranks.push(++group.count);
    return group;
  });
  // In order, as every replica does it: two that make the same wait for each other instead of locking each other out.
  const pairs = [...groups.values()].sort((x, y) => x.a - y.a || x.b - y.b);
  for (const [i, group] of pairs.entries()) group.place = i + 1;
  const [row] = await sql<{ ids: string; ends: string; msg_ids: string; at: Date }[]>`
    select ids::text, ends::text, msg_ids::text, at from append_1(
      ${numbers(pairs.map((pair) => pair.a))}::bigint[], ${numbers(pairs.map((pair) => pair.b))}::bigint[],
      ${numbers(pairs.map((pair) => pair.count))}::int[],
      ${numbers(groupOf.map((group) => group.place))}::int[], ${numbers(ranks)}::int[],
      ${numbers(messages.map((message) => message.from))}::bigint[],
      ${strings(messages.map((message) => message.clientId))}::text[],
      ${strings(messages.map((message) => message.content))}::text[])`;
  if (row === undefined) throw new OddAnswerError('the database answered a batch without a row');
  // NULL, where a user isn't there, is read as NaN.
  const ids = parseNumbers(row.ids);
  const ends = parseNumbers(row.ends);
  const msgIds = parseNumbers(row.msg_ids);
  const createdAt = row.at.getTime();
  return groupOf.map(({ place, members }, i) => {
    const conversation = ids[place - 1] ?? Number.NaN;
    if (Number.isNaN(conversation)) return undefined;
    return {
      conversation,
      seq: (ends[place - 1] ?? Number.NaN) + (ranks[i] ?? Number.NaN),
      msgId: msgIds[i] ?? Number.NaN,
      members,
      createdAt,
    };
  });
}

/** Answers with the wrong number of rows. Whether what was asked has happened isn't known. */
export class OddAnswerError extends Error {
  override name = 'OddAnswerError';
}

/**
 * Stores messages and takes them back, to find out whether messages can be stored: it does all that real ones do but the commit.
 * @throws PostgresError what storing them would throw
 */
export async function tryAppend(sql: Sql, contents: readonly string[]): Promise<void> {
  await sql`begin`;
  try {
    await sql`
      insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select 0, i, 0, 0, now(), i::text, content from unnest(${strings(contents)}::text[]) with ordinality c(content, i)`;
  } finally {
    await sql`rollback`;
  }
}

/** The pairs among those of the messages whose conversation somebody holds the row of, or may be making at this moment. */
export async function findHeld(
  sql: Sql,
  messages: readonly NewMessage[],
): Promise<{ from: number; to: number }[]> {
  return sql<{ from: number; to: number }[]>`
    with wanted as materialized (
      select distinct least(m.a, m.b) as a, greatest(m.a, m.b) as b
      from unnest(${numbers(messages.map((message) => message.from))}::bigint[],
        ${numbers(messages.map((message) => message.to))}::bigint[]) m(a, b)
    ), there as materialized (
      select a, b, (select conversation_id from conversations c where c.user_a = a and c.user_b = b) as id from wanted
    ), free as materialized (
      select conversation_id from conversations where conversation_id = any (array(select id from there))
      for no key update skip locked
    )
    select a as "from", b as "to" from there where id is null or id <> all (array(select conversation_id from free))`;
}

export interface MessageRow {
  conversation_id: number;
  seq: number;
  msg_id: number;
  from_user_id: number;
  to_user_id: number;
  created_at: Date;
  client_id: string;
  content: string;
}
/** Who is in a conversation of two users, or of one with oneself. */
const membersOf = (one: number, other: number): readonly number[] => (one === other ? [one] : [one, other]);
export const toStored = (row: MessageRow): StoredMessage => ({
  conversation: row.conversation_id,
  seq: row.seq,
  msgId: row.msg_id,
  from: row.from_user_id,
  members: membersOf(row.from_user_id, row.to_user_id),
  clientId: row.client_id,
  content: row.content,
  createdAt: row.created_at.getTime(),
});
/** Which of the given messages are stored already, by conversation, sender and id, as they were stored then. */
export async function findStored(sql: Sql, messages: readonly NewMessage[]): Promise<StoredMessage[]> {
  const rows = await sql<MessageRow[]>`
    select m.conversation_id, m.seq, m.msg_id, m.from_user_id, i.to_user_id,
      m.created_at, m.client_id, m.content
    from unnest(${numbers(messages.map((message) => message.from))}::bigint[],
      ${numbers(messages.map((message) => message.to))}::bigint[],
      ${strings(messages.map((message) => message.clientId))}::text[]) i(from_user_id, to_user_id, client_id)
    cross join lateral (select * from messages x
      where x.conversation_id = (select conversation_id from conversations c
        where c.user_a = least(i.from_user_id, i.to_user_id) and c.user_b = greatest(i.from_user_id, i.to_user_id))
        and x.from_user_id = i.from_user_id and x.client_id = i.client_id limit 1) m
    order by m.conversation_id, m.seq`;
  return rows.map(toStored);
}

/** A place in a conversation: everything up to `seq` is held. */
export interface Position {
  conversation: number;
  seq: number;
}

/**
 * When the messages at these places were stored, in milliseconds since 1970.
 * @returns in the order given; undefined where there is none
 */
export async function timesOf(sql: Sql, places: readonly Position[]): Promise<(number | undefined)[]> {
  const rows = await sql<{ at: Date | null }[]>`
    select (select created_at from messages m where m.conversation_id = p.conversation_id and m.seq = p.seq) as at
    from unnest(${numbers(places.map((place) => place.conversation))}::bigint[],
      ${numbers(places.map((place) => place.seq))}::bigint[]) with ordinality p(conversation_id, seq, i)
    order by p.i`;
  return rows.map(({ at }) => at?.getTime());
}

/** What comes after the given positions of a user, each conversation in order. */
export async function readAfter(
  sql: Sql,
  user: number,
  positions: readonly Position[],
  limit: number,
): Promise<StoredMessage[]> {
  const rows = await sql<MessageRow[]>`
    select m.conversation_id, m.seq, m.msg_id, m.from_user_id,
      case when m.from_user_id = ${user} then c.user_a + c.user_b - ${user} else ${user} end as to_user_id,
      m.created_at, m.client_id, m.content
    from unnest(${numbers(positions.map((position) => position.conversation))}::bigint[],
      ${numbers(positions.map((position) => position.seq))}::bigint[]) with ordinality p(conversation_id, seq, i)
    cross join lateral (select * from conversations x where x.conversation_id = p.conversation_id limit 1) c
    cross join lateral (
      select * from messages where conversation_id = p.conversation_id and messages.seq > p.seq
      order by messages.seq limit ${limit}
    ) m
    order by p.i, m.seq limit ${limit}`;
  return rows.map(toStored);
}

/**
 * A page of a conversation's history, oldest first.
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
    select m.conversation_id, m.seq, m.msg_id, m.from_user_id,
      case when m.from_user_id = ${user} then c.user_a + c.user_b - ${user} else ${user} end as to_user_id,
      m.created_at, m.client_id, m.content
    from messages m join conversations c using (conversation_id)
    where m.conversation_id = ${conversation}
      and m.seq > ${page.after ?? 0} and m.seq < ${page.before ?? Number.MAX_SAFE_INTEGER}
    order by m.seq ${forward ? sql`asc` : sql`desc`} limit ${page.limit}`;
  const messages = rows.map(toStored);
  return forward ? messages : messages.reverse();
}
