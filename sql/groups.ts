import type { ErrorCode } from '../schemas/error.js';
import type { Group, GroupEvent, Role } from '../schemas/group.js';
import type { User } from '../schemas/user.js';
import { nameKey, nameWords } from '../schemas/user.js';
import { ROLES } from './conversation-list.js';
import { numbers, parseNumbers, type Sql, strings } from './handle.js';
import { asShown, type Found, LAST_CHARACTER } from './users.js';

/** Characters of a title that it is found and sorted by: an index takes no more than some thousand bytes. */
const KEY_LENGTH = 256;
const keyOf = (title: string) => nameKey(title).slice(0, KEY_LENGTH);
const wordsOf = (key: string) => strings([key, ...nameWords(key)]);

const postingOf = (posting: Group['posting']) => (posting === 'all' ? 0 : 1);

/** What was stored of a change, and who is to hear of it. */
export interface Changed {
  conversation: number;
  events: readonly { seq: number; msgId: number; event: GroupEvent }[];
  /** Who is in the group now, and who was before, in no order. */
  members: readonly number[];
  channel: boolean;
  /** Milliseconds since 1970. */
  createdAt: number;
}

/** Why something isn't done, as a stable name. */
export interface Problem {
  problem: ErrorCode;
}

interface Row {
  outcome: ErrorCode | null;
  events: { seq: number; msg_id: number; event: GroupEvent }[] | null;
  roster: string | null;
  at: Date | null;
}

const changedBy = (conversation: number, channel: boolean, { events, roster, at }: Row): Changed => ({
  conversation,
  events: (events ?? []).map(({ seq, msg_id, event }) => ({ seq, msgId: msg_id, event })),
  members: parseNumbers(roster ?? ''),
  channel,
  createdAt: at?.getTime() ?? 0,
});

/** Makes a group, unless its maker has done so before with the same id (sql/migrations/0018_topic.sql). */
export async function makeGroup(
  sql: Sql,
  maker: number,
  group: Pick<Group, 'kind' | 'title' | 'posting' | 'history'> & {
    /** Empty: none. */
    topic: string;
    clientId: string | undefined;
    people: readonly number[];
  },
  { acquainted, made, members }: { acquainted: boolean; made: number; members: number },
): Promise<Changed | Problem> {
  const key = keyOf(group.title);
  const [row] = await sql<[Row & { id: number }]>`
    select outcome, id, events, roster::text, at from make_group_2(
      ${maker}, ${group.clientId ?? null}, ${group.kind}, ${group.title}, ${key}, ${wordsOf(key)}::text[],
      ${group.topic}, ${postingOf(group.posting)}::smallint, ${group.history}, ${numbers(group.people)}::bigint[], ${acquainted}, ${made}, ${members})`;
  return row.outcome === null ? changedBy(row.id, group.kind === 'channel', row) : { problem: row.outcome };
}

/** What somebody does to a group. To remove oneself is to leave. */
export type GroupAction =
  | { does: 'join' }
  | { does: 'add'; people: readonly number[] }
  | { does: 'remove'; person: number }
  | { does: 'role'; person: number; role: Role }
  | {
      does: 'set';
      title?: string | undefined;
      topic?: string | undefined;
      posting?: Group['posting'] | undefined;
      history?: Group['history'] | undefined;
    };

const peopleOf = (action: GroupAction): readonly number[] =>
  'people' in action ? action.people : 'person' in action ? [action.person] : [];

/** Changes a group, for who may: one call, under the lock of its row (sql/migrations/0018_topic.sql). */
export async function changeGroup(
  sql: Sql,
  conversation: number,
  actor: number,
  action: GroupAction,
  { acquainted, members, channelMembers }: { acquainted: boolean; members: number; channelMembers: number },
): Promise<Changed | Problem> {
  const { title, topic, posting, history } = action.does === 'set' ? action : {};
  const key = keyOf(title ?? '');
  const role = action.does === 'role' ? ROLES.indexOf(action.role) : null;
  const [row] = await sql<[Row & { channel: boolean | null }]>`
    select outcome, events, roster::text, at,
      (select kind = 'channel' from groups where conversation_id = ${conversation}) as channel
    from change_group_2(
      ${conversation}, ${actor}, ${action.does}, ${numbers(peopleOf(action))}::bigint[], ${role}::smallint,
      ${title ?? null}, ${key}, ${wordsOf(key)}::text[], ${topic ?? null}, ${posting === undefined ? null : postingOf(posting)}::smallint,
      ${history ?? null}, ${acquainted}, ${members}, ${channelMembers})`;
  return row.outcome === null ? changedBy(conversation, row.channel === true, row) : { problem: row.outcome };
}

/** Whether a user is in a group. */
export async function isInGroup(sql: Sql, user: number, conversation: number): Promise<boolean> {
  const rows = await sql`
    select from members
    where user_id = ${user} and conversation_id = ${conversation} and last_seq is null and joined_seq is not null`;
  return rows.length > 0;
}

/** Who is in a group, by user. @param after the last of the page before */
export async function listMembers(
  sql: Sql,
  conversation: number,
  after: number,
  limit: number,
): Promise<{ user: User; role: Role; joinedAt: Date | null }[]> {
  const rows = await sql<(Found & { role: number; joined_at: Date | null })[]>`
    select m.user_id, coalesce(u.username, '#' || m.user_id) as username, coalesce(u.lookalike, false) as lookalike,
      u.deleted_at is not null as deleted, m.role, (
        select created_at from messages x
        where x.conversation_id = m.conversation_id and x.seq = m.joined_seq and x.kind = 'event'
      ) as joined_at
    from (
      select * from members x where x.conversation_id = ${conversation} and x.last_seq is null and x.user_id > ${after}
      order by x.user_id limit ${limit}
    ) m left join users u on u.user_id = m.user_id order by m.user_id`;
  return rows.map((row) => ({
    user: asShown(row),
    role: ROLES[row.role] ?? 'member',
    joinedAt: row.joined_at,
  }));
}

/**
 * How far those in a group have received and read, by user; of who has blocked the one who asks nothing is said.
 * @param atMost members of whom each is told of the others; past that only of themselves
 */
export async function listReceipts(
  sql: Sql,
  user: number,
  conversation: number,
  after: number,
  limit: number,
  atMost: number,
): Promise<{ user_id: number; delivered_seq: number; read_seq: number }[]> {
  return sql<{ user_id: number; delivered_seq: number; read_seq: number }[]>`
    select m.user_id, case when m.hides then 0 else coalesce(c.delivered_seq, 0) end as delivered_seq,
      case when m.hides then 0 else coalesce(c.read_seq, 0) end as read_seq
    from (
      select x.user_id, blocks_1(x.user_id, ${user}) as hides from members x
      where x.conversation_id = ${conversation} and x.last_seq is null and x.user_id > ${after}
        and (x.user_id = ${user} or (select members from groups g where g.conversation_id = ${conversation}) <= ${atMost})
      order by x.user_id limit ${limit}
    ) m
    left join lateral (select * from cursors x
      where x.user_id = m.user_id and x.conversation_id = ${conversation} limit 1) c on true
    order by m.user_id`;
}

/** A channel as it is listed. */
interface Channel {
  conversation_id: number;
  title: string;
  topic?: string;
  members: number;
  joined: boolean;
}

/**
 * Channels by their titles, those that are archived left out.
 * @param search how a word of the title begins
 * @param after the last of the page before
 */
export async function listChannels(
  sql: Sql,
  user: number,
  search: string,
  after: number | undefined,
  limit: number,
): Promise<Channel[]> {
  const key = keyOf(search);
  const rows = await sql<(Channel & { topic: string })[]>`
    select g.conversation_id, g.title, g.topic, g.members, exists (
        select from members m where m.user_id = ${user} and m.conversation_id = g.conversation_id and m.last_seq is null
      ) as joined
    from groups g
    where g.kind = 'channel' and g.archived_at is null and (${key} = '' or exists (
        select from channel_words w
        where w.conversation_id = g.conversation_id and w.word >= ${key} and w.word < ${key + LAST_CHARACTER}))
      and (${after ?? null}::bigint is null or (g.title_key, g.conversation_id)
        > (select title_key, conversation_id from groups where conversation_id = ${after ?? null}::bigint))
    order by g.title_key, g.conversation_id limit ${limit}`;
  return rows.map(({ topic, ...channel }) => ({ ...channel, ...(topic !== '' && { topic }) }));
}
