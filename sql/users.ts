import { nameKey } from '../schemas/user.js';
import { numbers, type Sql, strings } from './handle.js';

export interface UserRow {
  user_id: number;
  username: string;
  password: string;
}

/**
 * Adds a user.
 * @returns the new id; undefined if the name is taken, in this spelling or in another case or Unicode form
 */
export async function addUser(sql: Sql, username: string, password: string): Promise<number | undefined> {
  const [row] = await sql<{ user_id: number }[]>`
    insert into users (username, password, name_key) values (${username}, ${password}, ${nameKey(username)})
    on conflict do nothing returning user_id`;
  return row?.user_id;
}

/** The user of that very name, else the one whose name differs in case or Unicode form only. */
export async function findByName(sql: Sql, username: string): Promise<UserRow | undefined> {
  const [row] = await sql<UserRow[]>`
    select user_id, username, password from users
    where username = ${username} or (name_key = ${nameKey(username)} and not legacy)
    order by username = ${username} desc limit 1`;
  return row;
}

export async function findUser(
  sql: Sql,
  id: number,
): Promise<{ user_id: number; username: string } | undefined> {
  const [row] = await sql<{ user_id: number; username: string }[]>`
    select user_id, username from users where user_id = ${id}`;
  return row;
}

/** Users whose name begins so, without regard to case and Unicode form, by name. */
export async function searchUsers(
  sql: Sql,
  beginning: string,
  limit: number,
): Promise<{ user_id: number; username: string }[]> {
  const key = nameKey(beginning);
  return sql<{ user_id: number; username: string }[]>`
    select user_id, username from users
    where name_key >= ${key} and name_key < ${key + LAST_CHARACTER} order by name_key, user_id limit ${limit}`;
}
/** Sorts after every other in `COLLATE "C"`. */
const LAST_CHARACTER = '\u{10ffff}';

/** A connection about to open. */
export interface Opening {
  /** Its fencing number. */
  number: number;
  username: string;
  /** The user's highest debt: what is owed from before. 0 where nothing is. */
  line: number;
}

/**
 * Numbers a connection for each user that is there, in one query for all openings of a moment.
 * @returns by user id
 */
export async function drawConnections(sql: Sql, users: readonly number[]): Promise<Map<number, Opening>> {
  const rows = await sql<(Opening & { user_id: number })[]>`
    select user_id, username, nextval('connection_numbers') as number,
      coalesce((select msg_id from offline_messages o where o.to_user_id = users.user_id
        order by msg_id desc limit 1), 0) as line
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
