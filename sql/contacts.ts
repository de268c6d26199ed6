import type { User } from '../schemas/user.js';
import { nameKey } from '../schemas/user.js';
import { numbers, parseNumbers, type Sql } from './handle.js';
import { asShown, type Found, LAST_CHARACTER } from './users.js';

/** Who keeps whom out. */
export interface Relation {
  /** Grows with whatever changes of the user's contacts, requests and blocks. */
  version: number;
  /** Who has blocked the user. */
  blockers: ReadonlySet<number>;
  /** With whom nothing can be said: who has blocked the user, and whom the user has. */
  closed: ReadonlySet<number>;
}

/** @returns by user; missing where there is no such user */
export async function relationsOf(sql: Sql, users: readonly number[]): Promise<Map<number, Relation>> {
  const rows = await sql<{ user_id: number; version: number; blockers: string; blocked: string }[]>`
    select u.user_id, u.contacts_version as version, array(
        select c.user_b from conversations c where c.user_a = u.user_id and (c.a_blocks or c.b_blocks) and c.b_blocks
        union all
        select c.user_a from conversations c where c.user_b = u.user_id and (c.a_blocks or c.b_blocks) and c.a_blocks
      )::text as blockers, array(
        select c.user_b from conversations c where c.user_a = u.user_id and (c.a_blocks or c.b_blocks) and c.a_blocks
        union all
        select c.user_a from conversations c where c.user_b = u.user_id and (c.a_blocks or c.b_blocks) and c.b_blocks
      )::text as blocked
    from users u where u.user_id = any (${numbers(users)}::bigint[])`;
  return new Map(
    rows.map(({ user_id, version, blockers: by, blocked }) => {
      const blockers = new Set(parseNumbers(by));
      return [user_id, { version, blockers, closed: new Set([...blockers, ...parseNumbers(blocked)]) }];
    }),
  );
}

/** Somebody whom a user wants for a contact, or who wants the user. */
export interface Wanted {
  person: User;
  /** Whether the user wants them, and they the user: both do who are contacts. */
  wants: boolean;
  wanted: boolean;
}

/**
 * A user's contacts and requests, by name.
 * @param atMost how many of those who ask: the newest
 * @returns `version`: how it was at the earliest
 */
export async function listContacts(
  sql: Sql,
  user: number,
  atMost: number,
): Promise<{ version: number; people: Wanted[] }> {
  // Read first: what changes in between is told once more rather than never.
  const [row] = await sql<{ version: number }[]>`
    select contacts_version as version from users where user_id = ${user}`;
  const rows = await sql<(Found & { wants: boolean; wanted: boolean })[]>`
    select user_id, username, lookalike, wants, wanted from (
      select f.friend_id as user_id, true as wants,
        coalesce((select true from friends x where x.user_id = f.friend_id and x.friend_id = ${user}), false) as wanted
      from friends f where f.user_id = ${user}
      union all
      (select f.user_id, false, true from friends f
        where f.friend_id = ${user} and (select true from friends x where x.user_id = ${user} and x.friend_id = f.user_id) is null
        order by f.at desc nulls last limit ${atMost})
    ) f join users u using (user_id) order by u.name_key, user_id`;
  const people = rows.map((one) => ({ person: asShown(one), wants: one.wants, wanted: one.wanted }));
  return { version: row?.version ?? 0, people };
}

/** Whom a user has blocked, by name. */
export async function listBlocked(sql: Sql, user: number, atMost: number): Promise<User[]> {
  const rows = await sql<Found[]>`
    select user_id, username, lookalike from (
      select c.user_b as user_id from conversations c where c.user_a = ${user} and (c.a_blocks or c.b_blocks) and c.a_blocks
      union all
      select c.user_a from conversations c where c.user_b = ${user} and (c.a_blocks or c.b_blocks) and c.b_blocks
    ) b join users u using (user_id) order by u.name_key, user_id limit ${atMost}`;
  return rows.map(asShown);
}

/** Asks somebody to be a contact, or accepts that they have asked. @returns `contact`, `asked`, or why not */
export async function addContact(
  sql: Sql,
  user: number,
  other: number,
  atMost: { contacts: number; requests: number },
): Promise<'contact' | 'asked' | 'user_not_found' | 'not_accepted' | 'list_full'> {
  const [row] = await sql<[{ outcome: Awaited<ReturnType<typeof addContact>> }]>`
    select outcome from add_contact_1(${user}, ${other}, ${atMost.contacts}, ${atMost.requests})`;
  return row.outcome;
}

/** Ends that two are contacts, or that one of them asks. @returns whether there was something */
export async function removeContact(sql: Sql, user: number, other: number): Promise<boolean> {
  const [row] = await sql<[{ removed: boolean }]>`select removed from remove_contact_1(${user}, ${other})`;
  return row.removed;
}

/** Blocks somebody: once this is answered nothing more is stored between the two. @returns why not, or null */
export async function block(
  sql: Sql,
  user: number,
  other: number,
  atMost: number,
): Promise<'user_not_found' | 'list_full' | null> {
  const [row] = await sql<[{ outcome: Awaited<ReturnType<typeof block>> }]>`
    select outcome from block_1(${user}, ${other}, ${atMost})`;
  return row.outcome;
}

/** Takes a block back. @returns whether there was one */
export async function unblock(sql: Sql, user: number, other: number): Promise<boolean> {
  const [row] = await sql<[{ unblocked: boolean }]>`select unblocked from unblock_1(${user}, ${other})`;
  return row.unblocked;
}

// ---- where people find their contacts alone ----

/** Whom a user finds: contacts, who talks with them, and themselves. */
const foundBy = (sql: Sql, user: number) => sql`
  select f.friend_id as user_id from friends f
  where f.user_id = ${user} and (select true from friends x where x.user_id = f.friend_id and x.friend_id = ${user})
  union
  select c.user_a + c.user_b - ${user} from (select conversation_id from members x where x.user_id = ${user} offset 0) m
  cross join lateral (select * from conversations x where x.conversation_id = m.conversation_id limit 1) c
  where c.user_a is not null and (select true from messages x where x.conversation_id = m.conversation_id limit 1)
  union select ${user}`;

/** The same as `searchUsers`, of those whom a user finds, and who has that very name. */
export async function searchFound(sql: Sql, user: number, beginning: string, limit: number): Promise<User[]> {
  const key = nameKey(beginning);
  const end = key + LAST_CHARACTER;
  const rows = await sql<Found[]>`
    with found as materialized (${foundBy(sql, user)})
    select user_id, username, lookalike from (
      select u.user_id, u.username, u.lookalike, u.name_key, u.name_key < ${key} or u.name_key >= ${end} as by_word
      from found f cross join lateral (select * from users x where x.user_id = f.user_id limit 1) u
      where (u.name_key >= ${key} and u.name_key < ${end}) or exists (
        select from (select word from name_words x where x.user_id = f.user_id offset 0) w
        where w.word >= ${key} and w.word < ${end})
      union
      select user_id, username, lookalike, name_key, false from users where name_key = ${key}
    ) one order by by_word, name_key, user_id limit ${limit}`;
  return rows.map(asShown);
}

/** The same as `listUsers`, of those whom a user finds. */
export async function listFound(
  sql: Sql,
  user: number,
  after: number | undefined,
  limit: number,
): Promise<User[]> {
  const rows = await sql<Found[]>`
    with found as materialized (${foundBy(sql, user)})
    select u.user_id, u.username, u.lookalike
    from found f cross join lateral (select * from users x where x.user_id = f.user_id limit 1) u
    where u.deleted_at is null and (${after ?? null}::bigint is null
      or (u.name_key, u.user_id) > (select name_key, user_id from users where user_id = ${after ?? null}::bigint))
    order by u.name_key, u.user_id limit ${limit}`;
  return rows.map(asShown);
}

/**
 * Whether a user may know who has a number: themselves, whom they find, who asks or is asked, whom they have blocked, and whose whole
 * name they say.
 */
export async function mayKnow(
  sql: Sql,
  user: number,
  other: number,
  name: string | undefined,
): Promise<boolean> {
  const key = name === undefined ? '' : nameKey(name);
  const [row] = await sql<[{ knows: boolean }]>`
    select coalesce(${user} = ${other}
      or (select true from users where user_id = ${other} and name_key = ${key} and ${key} <> '')
      or (select true from friends where user_id = ${user} and friend_id = ${other})
      or (select true from friends where user_id = ${other} and friend_id = ${user})
      or (select blocks_1(${user}, ${other}) or exists (
          select from messages m where m.conversation_id = c.conversation_id)
        from conversations c where c.user_a = least(${user}::bigint, ${other}) and c.user_b = greatest(${user}::bigint, ${other})),
      false) as knows`;
  return row.knows;
}
