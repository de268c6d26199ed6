import type { User } from '../schemas/user.js';
import type { Sql } from './handle.js';
import { columns, type MessageRow, type Position, type StoredMessage, toStored, toUser } from './messages.js';
import { asShown, type Found } from './users.js';
import { isVisible } from './visible.js';

/**
 * Who has reacted to a message that a user sees, by user and emoji.
 * @param page cursor: the last of the page before, as `<user>.<emoji>`
 */
export async function listReactions(
  sql: Sql,
  user: number,
  { conversation, seq }: Position,
  { emoji, cursor, limit }: { emoji: string | undefined; cursor: string | undefined; limit: number },
): Promise<{ user: User; emoji: string; at: Date }[]> {
  const [, id = '0', after = ''] = /^(\d{1,15})\.(.*)$/su.exec(cursor ?? '') ?? [];
  const rows = await sql<(Found & { emoji: string; at: Date })[]>`
    select r.user_id, r.emoji, r.at, coalesce(u.username, '#' || r.user_id) as username,
      coalesce(u.lookalike, false) as lookalike, u.deleted_at is not null as deleted
    from (
      select * from reactions x where x.conversation_id = ${conversation} and x.seq = ${seq}
        and (${emoji ?? null}::text is null or x.emoji = ${emoji ?? null}) and (x.user_id, x.emoji) > (${Number(id)}, ${after})
        and exists (
          select from members me, messages m where me.user_id = ${user} and me.conversation_id = ${conversation}
            and m.conversation_id = ${conversation} and m.seq = ${seq} and ${isVisible(sql)})
      order by x.user_id, x.emoji limit ${limit}
    ) r left join users u on u.user_id = r.user_id order by r.user_id, r.emoji`;
  return rows.map((row) => ({ user: asShown(row), emoji: row.emoji, at: row.at }));
}

/** Answers to a message, oldest first, as far as a user sees them. @param after the last of the page before */
export async function readReplies(
  sql: Sql,
  user: number,
  { conversation, seq }: Position,
  after: number,
  limit: number,
): Promise<StoredMessage[]> {
  const rows = await sql<MessageRow[]>`
    select ${columns(sql, user)}, ${toUser(sql, user)} as to_user_id
    from messages m join conversations c using (conversation_id)
    join members me on me.user_id = ${user} and me.conversation_id = ${conversation}
    where m.conversation_id = ${conversation} and m.reply_to = ${seq} and m.seq > ${after} and ${isVisible(sql)}
    order by m.seq limit ${limit}`;
  return rows.map(toStored);
}
