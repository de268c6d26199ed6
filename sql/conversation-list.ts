import type { Conversation } from '../schemas/conversation.js';
import type { Group, GroupEvent, Role } from '../schemas/group.js';
import type { Message } from '../schemas/message.js';
import { type BesideRow, besideOf, presentBeside } from './beside.js';
import type { Sql } from './handle.js';
import { type ChangeRow, changeColumns, changeOf } from './messages.js';
import { type SettingsRow, settingsColumns, settingsOf, unreadColumns } from './unread.js';
import { asShown } from './users.js';

/** By `members.role`. */
export const ROLES = ['member', 'moderator', 'owner'] as const satisfies Role[];

interface ListRow extends SettingsRow, BesideRow, ChangeRow {
  conversation_id: number;
  /** Null in a group. */
  other: number | null;
  username: string;
  lookalike: boolean;
  deleted: boolean;
  last_seq: number;
  read_seq: number;
  unread: number;
  mentions: number;
  blocks: boolean;
  delivered_seq: number;
  other_read_seq: number;
  kind: Group['kind'] | null;
  title: string;
  topic: string;
  role: number;
  posting: number;
  history: Group['history'];
  members: number;
  archived: boolean;
  left_as: Pick<Group, 'title' | 'topic' | 'posting' | 'history' | 'members'> | null;
  is_seen: boolean;
  msg_id: number;
  from_user_id: number;
  created_at: Date;
  client_id: string;
  content: string;
  event: GroupEvent | null;
  last_change: number | null;
  changed_at: Date | null;
}

/** Which rows of the list. */
export interface ListPage {
  /** `msg_id` of the last message of the last row of the page before. */
  cursor?: number | undefined;
  /** This conversation alone, hidden or not. */
  only?: number;
  /** Those, too, that the user has hidden, until something newer comes. */
  hidden?: boolean;
  /** Those alone that the user has pinned. */
  pinned?: boolean;
  limit: number;
  /** Where counting unread messages stops. */
  unreadAtMost: number;
}

/**
 * A page of a user's conversations that have a message, newest first: those of two, and groups that they are in, or were.
 * @returns `next`: the cursor of the next page; null at the end
 */
export async function listConversations(
  sql: Sql,
  user: number,
  { cursor, only, hidden = false, pinned = false, limit, unreadAtMost }: ListPage,
): Promise<{ conversations: Conversation[]; next: number | null }> {
  const which = sql`x.user_id = ${user} ${only === undefined ? sql`` : sql`and x.conversation_id = ${only}`} ${
    pinned
      ? sql`and x.conversation_id = any (array(select conversation_id from settings where user_id = ${user} and pinned))`
      : sql``
  }`;
  // Of those alone that were hidden it is looked at where.
  const isShown =
    hidden || only !== undefined
      ? sql``
      : sql`and (me.conversation_id not in (select conversation_id from settings where user_id = ${user} and hidden_seq is not null)
          or m.seq > (select hidden_seq from settings x where x.user_id = ${user} and x.conversation_id = me.conversation_id))`;
  const newest = sql`
    select c.conversation_id, c.user_a + c.user_b - ${user} as other, m.seq as last_seq,
      case when c.user_a = ${user} then c.b_blocks else c.a_blocks end as blocks,
      coalesce((select x.read_seq from cursors x
        where x.user_id = ${user} and x.conversation_id = c.conversation_id), 0) as read_seq,
      me.first_seq, me.joined_seq, me.hidden, me.last_seq as left_seq, me.role, me.left_as, c.posting,
      m.seq >= me.first_seq and (me.hidden is null or not me.hidden @> m.seq) as is_seen,
      m.msg_id, m.from_user_id, m.created_at, m.client_id, m.content, m.reply_to,
      case when m.kind is null then m.extra end as extra, case when m.kind = 'event' then m.extra end as event,
      ${changeColumns(sql, user)}, h.change as last_change, h.at as changed_at
    from (select * from members x where ${which} offset 0) me
    cross join lateral (select * from conversations x where x.conversation_id = me.conversation_id limit 1) c
    cross join lateral (select * from messages x where x.conversation_id = me.conversation_id
      and x.seq <= coalesce(me.last_seq, ${Number.MAX_SAFE_INTEGER}) order by x.seq desc limit 1) m
    left join lateral (select change, at from changes x
      where x.conversation_id = me.conversation_id order by x.change desc limit 1) h on me.last_seq is null
    where (c.user_a is not null or me.joined_seq is not null) and m.msg_id < ${cursor ?? Number.MAX_SAFE_INTEGER} ${isShown}
    order by m.msg_id desc limit ${limit + 1}`;
  const rows = await sql<ListRow[]>`
    select p.*, coalesce(u.username, '') as username, coalesce(u.lookalike, false) as lookalike,
      u.deleted_at is not null as deleted, g.kind, g.title, g.topic, g.history, g.members, g.archived_at is not null as archived,
      ${unreadColumns(sql, sql`${user}`, unreadAtMost)},
      coalesce(o.delivered_seq, 0) as delivered_seq, coalesce(o.read_seq, 0) as other_read_seq
    from (
      select me.*, ${settingsColumns(sql)} from (${newest}) me
      left join lateral (select * from settings x
        where x.user_id = ${user} and x.conversation_id = me.conversation_id limit 1) s on true
    ) p
    left join lateral (select * from groups x where x.conversation_id = p.conversation_id limit 1) g on p.other is null
    left join users u on u.user_id = p.other
    left join lateral (select * from cursors x
      where x.user_id = p.other and x.conversation_id = p.conversation_id limit 1) o on true
    order by p.msg_id desc`;
  const page = rows.slice(0, limit);
  const next = rows.length > limit ? (page.at(-1)?.msg_id ?? null) : null;
  return { conversations: page.map((row) => shown(row, user)), next };
}

const shown = (row: ListRow, user: number): Conversation => ({
  conversation_id: row.conversation_id,
  ...(row.other === null
    ? { group: groupOf(row) }
    : { user: asShown({ ...row, user_id: row.other, username: row.username || `#${row.other}` }) }),
  last_seq: row.last_seq,
  last_message: row.is_seen ? lastMessage(row, user) : null,
  ...(row.last_change !== null && { change: row.last_change }),
  ...(row.changed_at !== null && { changed_at: row.changed_at.getTime() }),
  unread: row.unread,
  mentions: row.mentions,
  read_seq: row.read_seq,
  settings: settingsOf(row),
  ...(row.other !== null && {
    receipt: row.blocks
      ? { delivered_seq: 0, read_seq: 0 }
      : { delivered_seq: row.delivered_seq, read_seq: row.other_read_seq },
  }),
});

/** Of a group that they have left, what was so then. */
const groupOf = ({
  kind,
  left_as,
  role,
  title,
  topic,
  posting,
  history,
  members,
  archived,
}: ListRow): Group => ({
  kind: kind ?? 'group',
  ...(left_as === null
    ? {
        title,
        ...(topic !== '' && { topic }),
        role: ROLES[role] ?? null,
        posting: posting > 0 ? 'moderators' : 'all',
        history,
        members,
        ...(archived && { archived }),
      }
    : { ...left_as, role: null }),
});

/** What has become of a message. */
function changed(row: ListRow, change: number): Partial<Message> {
  const { editedAt, ...rest } = changeOf(row, change);
  return { ...rest, ...(editedAt !== undefined && { edited_at: new Date(editedAt).toISOString() }) };
}

const lastMessage = (row: ListRow, user: number): Message => ({
  conversation_id: row.conversation_id,
  msg_id: row.msg_id,
  seq: row.last_seq,
  from_user_id: row.from_user_id,
  ...(row.other !== null && { to_user_id: row.from_user_id === user ? row.other : user }),
  content: row.content,
  ...presentBeside(besideOf(row) ?? {}),
  created_at: row.created_at.toISOString(),
  ...(row.change !== null && changed(row, row.change)),
  ...(row.event === null
    ? row.from_user_id === user && { id: row.client_id }
    : { type: 'event', event: row.event }),
});
