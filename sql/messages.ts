import { numbers, numbersOrNull, parseNumbers, type Sql, strings } from './handle.js';

/** Whom something is said to: a user, or those in a conversation that isn't one of two. */
export type Target = { user: number } | { conversation: number };

/** A message to store. */
export interface NewMessage {
  from: number;
  target: Target;
  clientId: string;
  content: string;
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
  createdAt: number;
}

/** Why a message isn't stored: who or what it is for isn't there, or it may not be said. */
export type Unstored = 'absent' | 'refused';

/** What the database made of a message. */
export interface Appended {
  conversation: number;
  seq: number;
  msgId: number;
  to: number | undefined;
  /** Who is in the conversation, in no order. */
  members: readonly number[];
  /** Milliseconds since 1970. */
  createdAt: number;
}

/** Names the conversation of a message. */
export function conversationKey({ from, target }: Pick<NewMessage, 'from' | 'target'>): string {
  return 'conversation' in target ? namedKey(target.conversation) : pairKey(from, target.user);
}

const namedKey = (conversation: number) => `in ${conversation}`;
const pairKey = (a: number, b: number) => (a < b ? `${a}:${b}` : `${b}:${a}`);

/** A conversation of a batch. */
interface Group {
  members: readonly number[];
  /** How many messages it gets. */
  count: number;
  /** Its place among the others, from 1. */
  place: number;
}

/** Sorts a batch by its conversations, and numbers each one's messages. */
function grouped(messages: readonly NewMessage[]) {
  // One of two is named by its users, not by an id that was looked up before: in a database that was put back to an earlier moment
  // that may be the one of somebody else.
  const pairs: (Group & { a: number; b: number })[] = [];
  const named: (Group & { id: number })[] = [];
  const groups = new Map<string, Group>();
  const ranks: number[] = [];
  const groupOf = messages.map((message) => {
    const key = conversationKey(message);
    let group = groups.get(key);
    if (group === undefined) {
      const { from, target } = message;
      group = 'user' in target ? pairGroup(from, target.user) : namedGroup(target.conversation);
      groups.set(key, group);
    }
    ranks.push(++group.count);
    return group;
  });
  function pairGroup(from: number, to: number): Group {
    const [a, b] = from < to ? [from, to] : [to, from];
    const pair = { a, b, members: membersOf(a, b), count: 0, place: 0 };
    pairs.push(pair);
    return pair;
  }
  function namedGroup(id: number): Group {
    const one = { id, members: [], count: 0, place: 0 };
    named.push(one);
    return one;
  }
  // In order, as every replica does it: two that make the same wait for each other instead of locking each other out.
  pairs.sort((x, y) => x.a - y.a || x.b - y.b);
  named.sort((x, y) => x.id - y.id);
  const all: Group[] = [...pairs, ...named];
  for (const [i, group] of all.entries()) group.place = i + 1;
  return { pairs, named, all, groupOf, ranks };
}

/**
 * Appends a batch, in one statement: makes the conversations that are missing, numbers the messages and stores them
 * (sql/migrations/0012_append.sql).
 * @param messages in the order in which they get their numbers; no two with the same target and id
 * @param acquainted whether only contacts may begin a conversation
 * @returns what became of each message: `absent` where one of its two users isn't there, or its sender isn't in the conversation,
 *   `refused` where one of the two has blocked the other, or they are no contacts where that is needed
 * @throws PostgresError 23505 if one of the messages is there already: nothing is stored then
 * @throws OddAnswerError
 */
export async function append(
  sql: Sql,
  messages: readonly NewMessage[],
  acquainted: boolean,
): Promise<(Appended | Unstored)[]> {
  const { pairs, named, all, groupOf, ranks } = grouped(messages);
  const [row] = await sql<
    {
      ids: string;
      ends: string;
      rosters: string | null;
      outsiders: string | null;
      refused: string | null;
      msg_ids: string;
      at: Date;
    }[]
  >`
    select ids::text, ends::text, rosters::text, outsiders::text, refused::text, msg_ids::text, at from append_2(
      ${numbers(pairs.map((pair) => pair.a))}::bigint[], ${numbers(pairs.map((pair) => pair.b))}::bigint[],
      ${numbers(named.map(({ id }) => id))}::bigint[], ${numbers(all.map(({ count }) => count))}::int[],
      ${numbers(groupOf.map((group) => group.place))}::int[], ${numbers(ranks)}::int[],
      ${numbers(messages.map((message) => message.from))}::bigint[],
      ${strings(messages.map((message) => message.clientId))}::text[],
      ${strings(messages.map((message) => message.content))}::text[], ${acquainted})`;
  if (row === undefined) throw new OddAnswerError('the database answered a batch without a row');
  if (row.outsiders !== null) {
    const outsiders = new Set(parseNumbers(row.outsiders).map((i) => i - 1));
    const rest = messages.filter((_message, i) => !outsiders.has(i));
    const stored = rest.length === 0 ? [] : await append(sql, rest, acquainted);
    const next = stored.values();
    return messages.map((_message, i) => (outsiders.has(i) ? 'absent' : (next.next().value ?? 'absent')));
  }
  const rosters: number[][] = row.rosters === null ? [] : JSON.parse(row.rosters);
  for (const [i, group] of named.entries()) group.members = rosters[i] ?? [];
  // NULL, where a user isn't there, is read as NaN.
  const ids = parseNumbers(row.ids);
  const refused = row.refused === null ? NONE : new Set(parseNumbers(row.refused));
  const ends = parseNumbers(row.ends);
  const msgIds = parseNumbers(row.msg_ids);
  const createdAt = row.at.getTime();
  return groupOf.map(({ place, members }, i) => {
    const conversation = ids[place - 1] ?? Number.NaN;
    if (Number.isNaN(conversation)) return refused.has(place) ? 'refused' : 'absent';
    const target = messages[i]?.target;
    return {
      conversation,
      seq: (ends[place - 1] ?? Number.NaN) + (ranks[i] ?? Number.NaN),
      msgId: msgIds[i] ?? Number.NaN,
      to: target !== undefined && 'user' in target ? target.user : undefined,
      members,
      createdAt,
    };
  });
}

const NONE: ReadonlySet<number> = new Set();

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

/** Those of the messages whose conversation's row somebody holds, or somebody may be making at this moment. */
export async function findHeld<T extends NewMessage>(sql: Sql, messages: readonly T[]): Promise<T[]> {
  const pairs = messages.flatMap(({ from, target }) => ('user' in target ? [{ from, to: target.user }] : []));
  const named = messages.flatMap(({ target }) => ('conversation' in target ? [target.conversation] : []));
  const rows = await sql<({ a: number; b: number } | { a: null; id: number })[]>`
    with wanted as materialized (
      select distinct least(m.a, m.b) as a, greatest(m.a, m.b) as b
      from unnest(${numbers(pairs.map(({ from }) => from))}::bigint[],
        ${numbers(pairs.map(({ to }) => to))}::bigint[]) m(a, b)
    ), there as materialized (
      select a, b, (select conversation_id from conversations c where c.user_a = a and c.user_b = b) as id from wanted
      union all
      select null, null, id from unnest(${numbers(named)}::bigint[]) n(id)
    ), free as materialized (
      select conversation_id from conversations where conversation_id = any (array(select id from there))
      for no key update skip locked
    )
    select a, b, id from there where id is null or id <> all (array(select conversation_id from free))`;
  const held = new Set(rows.map((row) => (row.a === null ? namedKey(row.id) : pairKey(row.a, row.b))));
  return messages.filter((message) => held.has(conversationKey(message)));
}

export interface MessageRow {
  conversation_id: number;
  seq: number;
  msg_id: number;
  from_user_id: number;
  to_user_id: number | null;
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
  to: row.to_user_id ?? undefined,
  clientId: row.client_id,
  content: row.content,
  createdAt: row.created_at.getTime(),
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
      m.created_at, m.client_id, m.content, case when i.to_user_id is null then array(
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

/** Whom a message of a conversation is to, where that is one of two and a user of it asks. */
const toUser = (sql: Sql, user: number) =>
  sql`case when m.from_user_id <> ${user} and c.user_a is not null then ${user} else c.user_a + c.user_b - ${user} end`;

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
  const rows = await sql<MessageRow[]>`
    select m.conversation_id, m.seq, m.msg_id, m.from_user_id, ${toUser(sql, user)} as to_user_id,
      m.created_at, m.client_id, m.content
    from unnest(${numbers(positions.map((position) => position.conversation))}::bigint[],
      ${numbers(positions.map((position) => position.seq))}::bigint[]) with ordinality p(conversation_id, seq, i)
    cross join lateral (select * from conversations x where x.conversation_id = p.conversation_id limit 1) c
    cross join lateral (
      select first_seq, last_seq from members x where x.user_id = ${user} and x.conversation_id = p.conversation_id limit 1
    ) me
    cross join lateral (
      select * from messages where conversation_id = p.conversation_id
        and messages.seq > greatest(p.seq, me.first_seq - 1, c.first_seq - 1)
        and messages.seq <= coalesce(me.last_seq, ${Number.MAX_SAFE_INTEGER})
      order by messages.seq limit ${limit}
    ) m
    order by p.i, m.seq limit ${limit}`;
  return rows.map(toStored);
}

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
    select m.conversation_id, m.seq, m.msg_id, m.from_user_id, ${toUser(sql, user)} as to_user_id,
      m.created_at, m.client_id, m.content
    from messages m join conversations c using (conversation_id)
    where m.conversation_id = ${conversation}
      and m.seq > greatest(${page.after ?? 0},
        (select first_seq - 1 from conversations x where x.conversation_id = ${conversation}),
        (select first_seq - 1 from members me where me.user_id = ${user} and me.conversation_id = ${conversation}))
      and m.seq < least(${page.before ?? Number.MAX_SAFE_INTEGER}, (select last_seq + 1 from members me
        where me.user_id = ${user} and me.conversation_id = ${conversation}))
    order by m.seq ${forward ? sql`asc` : sql`desc`} limit ${page.limit}`;
  const messages = rows.map(toStored);
  return forward ? messages : messages.reverse();
}
