import { numbers, parseNumbers, type Sql, strings } from './handle.js';

/** What somebody signs in with, and where. */
export interface NewSession {
  sid: string;
  user: number;
  device: string;
  address: string;
  /** Whether the device is the user's own. */
  stays: boolean;
  days: number;
  /** SHA-256 of the device secret; undefined where the client was given none. */
  secret: Buffer | undefined;
  /** The hash that the password was compared with; undefined where a token was shown. */
  password: string | undefined;
}

/**
 * Adds a session, and ends those that are too many, silent longest first.
 * @returns false if the user isn't there, is suspended, or has another password by now
 */
export async function addSession(sql: Sql, session: NewSession, atMost: number): Promise<boolean> {
  const { sid, user, device, address, stays, days, secret = null, password = null } = session;
  const rows = await sql`
    with surplus as (
      delete from sessions where sid = any (array(
        select sid from sessions where user_id = ${user} order by seen_at desc offset ${atMost - 1}))
      returning sid
    ), rung as (
      insert into rings (user_id) select ${user} where exists (select from surplus)
    )
    insert into sessions (sid, user_id, device, address, stays, ends_at, secret, changed_at)
    select ${sid}, user_id, ${device}, ${address}, ${stays}, now() + make_interval(days => ${days}), ${secret}::bytea, now()
    from users
    where user_id = ${user} and suspended_at is null and password = coalesce(${password}::text, password)
    returning sid`;
  return rows.length > 0;
}

/** What decides whether tokens of a user are valid. */
/** Of those who have a token without a session, or none: many have, and each map takes memory. */
const NONE: ReadonlyMap<string, number> = new Map();

export interface Standing {
  suspended: boolean;
  /** Whether there is a second factor. */
  hasFactor: boolean;
  /** Milliseconds since 1970; undefined where that isn't known. */
  createdAt: number | undefined;
  /** Tokens without a session are void if they are older, in milliseconds since 1970. */
  tokensFrom: number | undefined;
  /** When each session ends, in milliseconds since 1970. */
  sessions: ReadonlyMap<string, number>;
}

/** @returns by user id; missing where there is no such user */
export async function standingsOf(sql: Sql, users: readonly number[]): Promise<Map<number, Standing>> {
  const rows = await sql<
    {
      user_id: number;
      suspended: boolean;
      has_factor: boolean;
      created_at: Date | null;
      tokens_from: Date | null;
      sessions: string | null;
    }[]
  >`
    select u.user_id, u.suspended_at is not null as suspended, u.factor_secret is not null as has_factor,
      u.created_at, u.tokens_from, (
      select json_agg(json_build_array(s.sid, round(extract(epoch from s.ends_at) * 1000)))
      from sessions s where s.user_id = u.user_id
    )::text as sessions
    from users u where u.user_id = any (${numbers(users)}::bigint[])`;
  return new Map(
    rows.map((row) => {
      const sessions: [string, number][] = JSON.parse(row.sessions ?? '[]');
      const standing = {
        suspended: row.suspended,
        hasFactor: row.has_factor,
        createdAt: row.created_at?.getTime(),
        tokensFrom: row.tokens_from?.getTime(),
        sessions: sessions.length === 0 ? NONE : new Map(sessions),
      };
      return [row.user_id, standing];
    }),
  );
}

type Times = 'created_at' | 'seen_at' | 'ends_at';

/** A session, with times in RFC 3339. */
export interface SessionRow {
  sid: string;
  device: string;
  address: string;
  created_at: string;
  seen_at: string;
  ends_at: string;
}

/** A user's sessions, last seen first. */
export async function listSessions(sql: Sql, user: number): Promise<SessionRow[]> {
  const rows = await sql<(Omit<SessionRow, Times> & Record<Times, Date>)[]>`
    select sid, device, address, created_at, seen_at, ends_at from sessions
    where user_id = ${user} and ends_at > now() order by seen_at desc, sid`;
  return rows.map((row) => ({
    ...row,
    created_at: row.created_at.toISOString(),
    seen_at: row.seen_at.toISOString(),
    ends_at: row.ends_at.toISOString(),
  }));
}

/** Notes that sessions are in use, of those that weren't for five minutes. */
export async function touchSessions(sql: Sql, sids: readonly string[]): Promise<void> {
  await sql`
    update sessions set seen_at = now()
    where sid = any (${strings(sids)}::text[]) and seen_at < now() - interval '5 minutes'`;
}

/** Ends one session of a user. @returns whether it was there */
export async function endSession(sql: Sql, user: number, sid: string): Promise<boolean> {
  const [row] = await sql<[{ gone: boolean }]>`
    with gone as (delete from sessions where sid = ${sid} and user_id = ${user} returning sid),
    rung as (insert into rings (user_id) select ${user} from gone)
    select exists (select from gone) as gone`;
  return row.gone;
}

/**
 * Ends all sessions of a user and voids their tokens that have none, but for one session.
 * @param kept the session that stays; undefined for none
 * @param password the new password's hash, which voids a link that sets one; undefined if it stays as it is
 */
export async function endSessions(
  sql: Sql,
  user: number,
  kept: string | undefined,
  password?: string,
): Promise<void> {
  await sql`
    with gone as (delete from sessions where user_id = ${user} and sid is distinct from ${kept ?? null}::text),
    spent as (delete from resets where user_id = ${user} and ${password !== undefined}),
    rung as (insert into rings (user_id) values (${user}))
    update users set tokens_from = clock_timestamp(), password = coalesce(${password ?? null}::text, password)
    where user_id = ${user}`;
}

/** Voids a user's tokens that have no session. */
export async function endSessionless(sql: Sql, user: number): Promise<void> {
  await sql`
    with rung as (insert into rings (user_id) values (${user}))
    update users set tokens_from = clock_timestamp() where user_id = ${user}`;
}

/** What a device shows, and what it is to show from then on if it is time to change. */
export interface Shown {
  sid: string;
  /** SHA-256 of each. */
  secret: Buffer;
  next: Buffer;
  days: number;
  /** The same for a device that isn't the user's own. */
  foreignDays: number;
}

export interface Exchanged {
  user_id: number;
  username: string;
  ends_at: Date;
  stays: boolean;
  /** Whether the device has to show the next secret. */
  changed: boolean;
}

/**
 * Takes a device's secret, and has it changed where it is older than a day. The one before is taken until a minute after the new
 * one was first shown: answers get lost, and tabs ask at once.
 * @returns undefined if the secret or its user isn't valid
 */
export async function exchangeSecret(sql: Sql, shown: Shown): Promise<Exchanged | undefined> {
  const { sid, secret, next, days, foreignDays } = shown;
  const [row] = await sql<Exchanged[]>`
    update sessions s set
      seen_at = now(),
      ends_at = now() + make_interval(days => case when s.stays then ${days}::int else ${foreignDays}::int end),
      secret = case when s.secret = ${secret} and s.changed_at < now() - interval '1 day' then ${next} else s.secret end,
      secret_before =
        case when s.secret = ${secret} and s.changed_at < now() - interval '1 day' then s.secret else s.secret_before end,
      known_at = case
        when s.secret <> ${secret} then s.known_at
        when s.changed_at < now() - interval '1 day' then null
        else coalesce(s.known_at, now()) end,
      changed_at =
        case when s.secret = ${secret} and s.changed_at < now() - interval '1 day' then now() else s.changed_at end
    from users u
    where s.sid = ${sid} and s.ends_at > now() and u.user_id = s.user_id and u.suspended_at is null
      and (s.secret = ${secret} or (
        s.secret_before = ${secret} and coalesce(s.known_at, now()) > now() - interval '1 minute'))
    returning u.user_id, u.username, s.ends_at, s.stays, s.secret <> ${secret} as changed`;
  return row;
}

/** Whether a device's secret is one of this user. */
export async function holdsSecret(sql: Sql, user: number, sid: string, secret: Buffer): Promise<boolean> {
  const rows = await sql`
    select from sessions where sid = ${sid} and user_id = ${user} and ends_at > now()
      and (secret = ${secret} or secret_before = ${secret})`;
  return rows.length > 0;
}

/** What a look at the rings found. */
export interface Rung {
  /** What this look could see: where the next one goes on. */
  snapshot: string;
  /** Whether there may be more than it found. */
  isPart: boolean;
  users: number[];
  /** Of the secret that an instance on this database signed with, the last that started. */
  print: string | null;
}

/**
 * For which users rings came since a look before, in whatever order they committed (see `lookAtBatches`).
 * @param since the `snapshot` of that look; undefined for the first one
 */
export async function lookAtRings(sql: Sql, since: string | undefined): Promise<Rung> {
  const from = since ?? '1:1:';
  const [row] = await sql<
    [{ snapshot: string; is_part: boolean; users: string | null; print: string | null }]
  >`
    with rows as materialized (
      select user_id from rings where xid >= pg_snapshot_xmax(${from}::pg_snapshot)
      union all
      select user_id from rings where xid = any (array(select pg_snapshot_xip(${from}::pg_snapshot)))
    )
    select pg_current_snapshot()::text as snapshot, i.secret_print as print,
      i.rings_pruned >= pg_snapshot_xmin(${from}::pg_snapshot)
        or pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax(${from}::pg_snapshot) as is_part,
      (select array_agg(distinct user_id) from rows)::text as users
    from installation i`;
  const { snapshot, is_part: isPart, print } = row;
  return { snapshot, isPart: isPart || since === undefined, users: parseNumbers(row.users ?? ''), print };
}

/** Deletes rings that are older than every look, and sessions that are over, some at a time. @returns whether there may be more */
export async function pruneSessions(sql: Sql, minutes: number, atMost: number): Promise<boolean> {
  const [row] = await sql<[{ gone: number; over: number }]>`
    with gone as (
      delete from rings where ctid = any (array(
        select ctid from rings where at < now() - make_interval(mins => ${minutes}) order by at limit ${atMost}))
      returning xid
    ), noted as (
      update installation set rings_pruned = (select xid from gone order by xid desc limit 1)
      where rings_pruned < (select xid from gone order by xid desc limit 1)
    ), over as (
      delete from sessions where sid = any (array(select sid from sessions where ends_at < now() limit ${atMost}))
      returning sid
    )
    select (select count(*) from gone)::int as gone, (select count(*) from over)::int as over`;
  return Math.max(row.gone, row.over) === atMost;
}

/** Forgets rings that another cluster numbered (see `forgetForeignBatches`). */
export async function forgetForeignRings(sql: Sql): Promise<void> {
  await sql`delete from rings where xid >= pg_snapshot_xmax(pg_current_snapshot())`;
  await sql`update installation set rings_pruned = '0' where rings_pruned >= pg_snapshot_xmax(pg_current_snapshot())`;
}

/** Says which secret an instance that starts signs with. */
export async function noteSecret(sql: Sql, print: string): Promise<void> {
  await sql`update installation set secret_print = ${print} where secret_print is distinct from ${print}`;
}
