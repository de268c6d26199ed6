import type { Sql } from './handle.js';

/** Whether an invite can be taken at this moment. */
export const isOpen = (sql: Sql) =>
  sql`uses_left > 0 and revoked_at is null and expires_at > now() and (not first or not exists (select from users))`;

/** An invite as admins see it: its code is known to nobody but those who were given it. */
export interface InviteRow {
  invite_id: number;
  made_by: number | null;
  made_at: Date;
  expires_at: Date;
  uses_left: number;
  revoked_at: Date | null;
}

export interface NewInvite {
  /** The hash of its code. */
  code: Buffer;
  /** Hours that it is open. */
  hours: number;
  uses: number;
}

/**
 * Adds an invite.
 * @param actor undefined: the operator
 * @param atMost invites that may be open
 * @returns undefined where that many are
 */
export async function addInvite(
  sql: Sql,
  { code, hours, uses }: NewInvite,
  actor: number | undefined,
  atMost: number,
): Promise<InviteRow | undefined> {
  const [row] = await sql<InviteRow[]>`
    with made as (
      insert into invites (code, made_by, expires_at, uses_left)
      select ${code}, ${actor ?? null}::bigint, now() + make_interval(hours => ${hours}), ${uses}
      where (select count(*) from (select from invites where ${isOpen(sql)} limit ${atMost}) open) < ${atMost}
      returning invite_id, made_by, made_at, expires_at, uses_left, revoked_at
    ), noted as (
      insert into audit (actor_id, action, invite_id) select made_by, 'invite', invite_id from made
    )
    select * from made`;
  return row;
}

/** Adds an invite for the first account of all, as long as there is none. @returns whether there is none */
export async function addFirstInvite(sql: Sql, code: Buffer, hours: number): Promise<boolean> {
  const rows = await sql`
    insert into invites (code, expires_at, uses_left, first)
    select ${code}, now() + make_interval(hours => ${hours}), 1, true
    where (select not founded from installation) and not exists (select from users) returning invite_id`;
  return rows.length > 0;
}

/** Whether a code opens the door now. */
export async function isInvited(sql: Sql, code: Buffer): Promise<boolean> {
  const [row] = await sql<[{ open: boolean }]>`
    select exists (select from invites where code = ${code} and ${isOpen(sql)}) as open`;
  return row.open;
}

/** Invites, newest first; those of the starts only as long as they open the door, or if one did. @param before the last of the page before */
export async function listInvites(sql: Sql, before: number | undefined, limit: number): Promise<InviteRow[]> {
  return sql<InviteRow[]>`
    select invite_id, made_by, made_at, expires_at, uses_left, revoked_at from invites
    where invite_id < ${before ?? Number.MAX_SAFE_INTEGER}
      and (not first or uses_left = 0 or not exists (select from users)) order by invite_id desc limit ${limit}`;
}

/** Revokes an invite. @returns whether there is one, revoked now or before */
export async function revokeInvite(sql: Sql, id: number, actor: number | undefined): Promise<boolean> {
  const [row] = await sql<[{ there: boolean }]>`
    with revoked as (
      update invites set revoked_at = now() where invite_id = ${id} and revoked_at is null returning invite_id
    ), noted as (
      insert into audit (actor_id, action, invite_id)
      select ${actor ?? null}::bigint, 'revoke_invite', invite_id from revoked
    )
    select exists (select from invites where invite_id = ${id}) as there`;
  return row.there;
}
