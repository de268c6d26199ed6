import { skeleton } from '../schemas/name.js';
import { nameKey, nameWords, type User } from '../schemas/user.js';
import { numbers, type Sql, strings } from './handle.js';
import { isOpen } from './invites.js';

export interface UserRow {
  user_id: number;
  username: string;
  password: string;
  suspended: boolean;
  has_factor: boolean;
}

/**
 * Adds a user: the first of all becomes an admin.
 * @param options invite: the hash of an invite's code, which is used up by one; undefined where none is needed. actor: who makes it
 *   for the user, null for the operator; undefined where the user does. vouched: somebody else answers for it that the name is who it
 *   looks like, so that it may look like one that is there
 * @returns the new id; undefined if the name is taken, in this spelling or in another case or Unicode form, or looks like one that
 *   is; or if the invite isn't open
 */
export async function addUser(
  sql: Sql,
  username: string,
  password: string,
  {
    invite,
    actor,
    vouched = false,
  }: { invite?: Buffer | undefined; actor?: number | null; vouched?: boolean } = {},
): Promise<number | undefined> {
  const key = nameKey(username);
  const looks = skeleton(username);
  const registers = actor === undefined;
  const invited = invite === undefined;
  const [row] = await sql<{ user_id: number }[]>`
    with invited as materialized (
      select invite_id from invites where code = ${invite ?? null}::bytea and ${isOpen(sql)} for update
    ), founded as (
      update installation set founded = true
      where not founded and not exists (select from users) and (${invited} or exists (select from invited))
      returning founded
    ), added as (
      insert into users (username, password, name_key, skeleton, lookalike, words_known, is_admin)
      select ${username}, ${password}, ${key}, ${looks},
        ${vouched} and exists (select from users where skeleton = ${looks} and not lookalike),
        true, exists (select from founded)
      where ${invited} or exists (select from invited)
      on conflict do nothing returning user_id
    ), words as (
      insert into name_words (word, user_id)
      select word, user_id from added, unnest(${strings(nameWords(key))}::text[]) word on conflict do nothing
    ), used as (
      update invites set uses_left = uses_left - 1
      where invite_id = (select invite_id from invited) and exists (select from added)
    ), noted as (
      insert into audit (actor_id, action, user_id, invite_id)
      select case when ${registers} then user_id else ${actor ?? null}::bigint end,
        case when ${registers} then 'register' else 'create' end, user_id, (select invite_id from invited)
      from added
    )
    select user_id from added`;
  return row?.user_id;
}

/** Why a name can't be registered, if it can't. */
export async function whyTaken(
  sql: Sql,
  username: string,
): Promise<'username_taken' | 'username_confusable' | undefined> {
  const [row] = await sql<[{ taken: boolean; alike: boolean }]>`
    select exists (select from users where username = ${username})
        or exists (select from users where name_key = ${nameKey(username)} and not legacy) as taken,
      exists (select from users where skeleton = ${skeleton(username)} and not lookalike) as alike`;
  return row.taken ? 'username_taken' : row.alike ? 'username_confusable' : undefined;
}

/** The user of that very name, else the one whose name differs in case or Unicode form only. */
export async function findByName(sql: Sql, username: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    select user_id, username, password, suspended_at is not null as suspended, factor_secret is not null as has_factor from users
    where username = ${username} or (name_key = ${nameKey(username)} and not legacy)
    order by username = ${username} desc limit 1`;
  return row;
}

/** The hash of a user's password; undefined if there is no such user. */
export async function findPassword(sql: Sql, id: number): Promise<string | undefined> {
  const [row] = await sql<{ password: string }[]>`select password from users where user_id = ${id}`;
  return row?.password;
}

interface MeRow {
  user_id: number;
  username: string;
  is_admin: boolean;
  /** Milliseconds since 1970. */
  muted_until: number | null;
}

/** Who asks, and whether they are an admin. */
export async function findMe(sql: Sql, id: number): Promise<MeRow | undefined> {
  const [row] = await sql<MeRow[]>`
    select user_id, username, is_admin, muted_until from users where user_id = ${id} and deleted_at is null`;
  return row;
}

/** A user, be it one who is gone. */
export async function findPerson(
  sql: Sql,
  id: number,
): Promise<(User & { created_at: Date | null }) | undefined> {
  const [row] = await sql<(Found & { created_at: Date | null })[]>`
    select user_id, username, lookalike, deleted_at is not null as deleted, created_at from users where user_id = ${id}`;
  return row && { ...asShown(row), created_at: row.created_at };
}

export interface Found {
  user_id: number;
  username: string;
  lookalike: boolean;
  deleted?: boolean;
}

/** A user as others see them. */
export const asShown = ({ user_id, username, lookalike, deleted = false }: Found): User => ({
  user_id,
  username,
  ...(deleted ? { deleted } : lookalike && { alike: true }),
});

/**
 * Users with a word in their name that begins so, without regard to case and Unicode form: the very name first, then
 * names that begin so, then words. Each half reads no more of its index than it may give.
 */
export async function searchUsers(sql: Sql, beginning: string, limit: number): Promise<User[]> {
  const key = nameKey(beginning);
  const end = key + LAST_CHARACTER;
  const rows = await sql<Found[]>`
    select user_id, username, lookalike from (
      select distinct on (user_id) user_id, place, part from (
        (select user_id, 0 as place, name_key as part from users
          where name_key >= ${key} and name_key < ${end} order by name_key, user_id limit ${limit})
        union all
        (select user_id, 1, word from name_words
          where word >= ${key} and word < ${end} order by word, user_id limit ${2 * limit})
      ) found order by user_id, place, part
    ) one join users using (user_id) order by place, part, user_id limit ${limit}`;
  return rows.map(asShown);
}

/**
 * Everybody by name, a page at a time.
 * @param after the last user of the page before; undefined for the first page
 */
export async function listUsers(sql: Sql, after: number | undefined, limit: number): Promise<User[]> {
  const rows = await sql<Found[]>`
    select user_id, username, lookalike from users
    where deleted_at is null and ${
      after === undefined
        ? sql`true`
        : sql`(name_key, user_id) > (select name_key, user_id from users where user_id = ${after})`
    }
    order by name_key, user_id limit ${limit}`;
  return rows.map(asShown);
}
/** Sorts after every other in `COLLATE "C"`. */
export const LAST_CHARACTER = '\u{10ffff}';

/** A connection about to open. */
export interface Opening {
  /** Its number: by the clock of the database, so that it grows over a restore, too. */
  number: number;
  username: string;
  /** The last `msg_id` that was drawn. */
  line: number;
}

/**
 * Numbers a connection for each user that is there, in one query for all openings of a moment.
 * @returns by user id
 */
export async function drawConnections(sql: Sql, users: readonly number[]): Promise<Map<number, Opening>> {
  const rows = await sql<(Opening & { user_id: number })[]>`
    select user_id, username,
      greatest((extract(epoch from clock_timestamp()) * 1000000)::bigint, plain_number + 1) as number,
      (select case when is_called then last_value else 0 end from message_ids) as line
    from users where user_id = any (${numbers(users)}::bigint[]) and deleted_at is null`;
  return new Map(rows.map((row) => [row.user_id, row]));
}

/** Fills in the folded names of rows that came without: those of the reference, or put there by hand. */
export async function fillNameKeys(sql: Sql): Promise<void> {
  for (;;) {
    const rows = await sql<{ user_id: number; username: string }[]>`
      select user_id, username from users where name_key is null order by user_id limit 1000`;
    if (rows.length === 0) return;
    const keys = rows.map((row) => nameKey(row.username));
    const taken = new Set(
      (
        await sql<{ name_key: string }[]>`
        select name_key from users where name_key = any (${strings(keys)}::text[]) and not legacy`
      ).map((row) => row.name_key),
    );
    const legacy = keys.map((key) => taken.has(key) || !taken.add(key));
    await sql`
      update users u set name_key = v.key, legacy = v.legacy
      from unnest(${numbers(rows.map((row) => row.user_id))}::bigint[], ${strings(keys)}::text[],
        ${`{${legacy.join(',')}}`}::boolean[]) v(user_id, key, legacy)
      where u.user_id = v.user_id`;
  }
}

/** Notes what the names look like of which that isn't known yet. */
export async function fillSkeletons(sql: Sql): Promise<void> {
  for (;;) {
    const rows = await sql<{ user_id: number; username: string }[]>`
      select user_id, username from users where skeleton is null order by user_id limit 1000`;
    if (rows.length === 0) return;
    await sql`
      update users u set skeleton = v.skeleton, lookalike = v.rank > 1 or exists (
        select from users x where x.skeleton = v.skeleton and not x.lookalike)
      from (
        select user_id, skeleton, row_number() over (partition by skeleton order by user_id) as rank
        from unnest(${numbers(rows.map((row) => row.user_id))}::bigint[],
          ${strings(rows.map((row) => skeleton(row.username)))}::text[]) v(user_id, skeleton)
      ) v
      where u.user_id = v.user_id`;
  }
}

/** Cuts the names into words where that is not done yet: after `fillNameKeys`. */
export async function fillNameWords(sql: Sql): Promise<void> {
  for (;;) {
    const rows = await sql<{ user_id: number; name_key: string }[]>`
      select user_id, name_key from users where not words_known order by user_id limit 1000`;
    if (rows.length === 0) return;
    const words = rows.flatMap((row) => nameWords(row.name_key).map((word) => ({ ...row, word })));
    await sql`
      insert into name_words (word, user_id)
      select word, user_id
      from unnest(${strings(words.map(({ word }) => word))}::text[],
        ${numbers(words.map(({ user_id }) => user_id))}::bigint[]) v(word, user_id)
      on conflict do nothing`;
    await sql`
      update users set words_known = true
      where user_id = any (${numbers(rows.map(({ user_id }) => user_id))}::bigint[])`;
  }
}

/** What these users are called. */
export async function namesOf(sql: Sql, users: readonly number[]): Promise<Map<number, string>> {
  const rows = await sql<{ user_id: number; username: string }[]>`
    select user_id, username from users where user_id = any (${numbers(users)}::bigint[])`;
  return new Map(rows.map(({ user_id, username }) => [user_id, username]));
}
