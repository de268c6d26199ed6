import type { ErrorCode } from '../schemas/error.js';
import { OWN } from '../schemas/limits.js';
import type { SettingsChange } from '../schemas/settings.js';
import { numbers, type Sql } from './handle.js';

/**
 * Changes what a user has set of a conversation that is in their list (sql/migrations/0015_mentions.sql).
 * @returns whether anything is another now, or why it isn't done
 */
export async function setSettings(
  sql: Sql,
  user: number,
  conversation: number,
  change: SettingsChange,
): Promise<boolean | { problem: ErrorCode }> {
  const [row] = await sql<[{ outcome: ErrorCode | null; changed: boolean | null }]>`
    select outcome, changed from set_settings_1(${user}, ${conversation}, ${JSON.stringify(change)}::text::jsonb, ${OWN.pinned})`;
  return row.outcome === null ? row.changed === true : { problem: row.outcome };
}

/** Has a user notified of nothing until then; null: not any more. @returns whether that is another now */
export async function setMuted(sql: Sql, user: number, until: number | null): Promise<boolean> {
  const rows = await sql`
    update users set muted_until = ${until}::bigint
    where user_id = ${user} and deleted_at is null and muted_until is distinct from ${until}::bigint returning user_id`;
  return rows.length > 0;
}

/** Until when these users want to be notified of nothing. */
export async function mutedUntil(
  sql: Sql,
  users: readonly number[],
): Promise<{ user: number; until: number | null }[]> {
  return sql<{ user: number; until: number | null }[]>`
    select user_id as "user", muted_until as until from users where user_id = any (${numbers(users)}::bigint[])`;
}
