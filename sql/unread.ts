import type { OwnSettings } from '../schemas/settings.js';
import { numbers, type Sql } from './handle.js';

/** Columns of what a user has set of a conversation; null where they have set nothing. */
export interface SettingsRow {
  level: OwnSettings['level'] | null;
  muted_until: number | null;
  pinned: boolean | null;
  is_hidden: boolean | null;
  unread_from: number | null;
}

/** What is so where nothing is set. */
export const settingsOf = (row: SettingsRow): OwnSettings => ({
  level: row.level ?? 'all',
  muted_until: row.muted_until,
  pinned: row.pinned ?? false,
  hidden: row.is_hidden ?? false,
  unread_from: row.unread_from,
});

/**
 * These columns, and `unread_after`: past which place messages are unread; null for who has left. Of what was there when they came into
 * a group nothing is, unless they marked it; of what is hidden from them nothing ever.
 *
 * Beside rows `s` of `settings`, and `me`: of `members` what that says, `left_seq` instead of `last_seq`; `read_seq`; and `last_seq`,
 * where the conversation ends for them.
 */
export const settingsColumns = (sql: Sql) => sql`
  s.level, s.muted_until, s.pinned, s.hidden_seq >= me.last_seq as is_hidden, s.unread_from,
  case when me.left_seq is not null then null
    when s.unread_from is not null then greatest(s.unread_from, case when me.hidden is null then me.first_seq else me.joined_seq end) - 1
    else greatest(me.read_seq, me.first_seq - 1, me.joined_seq - 1) end as unread_after`;

/**
 * How many messages of others are unread, and how many of those mention the user or all: rows `p` have a `conversation_id` and
 * `unread_after`.
 */
export const unreadColumns = (sql: Sql, user: ReturnType<Sql>, atMost: number) => sql`
  greatest((p.unread_from is not null and p.unread_after is not null)::int, (select count(*) from (select from messages x
    where x.conversation_id = p.conversation_id and x.seq > p.unread_after and x.from_user_id <> ${user}
      and x.kind is null limit ${atMost}) counted)) as unread,
  (select count(*) from (
    select 1 from mentions x where x.conversation_id = p.conversation_id and x.user_id = ${user} and x.seq > p.unread_after
    union all
    select 1 from mentions x where x.conversation_id = p.conversation_id and x.user_id = 0 and x.seq > p.unread_after
      and (select m.from_user_id from messages m where m.conversation_id = p.conversation_id and m.seq = x.seq) <> ${user}
    limit ${atMost}) counted) as mentions`;

/** What a user has set of a conversation, and how far they have read it. */
export interface OwnState {
  user: number;
  conversation: number;
  settings: OwnSettings;
  read: number;
  unread: number;
  mentions: number;
}

/** How these users stand in these conversations; left out are those that aren't in one, nor were. @param atMost where counting stops */
export async function ownStates(
  sql: Sql,
  places: readonly { user: number; conversation: number }[],
  atMost: number,
): Promise<OwnState[]> {
  const rows = await sql<(SettingsRow & Omit<OwnState, 'settings'>)[]>`
    select p.*, ${unreadColumns(sql, sql`p.user_id`, atMost)} from (
      select me.user_id, me.conversation_id, me.user_id as "user", me.conversation_id as conversation, me.read_seq as read,
        ${settingsColumns(sql)}
      from unnest(${numbers(places.map(({ user }) => user))}::bigint[],
        ${numbers(places.map(({ conversation }) => conversation))}::bigint[]) asked(user_id, conversation_id)
      cross join lateral (
        select user_id, conversation_id, first_seq, joined_seq, hidden, last_seq as left_seq,
          coalesce((select k.read_seq from cursors k where k.user_id = x.user_id and k.conversation_id = x.conversation_id), 0) as read_seq,
          (select m.seq from messages m where m.conversation_id = x.conversation_id
            and m.seq <= coalesce(x.last_seq, ${Number.MAX_SAFE_INTEGER}) order by m.seq desc limit 1) as last_seq
        from members x where x.user_id = asked.user_id and x.conversation_id = asked.conversation_id limit 1
      ) me
      left join lateral (select * from settings x
        where x.user_id = me.user_id and x.conversation_id = me.conversation_id limit 1) s on true
    ) p`;
  return rows.map(({ user, conversation, read, unread, mentions, ...row }) => ({
    ...{ user, conversation, read, unread, mentions },
    settings: settingsOf(row),
  }));
}
