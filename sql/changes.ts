import type { ErrorCode } from '../schemas/error.js';
import { type Beside, extraOf } from './beside.js';
import { numbers, numbersOrNull, parseNumbers, type Sql, strings } from './handle.js';
import {
  columns,
  type MessageRow,
  membersOf,
  type Position,
  type StoredMessage,
  toStored,
  toUser,
} from './messages.js';
import { isVisible } from './visible.js';

/** What somebody does to a message. */
export interface NewChange {
  actor: number;
  conversation: number;
  seq: number;
  kind: 'edit' | 'delete' | 'react' | 'unreact' | 'pin' | 'unpin';
  /** Of a reaction. */
  emoji?: string | undefined;
  /** Of an edit, as is what is beside the text; what it answers stays as it was. */
  content?: string | undefined;
  beside?: Beside | undefined;
  /** Of an edit: the change of the state that it was made on; undefined: whatever it is. */
  base?: number | undefined;
}

/** What became of it: the number of the change; `same` where it was so already; else why it isn't done. */
export type ChangeOutcome = number | 'same' | ErrorCode;

/** Bounds of changes. */
export interface ChangeBounds {
  /** 0: one may edit at any time. */
  editMinutes: number;
  kinds: number;
  pins: number;
  /** Members of a group up to which everybody may mention all. */
  all: number;
}

/**
 * Changes messages, in one statement (sql/migrations/0019_last_change.sql).
 * @param changes no two of one message, but for reactions that differ in user or emoji
 * @returns what became of each
 */
export async function changeMessages(
  sql: Sql,
  changes: readonly NewChange[],
  bounds: ChangeBounds,
): Promise<ChangeOutcome[]> {
  const [row] = await sql<[{ outcomes: string; numbers: string }]>`
    select array_to_json(outcomes)::text as outcomes, numbers::text from change_1(
      ${numbers(changes.map(({ conversation }) => conversation))}::bigint[],
      ${numbers(changes.map(({ seq }) => seq))}::bigint[], ${numbers(changes.map(({ actor }) => actor))}::bigint[],
      ${strings(changes.map(({ kind }) => kind))}::text[], ${strings(changes.map(({ emoji = '' }) => emoji))}::text[],
      ${strings(changes.map(({ content = '' }) => content))}::text[],
      array(select nullif(x, '') from unnest(${strings(changes.map(({ beside }) => extraOf(beside) ?? ''))}::text[]) with ordinality t(x, i) order by i),
      ${numbersOrNull(changes.map(({ base }) => base))}::bigint[],
      ${bounds.editMinutes}, ${bounds.kinds}, ${bounds.pins}, ${bounds.all})`;
  const outcomes: (ErrorCode | 'same' | null)[] = JSON.parse(row.outcomes);
  const drawn = parseNumbers(row.numbers);
  return outcomes.map((outcome, i) => outcome ?? drawn[i] ?? Number.NaN);
}

/** A message as it is now, and when its last change was stored, in milliseconds since 1970: 0 of one that never changed. */
export interface ChangedMessage extends StoredMessage {
  change: number;
  changedAt: number;
}

const toChanged = (row: MessageRow & { changed_at: Date | null }): ChangedMessage => ({
  ...toStored(row),
  change: row.change ?? 0,
  changedAt: row.changed_at?.getTime() ?? 0,
});

/**
 * Messages as they are now for those who ask.
 * @param asked by whom which is asked for
 * @returns in the order given; undefined where there is none for them
 */
export async function messagesAt(
  sql: Sql,
  asked: readonly (Position & { user: number })[],
): Promise<(ChangedMessage | undefined)[]> {
  const rows = await sql<(MessageRow & { i: number; changed_at: Date | null })[]>`
    select p.i, ${columns(sql, sql`p.user_id`)}, (
        select at from changes x where x.conversation_id = m.conversation_id and x.change = m.change) as changed_at,
      case when m.from_user_id <> p.user_id and c.user_a is not null then p.user_id else c.user_a + c.user_b - p.user_id end as to_user_id
    from unnest(${numbers(asked.map(({ conversation }) => conversation))}::bigint[], ${numbers(asked.map(({ seq }) => seq))}::bigint[],
      ${numbers(asked.map(({ user }) => user))}::bigint[]) with ordinality p(conversation_id, seq, user_id, i)
    cross join lateral (select * from conversations x where x.conversation_id = p.conversation_id limit 1) c
    cross join lateral (
      select * from members x where x.user_id = p.user_id and x.conversation_id = p.conversation_id limit 1
    ) me
    cross join lateral (
      select * from messages x where x.conversation_id = p.conversation_id and x.seq = p.seq limit 1
    ) m
    where ${isVisible(sql)}`;
  const found = new Map(rows.map((row) => [row.i, toChanged(row)]));
  return asked.map((_place, i) => found.get(i + 1));
}

/** Where changes of a conversation are to be read from. */
export interface ChangePlace {
  conversation: number;
  /** The last change that is known. */
  after: number;
}

/** The same for one who holds messages up to `seq`, and may hold own ones from `own` on: changes up to `end` of those. */
export interface HeldPlace extends ChangePlace, Position {
  end: number;
  /** Undefined: none. */
  own?: number | undefined;
}

/**
 * What of the messages that a user holds has changed, each once, as it is now, in the order of places and of changes.
 * @returns so many at most
 */
export async function readChanges(
  sql: Sql,
  user: number,
  places: readonly HeldPlace[],
  limit: number,
): Promise<ChangedMessage[]> {
  const rows = await sql<(MessageRow & { changed_at: Date })[]>`
    select ${columns(sql, user)}, ${toUser(sql, user)} as to_user_id, m.changed_at
    from unnest(${numbers(places.map(({ conversation }) => conversation))}::bigint[],
      ${numbers(places.map(({ after }) => after))}::bigint[], ${numbers(places.map(({ end }) => end))}::bigint[],
      ${numbers(places.map(({ seq }) => seq))}::bigint[],
      ${numbersOrNull(places.map(({ own }) => own))}::bigint[]) with ordinality p(conversation_id, after, until, seq, own, i)
    cross join lateral (select * from conversations x where x.conversation_id = p.conversation_id limit 1) c
    cross join lateral (
      select * from members x where x.user_id = ${user} and x.conversation_id = p.conversation_id limit 1
    ) me
    cross join lateral (
      select x.*, ch.at as changed_at from changes ch cross join lateral (
        select * from messages y where y.conversation_id = ch.conversation_id and y.seq = ch.seq and y.change = ch.change limit 1
      ) x
      where ch.conversation_id = p.conversation_id and ch.change > p.after and ch.change <= p.until
        and (ch.seq <= p.seq or ch.seq >= p.own and x.from_user_id = ${user})
        and ch.seq >= me.first_seq and (me.last_seq is null or ch.seq <= me.last_seq) and (me.hidden is null or not me.hidden @> ch.seq)
      order by ch.change limit ${limit}
    ) m
    order by p.i, m.change limit ${limit}`;
  return rows.map(toChanged);
}

/**
 * What of a conversation has changed past some change, as a user sees it who is in it.
 * @param walk changes that are looked at
 * @returns `change`: where they stand then, which was stored at `changedAt`
 */
export async function readChangesAfter(
  sql: Sql,
  user: number,
  { conversation, after }: ChangePlace,
  limit: number,
  walk: number,
): Promise<{ messages: ChangedMessage[]; change: number; changedAt: number | undefined; more: boolean }> {
  const [end] = await sql<{ change: number; at: Date; last: number }[]>`
    select change, at, last from (
      select change as last from changes where conversation_id = ${conversation} and exists (
        select from members where user_id = ${user} and conversation_id = ${conversation} and last_seq is null)
      order by change desc limit 1) l
    join changes x on x.conversation_id = ${conversation} and x.change = least(last, ${after}::bigint + ${walk}::int)`;
  if (end === undefined || end.change <= after)
    return {
      messages: [],
      change: after,
      changedAt: end?.change === after ? end.at.getTime() : undefined,
      more: false,
    };
  const place = { conversation, after, end: end.change, seq: Number.MAX_SAFE_INTEGER };
  const rows = await readChanges(sql, user, [place], limit + 1);
  const messages = rows.slice(0, limit);
  const cut = rows.length > limit ? messages.at(-1) : undefined;
  return {
    messages,
    change: cut?.change ?? end.change,
    changedAt: cut?.changedAt ?? end.at.getTime(),
    more: cut !== undefined || end.change < end.last,
  };
}

/** What of a conversation has changed, for all in it. */
export interface ChangePage {
  conversation: number;
  /** Each changed message once, as it is now, in the order of changes. */
  messages: ChangedMessage[];
}

/** What has changed past these places, so many messages at most: each page goes on from its place without a hole. */
export async function readAllChanges(
  sql: Sql,
  places: readonly ChangePlace[],
  limit: number,
): Promise<ChangePage[]> {
  const rows = await sql<(MessageRow & { changed_at: Date })[]>`
    select ${columns(sql, undefined)}, m.changed_at
    from unnest(${numbers(places.map(({ conversation }) => conversation))}::bigint[],
      ${numbers(places.map(({ after }) => after))}::bigint[]) with ordinality p(conversation_id, after, i)
    cross join lateral (
      select x.*, ch.at as changed_at from changes ch cross join lateral (
        select * from messages y where y.conversation_id = ch.conversation_id and y.seq = ch.seq and y.change = ch.change limit 1
      ) x
      where ch.conversation_id = p.conversation_id and ch.change > p.after order by ch.change limit ${limit}
    ) m
    order by p.i, m.change limit ${limit}`;
  const pages = new Map<number, ChangePage>();
  for (const row of rows) {
    const message = toChanged({ ...row, to_user_id: null });
    const page = pages.get(message.conversation);
    if (page === undefined)
      pages.set(message.conversation, { conversation: message.conversation, messages: [message] });
    else page.messages.push(message);
  }
  return [...pages.values()];
}

/** What part of a conversation somebody sees who wasn't always in it: from `first` on, but for what is hidden. */
interface Sight {
  first: number;
  hidden: readonly { from: number; before: number }[];
}

/** Who is in a conversation, as of a version of it. */
export interface Audience {
  version: number;
  members: readonly number[];
  /** Of those who don't see all. */
  sights: ReadonlyMap<number, Sight>;
}

/** Who is in conversations. @param known what of that is known, by version @returns by conversation */
export async function audiencesOf(
  sql: Sql,
  conversations: readonly number[],
  known: (conversation: number) => Audience | undefined,
): Promise<Map<number, Audience>> {
  const versions = conversations.map((conversation) => known(conversation)?.version ?? -1);
  const rows = await sql<
    { id: number; user_a: number | null; user_b: number | null; version: number; who: string | null }[]
  >`
    select c.conversation_id as id, c.user_a, c.user_b, c.version, case when c.user_a is null and c.version <> p.version then (
        select json_build_object('members', coalesce(json_agg(m.user_id), '[]'), 'sights', coalesce(json_agg(
          json_build_array(m.user_id, m.first_seq, m.hidden::text)) filter (where m.first_seq > 1 or m.hidden is not null), '[]'))
        from members m where m.conversation_id = c.conversation_id and m.last_seq is null)::text end as who
    from unnest(${numbers(conversations)}::bigint[], ${numbers(versions)}::bigint[]) p(id, version)
    cross join lateral (select * from conversations x where x.conversation_id = p.id limit 1) c`;
  return new Map(
    rows.map(({ id, user_a, user_b, version, who }) => {
      if (user_a !== null)
        return [id, { version, members: membersOf(user_a, user_b ?? user_a), sights: new Map() }];
      const before = known(id);
      return [id, who === null ? (before ?? NOBODY) : { version, ...readAudience(who) }];
    }),
  );
}

const NOBODY: Audience = { version: -1, members: [], sights: new Map() };

function readAudience(text: string): Pick<Audience, 'members' | 'sights'> {
  const { members, sights }: { members: number[]; sights: [number, number, string | null][] } =
    JSON.parse(text);
  return {
    members,
    sights: new Map(sights.map(([user, first, hidden]) => [user, { first, hidden: rangesOf(hidden ?? '') }])),
  };
}

const rangesOf = (text: string) =>
  [...text.matchAll(/\[(\d+),(\d+)\)/g)].map(([, from, before]) => ({
    from: Number(from),
    before: Number(before),
  }));
