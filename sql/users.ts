import { nameKey, nameWords } from '../schemas/user.js';
import { numbers, type Sql, strings } from './handle.js';

export interface UserRow {
  user_id: number;
  username: string;
  password: string;
  suspended: boolean;
}

/**
 * Adds a user.
 * @returns the new id; undefined if the name is taken, in this spelling or in another case or Unicode form
 */
export async function addUser(sql: Sql, username: string, password: string): Promise<number | undefined> {
  const key = nameKey(username);
  const [row] = await sql<{ user_id: number }[]>`
    with added as (
      insert into users (username, password, name_key, words_known) values (${username}, ${password}, ${key}, true)
      on conflict do nothing returning user_id
    ), words as (
      insert into name_words (word, user_id)
      select word, user_id from added, unnest(${strings(nameWords(key))}::text[]) word on conflict do nothing
    )
    select user_id from added`;
  return row?.user_id;
}

/** The user of that very name, else the one whose name differs in case or Unicode form only. */
export async function findByName(sql: Sql, username: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    select user_id, username, password, suspended_at is not null as suspended from users
    where username = ${username} or (name_key = ${nameKey(username)} and not legacy)
    order by username = ${username} desc limit 1`;
  return row;
}

/** The hash of a user's password; undefined if there is no such user. */
export async function findPassword(sql: Sql, id: number): Promise<string | undefined> {
  const [row] = await sql<{ password: string }[]>`select password from users where user_id = ${id}`;
  return row?.password;
}

export async function findUser(
  sql: Sql,
  id: number,
): Promise<(Found & { created_at: Date | null }) | undefined> {
  const [row] = await sql<(Found & { created_at: Date | null })[]>`
    select user_id, username, created_at from users where user_id = ${id}`;
  return row;
}

interface Found {
  user_id: number;
  username: string;
}

/**
 * Users with a word in their name that begins so, without regard to case and Unicode form: the very name first, then
 * names that begin so, then words. Each half reads no more of its index than it may give.
 */
export async function searchUsers(sql: Sql, beginning: string, limit: number): Promise<Found[]> {
  const key = nameKey(beginning);
  const end = key + LAST_CHARACTER;
  return sql<Found[]>`
    select user_id, username from (
      select distinct on (user_id) user_id, place, part from (
        (select user_id, 0 as place, name_key as part from users
          where name_key >= ${key} and name_key < ${end} order by name_key, user_id limit ${limit})
        union all
        (select user_id, 1, word from name_words
          where word >= ${key} and word < ${end} order by word, user_id limit ${2 * limit})
      ) found order by user_id, place, part
    ) one join users using (user_id) order by place, part, user_id limit ${limit}`;
}

/**
 * Everybody by name, a page at a time.
 * @param after the last user of the page before; undefined for the first page
 */
export async function listUsers(sql: Sql, after: number | undefined, limit: number): Promise<Found[]> {
  if (after === undefined)
    return sql<Found[]>`select user_id, username from users order by name_key, user_id limit ${limit}`;
  return sql<Found[]>`
    select user_id, username from users
    where (name_key, user_id) > (select name_key, user_id from users where user_id = ${after})
    order by name_key, user_id limit ${limit}`;
}
/** Sorts after every other in `COLLATE "C"`. */
const LAST_CHARACTER = '\u{10ffff}';

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
    from users where user_id = any (${numbers(users)}::bigint[])`;
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
