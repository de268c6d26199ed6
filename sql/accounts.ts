import { nameKey } from '../schemas/user.js';
import type { Sql } from './handle.js';
import { isOpen } from './invites.js';
import { LAST_CHARACTER } from './users.js';

// What changes who somebody is. Each is one statement: with its row in `audit`, and one in `rings` where replicas keep what it
// changes. An actor that is undefined is the operator.

/** What became of a change. */
export type Outcome = 'done' | 'user_not_found' | 'last_admin';

const CHANGES = {
  suspend: {
    set: 'suspended_at = now(), tokens_from = clock_timestamp()',
    where: 'suspended_at is null',
    ends: true,
    takes: true,
  },
  restore: { set: 'suspended_at = null', where: 'suspended_at is not null', ends: false, takes: false },
  promote: { set: 'is_admin = true', where: 'not is_admin', ends: false, takes: false },
  sign_out: { set: 'tokens_from = clock_timestamp()', where: 'true', ends: true, takes: false },
  end_second_factor: {
    set: 'factor_secret = null, factor_step = null',
    where: 'factor_secret is not null',
    ends: false,
    takes: false,
  },
  demote: { set: 'is_admin = false', where: 'is_admin', ends: false, takes: true },
};
export type Change = keyof typeof CHANGES;

/**
 * Changes what a user may do; done again it changes nothing. `takes` an admin away: never the last. All admins' rows are locked for
 * that and read again, so that of two who demote each other one stays. `ends`: the user's sessions end.
 */
export async function changeUser(
  sql: Sql,
  change: Change,
  user: number,
  actor: number | undefined,
): Promise<Outcome> {
  const { set, where, ends, takes } = CHANGES[change];
  const [row] = await sql<[{ there: boolean; last: boolean }]>`
    with admins as materialized (
      select user_id from users where ${takes} and is_admin and suspended_at is null order by user_id for update
    ), changed as (
      update users set ${sql.unsafe(set)}
      where user_id = ${user} and deleted_at is null and ${sql.unsafe(where)}
        and array(select user_id from admins) <> array[${user}::bigint]
      returning user_id
    ), ended as (
      delete from sessions where ${ends} and user_id = (select user_id from changed)
    ), codes as (
      delete from recovery_codes
      where ${change === 'end_second_factor'} and user_id = (select user_id from changed)
    ), rung as (
      insert into rings (user_id) select user_id from changed
    ), noted as (
      insert into audit (actor_id, action, user_id)
      select ${actor ?? null}::bigint, ${change}::text, user_id from changed
    )
    select exists (select from users where user_id = ${user} and deleted_at is null) as there,
      not exists (select from changed) and array(select user_id from admins) = array[${user}::bigint] as last`;
  return row.there ? (row.last ? 'last_admin' : 'done') : 'user_not_found';
}

/** Whether a user is an admin, who isn't suspended. */
export async function isAdmin(sql: Sql, user: number): Promise<boolean> {
  const [row] = await sql<{ is_admin: boolean }[]>`
    select is_admin and suspended_at is null as is_admin from users where user_id = ${user}`;
  return row?.is_admin === true;
}

/**
 * Makes a one-time link for a user that sets a password, in place of the one before.
 * @param code its hash
 * @returns when it expires; undefined if there is no such user
 */
export async function addReset(
  sql: Sql,
  user: number,
  code: Buffer,
  hours: number,
  actor: number | undefined,
): Promise<Date | undefined> {
  const [row] = await sql<{ expires_at: Date }[]>`
    with made as (
      insert into resets (user_id, code, expires_at)
      select user_id, ${code}, now() + make_interval(hours => ${hours}) from users
      where user_id = ${user} and deleted_at is null for key share
      on conflict (user_id) do update set code = excluded.code, expires_at = excluded.expires_at
      returning user_id, expires_at
    ), noted as (
      insert into audit (actor_id, action, user_id) select ${actor ?? null}::bigint, 'reset_link', user_id from made
    )
    select expires_at from made`;
  return row?.expires_at;
}

/** Whether a link is good now. */
export async function isReset(sql: Sql, code: Buffer): Promise<boolean> {
  const [row] = await sql<[{ good: boolean }]>`
    select exists (select from resets where code = ${code} and expires_at > now()) as good`;
  return row.good;
}

/** Sets a password by a link, which is used up by that, and ends what was signed in before. @returns whose it was; undefined: it isn't good */
export async function useReset(
  sql: Sql,
  code: Buffer,
  password: string,
): Promise<{ user_id: number; username: string } | undefined> {
  const [row] = await sql<{ user_id: number; username: string }[]>`
    with used as (
      delete from resets where code = ${code} and expires_at > now() returning user_id
    ), changed as (
      update users set password = ${password}, tokens_from = clock_timestamp()
      where user_id = (select user_id from used) and deleted_at is null returning user_id, username
    ), ended as (
      delete from sessions where user_id = (select user_id from changed)
    ), rung as (
      insert into rings (user_id) select user_id from changed
    ), noted as (
      insert into audit (actor_id, action, user_id) select user_id, 'reset', user_id from changed
    )
    select user_id, username from changed`;
  return row;
}

/** Deletes a user (sql/migrations/0015_mentions.sql), but for what `eraseSome` erases. @param texts whether that is also what they wrote */
export async function deleteUser(
  sql: Sql,
  user: number,
  texts: boolean,
  actor: number | undefined,
): Promise<Outcome> {
  const [row] = await sql<[{ outcome: Exclude<Outcome, 'done'> | null }]>`
    select outcome from delete_user_3(${user}, ${actor ?? null}, ${texts})`;
  return row.outcome ?? 'done';
}

/** Users who are gone and of whom something is to be erased. */
export async function toErase(sql: Sql): Promise<number[]> {
  const rows = await sql<{ user_id: number }[]>`select user_id from users where erase is not null limit 100`;
  return rows.map((row) => row.user_id);
}

/**
 * Erases some of what somebody wrote who is gone: the ids that they gave to their messages, and the texts where that was asked, with
 * what is beside them, and the titles that they gave to groups.
 * @param after the conversation that the step before ended in
 * @param atMost messages
 * @returns the conversation to go on in; undefined once nothing is left
 */
export async function eraseSome(
  sql: Sql,
  user: number,
  after: number,
  atMost: number,
): Promise<number | undefined> {
  const [row] = await sql<[{ what: number | null; next: number | null; erased: number }]>`
    select what, next, erased from erase_1(${user}, ${after}, ${atMost})`;
  if (row.what === null) return undefined;
  if (row.next === null) {
    // More may have been asked meanwhile.
    const ended = await sql`
      with forgotten as (delete from saved where user_id = ${user})
      update users set erase = null where user_id = ${user} and erase = ${row.what} returning user_id`;
    return ended.length > 0 ? undefined : 0;
  }
  return row.erased < atMost ? row.next + 1 : row.next;
}

/** A user as admins see them. */
export interface AccountRow {
  user_id: number;
  username: string;
  lookalike: boolean;
  created_at: Date | null;
  is_admin: boolean;
  suspended_at: Date | null;
}

/**
 * Users by their numbers, those who are gone left out.
 * @param options beginning: of the name, in any case and Unicode form; after: the last of the page before
 */
export async function listAccounts(
  sql: Sql,
  {
    beginning = '',
    after = 0,
    limit,
  }: { beginning?: string | undefined; after?: number | undefined; limit: number },
): Promise<AccountRow[]> {
  const key = nameKey(beginning);
  return sql<AccountRow[]>`
    select user_id, username, lookalike, created_at, is_admin, suspended_at from users
    where user_id > ${after} and deleted_at is null and name_key >= ${key} and name_key < ${key + LAST_CHARACTER}
    order by user_id limit ${limit}`;
}

export interface AuditRow {
  audit_id: number;
  at: Date;
  actor_id: number | null;
  action: string;
  user_id: number | null;
  invite_id: number | null;
  conversation_id: number | null;
}

/** Who did what, newest first. @param before the last of the page before */
export async function listAudit(sql: Sql, before: number | undefined, limit: number): Promise<AuditRow[]> {
  return sql<AuditRow[]>`
    select audit_id, at, actor_id, action, user_id, invite_id, conversation_id from audit
    where audit_id < ${before ?? Number.MAX_SAFE_INTEGER} order by audit_id desc limit ${limit}`;
}

/** How much there is. */
export async function countAll(sql: Sql): Promise<Record<string, number>> {
  const [row] = await sql<[Record<string, number>]>`
    select count(*) filter (where deleted_at is null)::int as users,
      count(*) filter (where is_admin)::int as admins,
      count(*) filter (where suspended_at is not null and deleted_at is null)::int as suspended,
      count(*) filter (where deleted_at is not null)::int as deleted,
      (select count(*)::int from sessions where ends_at > now()) as sessions,
      (select count(*)::int from invites where ${isOpen(sql)}) as open_invites,
      (select count(*)::int from conversations) as conversations,
      (select case when is_called then last_value else 0 end from message_ids) as number_of_the_last_message
    from users`;
  return row;
}
