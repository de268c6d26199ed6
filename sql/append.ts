import { GROUPS } from '../schemas/limits.js';
import { type Beside, extraOf } from './beside.js';
import { numbers, numbersOrNull, parseNumbers, type Sql, strings, stringsOrNull } from './handle.js';
import { membersOf, type NewMessage } from './messages.js';

/** Why a message isn't stored: who or what it is for isn't there, or it may not be said. */
export type Unstored = 'absent' | 'refused' | 'muted' | 'unanswerable' | 'unheard';

/** Who is in a conversation that isn't one of two, in no order, by its version. */
export interface Roster {
  version: number;
  members: readonly number[];
}

/** What is known of rosters: the database says who is in a conversation only where that isn't the newest. */
export interface Rosters {
  get(conversation: number): Roster | undefined;
  set(conversation: number, roster: Roster): void;
}

/** What the database made of a message. */
export interface Appended {
  conversation: number;
  seq: number;
  msgId: number;
  to: number | undefined;
  /** Who is in the conversation, in no order. */
  members: readonly number[];
  /** Of the members of a conversation that isn't one of two. */
  version: number | undefined;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** The transaction that stored it. */
  xid: number;
}

/** Names the conversation of a message. */
export function conversationKey({ from, target }: Pick<NewMessage, 'from' | 'target'>): string {
  return 'conversation' in target ? namedKey(target.conversation) : pairKey(from, target.user);
}

const namedKey = (conversation: number) => `in ${conversation}`;
const pairKey = (a: number, b: number) => (a < b ? `${a}:${b}` : `${b}:${a}`);

/** A conversation of a batch. */
interface Part {
  members: readonly number[];
  version?: number;
  /** How many messages it gets. */
  count: number;
  /** Its place among the others, from 1. */
  place: number;
}

/** Sorts a batch by its conversations, and numbers each one's messages. */
function grouped(messages: readonly NewMessage[]) {
  // One of two is named by its users, not by an id that was looked up before: in a database that was put back to an earlier moment
  // that may be the one of somebody else.
  const pairs: (Part & { a: number; b: number })[] = [];
  const named: (Part & { id: number })[] = [];
  const parts = new Map<string, Part>();
  const ranks: number[] = [];
  const partOf = messages.map((message) => {
    const key = conversationKey(message);
    let part = parts.get(key);
    if (part === undefined) {
      const { from, target } = message;
      part = 'user' in target ? pairPart(from, target.user) : namedPart(target.conversation);
      parts.set(key, part);
    }
    ranks.push(++part.count);
    return part;
  });
  function pairPart(from: number, to: number): Part {
    const [a, b] = from < to ? [from, to] : [to, from];
    const pair = { a, b, members: membersOf(a, b), count: 0, place: 0 };
    pairs.push(pair);
    return pair;
  }
  function namedPart(id: number): Part {
    const one = { id, members: [], count: 0, place: 0 };
    named.push(one);
    return one;
  }
  // In order, as every replica does it: two that make the same wait for each other instead of locking each other out.
  pairs.sort((x, y) => x.a - y.a || x.b - y.b);
  named.sort((x, y) => x.id - y.id);
  const all: Part[] = [...pairs, ...named];
  for (const [i, part] of all.entries()) part.place = i + 1;
  return { pairs, named, all, partOf, ranks };
}

/**
 * Appends a batch, in one statement: makes the conversations that are missing, numbers the messages and stores them
 * (sql/migrations/0015_mentions.sql).
 * @param messages in the order in which they get their numbers; no two with the same target and id
 * @param acquainted whether only contacts may begin a conversation
 * @param rosters what is known of them, and takes what is learned
 * @returns what became of each message: `absent` where one of its two users isn't there, or its sender isn't in the conversation,
 *   `refused` where one of the two has blocked the other, or they are no contacts where that is needed,
 *   `muted` where its sender isn't let write there, `unanswerable` where what it answers isn't there for its sender, `unheard` where
 *   its sender isn't let mention all
 * @throws PostgresError 23505 if one of the messages is there already: nothing is stored then
 * @throws OddAnswerError
 */
export async function append(
  sql: Sql,
  messages: readonly NewMessage[],
  acquainted: boolean,
  rosters: Rosters,
): Promise<(Appended | Unstored)[]> {
  const { pairs, named, all, partOf, ranks } = grouped(messages);
  // As they were when this was asked: another lane may learn more meanwhile.
  const known = named.map(({ id }) => rosters.get(id));
  const { extras, answered } = besides(messages);
  const [row] = await sql<
    {
      ids: string;
      ends: string;
      versions: string | null;
      rosters: string | null;
      outsiders: string | null;
      muted: string | null;
      unanswerable: string | null;
      unheard: string | null;
      refused: string | null;
      msg_ids: string;
      at: Date;
      xid: string;
    }[]
  >`
    select ids::text, ends::text, versions::text, rosters::text, outsiders::text, muted::text, unanswerable::text, unheard::text,
      refused::text, msg_ids::text, at, pg_current_xact_id()::text as xid
    from append_4(
      ${numbers(pairs.map((pair) => pair.a))}::bigint[], ${numbers(pairs.map((pair) => pair.b))}::bigint[],
      ${numbers(named.map(({ id }) => id))}::bigint[], ${numbers(known.map((roster) => roster?.version ?? -1))}::bigint[],
      ${numbers(all.map(({ count }) => count))}::int[],
      ${numbers(partOf.map((part) => part.place))}::int[], ${numbers(ranks)}::int[],
      ${numbers(messages.map((message) => message.from))}::bigint[],
      ${strings(messages.map((message) => message.clientId))}::text[],
      ${strings(messages.map((message) => message.content))}::text[],
      ${extras}::text[], ${answered}::bigint[], ${GROUPS.mentionAll}, ${acquainted})`;
  if (row === undefined) throw new OddAnswerError('the database answered a batch without a row');
  const left = leftOut(row);
  if (left.size > 0) {
    const rest = messages.filter((_message, i) => !left.has(i));
    const stored = rest.length === 0 ? [] : await append(sql, rest, acquainted, rosters);
    const next = stored.values();
    return messages.map((_message, i) => left.get(i) ?? next.next().value ?? 'absent');
  }
  const versions = parseNumbers(row.versions ?? '');
  const told: (number[] | null)[] = row.rosters === null ? [] : JSON.parse(row.rosters);
  for (const [i, part] of named.entries()) {
    const members = told[i];
    part.members = members ?? known[i]?.members ?? [];
    const version = versions[i];
    if (version === undefined || Number.isNaN(version)) continue;
    part.version = version;
    if (members) rosters.set(part.id, { version, members });
  }
  // NULL, where a user isn't there, is read as NaN.
  const ids = parseNumbers(row.ids);
  const refused = row.refused === null ? NONE : new Set(parseNumbers(row.refused));
  const ends = parseNumbers(row.ends);
  const msgIds = parseNumbers(row.msg_ids);
  const createdAt = row.at.getTime();
  const xid = Number(row.xid);
  return partOf.map(({ place, members, version }, i) => {
    const conversation = ids[place - 1] ?? Number.NaN;
    if (Number.isNaN(conversation)) return refused.has(place) ? 'refused' : 'absent';
    const target = messages[i]?.target;
    return {
      conversation,
      seq: (ends[place - 1] ?? Number.NaN) + (ranks[i] ?? Number.NaN),
      msgId: msgIds[i] ?? Number.NaN,
      to: target !== undefined && 'user' in target ? target.user : undefined,
      members,
      version,
      createdAt,
      xid,
    };
  });
}

/** What a batch has beside its texts; null where it has nothing, which costs nothing then. */
function besides(messages: readonly { beside?: Beside | undefined }[]) {
  if (messages.every(({ beside }) => beside === undefined)) return { extras: null, answered: null };
  const extras = messages.map(({ beside }) => extraOf(beside));
  const answered = messages.map(({ beside }) => beside?.replyTo);
  return {
    extras: extras.every((extra) => extra === undefined) ? null : stringsOrNull(extras),
    answered: answered.every((seq) => seq === undefined) ? null : numbersOrNull(answered),
  };
}

/** Which messages are left out, by their places, and why: then nothing is stored, and the others are asked for again. */
function leftOut(row: Record<'outsiders' | 'muted' | 'unanswerable' | 'unheard', string | null>) {
  const left = new Map<number, Unstored>();
  const leave = (list: string | null, why: Unstored) => {
    if (list !== null) for (const i of parseNumbers(list)) left.set(i - 1, why);
  };
  leave(row.unheard, 'unheard');
  leave(row.unanswerable, 'unanswerable');
  leave(row.muted, 'muted');
  leave(row.outsiders, 'absent');
  return left;
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
