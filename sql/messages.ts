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

/** A debt: `to` is owed the message `msgId`. */
export interface Debt {
  to: number;
  msgId: number;
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
 * Appends a batch: makes the conversations that are missing, numbers the messages, stores them, writes the debts, deletes
 * the confirmed ones, and says how far each conversation goes now (sql/batches.ts), in one statement.
 * @param messages in the order in which they get their numbers; no two with the same users and id
 * @param confirmed debts to delete: in the order of their places in the table, so that replicas that delete the same don't lock
 *   each other out
 * @returns what became of each message; undefined where one of its two users isn't there
 * @throws PostgresError 23505 if one of the messages is there already, or another replica made one of the conversations at
 *   this moment: nothing is stored then
 * @throws OddAnswerError
 */
export async function append(
  sql: Sql,
  messages: readonly NewMessage[],
  confirmed: readonly Debt[],
): Promise<(Appended | undefined)[]> {
  // One plan serves forever, whatever the tables hold: no joins whose order would depend on that, but places in arrays
  // (width_bucket finds an id's among sorted ones), scalar subqueries and a lateral with a limit.
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
  const [row] = await sql<{ ids: string; bases: string; msg_ids: string | null; at: Date }[]>`
    with pairs as materialized (
      select p.i, p.a, p.b, p.n, c.conversation_id as old, coalesce(c.conversation_id,
        case when (select true from users where user_id = p.a) and (select true from users where user_id = p.b)
          then nextval('conversations_conversation_id_seq') end) as id
      from unnest(${numbers(pairs.map((pair) => pair.a))}::bigint[], ${numbers(pairs.map((pair) => pair.b))}::bigint[],
        ${numbers(pairs.map((pair) => pair.count))}::int[]) with ordinality p(a, b, n, i)
      left join lateral (select conversation_id from conversations x where x.user_a = p.a and x.user_b = p.b limit 1) c
        on true
    ), made as (
      insert into conversations (conversation_id, user_a, user_b, last_seq) overriding system value
      select id, a, b, n from pairs where old is null and id is not null
      returning 1
    ), there as materialized (
      select array_agg(id order by id) as ids, array_agg(n order by id) as counts
      from pairs where old is not null
    ), locked as materialized (
      select conversation_id from conversations
      where conversation_id = any ((select ids from there)::bigint[]) and (select count(*) from made) >= 0
      order by conversation_id for no key update
    ), bumped as (
      update conversations
      set last_seq = last_seq + (select counts from there)[width_bucket(conversation_id, (select ids from there))],
        last_at = now() -- for instances of a version before, which read it
      where conversation_id = any ((select ids from there)::bigint[])
        and (select count(*) from locked) = (select cardinality(ids) from there)
      returning conversation_id as id,
        last_seq - (select counts from there)[width_bucket(conversation_id, (select ids from there))] as base
    ), bases as materialized (
      select array_agg(base order by id) as bases from bumped
    ), placed as materialized (
      select array_agg(id order by i) as ids,
        array_agg(case when place is null then 0 else (select bases from bases)[place] end order by i) as bases
      from (select i, id, case when old is not null then width_bucket(old, (select ids from there)) end as place from pairs) each
    ), numbered as materialized (
      select nextval('message_ids') as msg_id, (select ids from placed)[m.place] as conversation_id,
        (select bases from placed)[m.place] + m.rank as seq, m.sender, m.receiver, m.client_id, m.content
      from unnest(${numbers(groupOf.map((group) => group.place))}::int[], ${numbers(ranks)}::int[],
        ${numbers(messages.map((message) => message.from))}::bigint[],
        ${numbers(messages.map((message) => message.to))}::bigint[],
        ${strings(messages.map((message) => message.clientId))}::text[],
        ${strings(messages.map((message) => message.content))}::text[])
        m(place, rank, sender, receiver, client_id, content)
      where (select ids from placed)[m.place] is not null
    ), stored as (
      insert into messages (conversation_id, seq, msg_id, from_user_id, created_at, client_id, content)
      select conversation_id, seq, msg_id, sender, now(), client_id, content from numbered
    ), owed as (
      insert into offline_messages (to_user_id, msg_id, conversation_id, seq)
      select receiver, msg_id, conversation_id, seq from numbered
    ), rung as (
      insert into batches (conversations, ends)
      select array_agg(id), array_agg(base + n)
      from (select (select ids from placed)[i] as id, (select bases from placed)[i] as base, n from pairs) each
      where id is not null having count(*) > 0
    ), settled as (
      delete from offline_messages where ctid = any (array(
        select (select o.ctid from offline_messages o where o.to_user_id = d.user_id and o.msg_id = d.msg_id)
        from unnest(${numbers(confirmed.map((debt) => debt.to))}::bigint[],
          ${numbers(confirmed.map((debt) => debt.msgId))}::bigint[]) d(user_id, msg_id)))
    )
    select ids::text, bases::text, (select array_agg(msg_id) from numbered)::text as msg_ids, now() as at
    from placed`;
  if (row === undefined) throw new OddAnswerError('the database answered a batch without a row');
  // NULL, where a user isn't there, is read as NaN.
  const ids = parseNumbers(row.ids);
  const bases = parseNumbers(row.bases);
  const msgIds = parseNumbers(row.msg_ids ?? '');
  const createdAt = row.at.getTime();
  let stored = 0;
  return groupOf.map(({ place, members }, i) => {
    const conversation = ids[place - 1] ?? Number.NaN;
    if (Number.isNaN(conversation)) return undefined;
    return {
      conversation,
      seq: (bases[place - 1] ?? Number.NaN) + (ranks[i] ?? Number.NaN),
      msgId: msgIds[stored++] ?? Number.NaN,
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

interface MessageRow {
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
const toStored = (row: MessageRow): StoredMessage => ({
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

/** Deletes confirmed debts when there is no batch that they could ride in. */
export async function settle(sql: Sql, confirmed: readonly Debt[]): Promise<void> {
  await sql`
    delete from offline_messages where ctid = any (array(
      select (select o.ctid from offline_messages o where o.to_user_id = d.user_id and o.msg_id = d.msg_id)
      from unnest(${numbers(confirmed.map((debt) => debt.to))}::bigint[],
        ${numbers(confirmed.map((debt) => debt.msgId))}::bigint[]) d(user_id, msg_id)))`;
}

/**
 * The oldest debts of a user past a line, as messages.
 * @param line debts up to this `msg_id` are left out
 * @param given `msg_id`s that the user's connection has been written already
 * @param limit rows at most
 * @param bytes of content at most, though always one row
 */
export async function readDebts(
  sql: Sql,
  user: number,
  line: number,
  given: readonly number[],
  limit: number,
  bytes: number,
): Promise<StoredMessage[]> {
  const rows = await sql<MessageRow[]>`
    select * from (
      select m.conversation_id, m.seq, m.msg_id, m.from_user_id, ${user}::bigint as to_user_id, m.created_at, m.client_id,
        m.content, sum(octet_length(m.content)) over (order by d.msg_id) - octet_length(m.content) as before
      from (
        select msg_id, conversation_id, seq from offline_messages
        where to_user_id = ${user} and msg_id > ${line} and msg_id <> all (${numbers(given)}::bigint[])
        order by msg_id limit ${limit}
      ) d
      cross join lateral (select * from messages x where x.conversation_id = d.conversation_id and x.seq = d.seq limit 1) m
    ) page where before < ${bytes} order by msg_id`;
  return rows.map(toStored);
}

/** A debt that somebody should look at. */
export interface OpenDebt extends Debt {
  conversation: number;
  seq: number;
}

/** The newest debts of each user past that user's line, a few for each. */
export async function openDebts(
  sql: Sql,
  users: readonly number[],
  lines: readonly number[],
  each: number,
): Promise<OpenDebt[]> {
  return sql<OpenDebt[]>`
    select u.user_id as "to", d.msg_id as "msgId", d.conversation_id as conversation, d.seq
    from unnest(${numbers(users)}::bigint[], ${numbers(lines)}::bigint[]) u(user_id, line)
    cross join lateral (
      select msg_id, conversation_id, seq from offline_messages
      where to_user_id = u.user_id and msg_id > u.line order by msg_id desc limit ${each}
    ) d`;
}

/** A place in a conversation: everything up to `seq` is held. */
export interface Position {
  conversation: number;
  seq: number;
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
 * Deletes the debts of a user that its positions say have arrived. Each conversation's log has no hole below its end.
 * @returns for each conversation that had such debts the highest of them, and the other user
 */
export async function settlePositions(
  sql: Sql,
  user: number,
  positions: readonly Position[],
): Promise<{ conversation: number; seq: number; other: number }[]> {
  const sorted = [...positions].sort((a, b) => a.conversation - b.conversation);
  const ids = numbers(sorted.map((position) => position.conversation));
  const seqs = numbers(sorted.map((position) => position.seq));
  return sql<{ conversation: number; seq: number; other: number }[]>`
    with gone as (
      delete from offline_messages where ctid = any (array(
        select o.ctid from offline_messages o, width_bucket(o.conversation_id, ${ids}::bigint[]) place
        where o.to_user_id = ${user} and (${ids}::bigint[])[place] = o.conversation_id
          and o.seq <= (${seqs}::bigint[])[place]))
      returning conversation_id, seq
    )
    select g.conversation_id as conversation, max(g.seq) as seq, c.user_a + c.user_b - ${user} as other
    from gone g
    cross join lateral (select * from conversations x where x.conversation_id = g.conversation_id limit 1) c
    group by 1, 3`;
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
