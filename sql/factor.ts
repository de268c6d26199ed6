import type { Sql } from './handle.js';

/** A user's second factor. */
export interface Factor {
  /** In Base32; undefined where there is none. */
  secret: string | undefined;
  recoveryCodes: number;
}

export async function findFactor(sql: Sql, user: number): Promise<Factor> {
  const [row] = await sql<{ secret: string | null; codes: number }[]>`
    select factor_secret as secret,
      (select count(*) from recovery_codes r where r.user_id = u.user_id)::int as codes
    from users u where user_id = ${user}`;
  return { secret: row?.secret ?? undefined, recoveryCodes: row?.codes ?? 0 };
}

/** Takes the code of a time step, if none of that step or a later one was taken. @returns whether it was taken now */
export async function takeStep(sql: Sql, user: number, secret: string, step: number): Promise<boolean> {
  const rows = await sql`
    update users set factor_step = ${step}
    where user_id = ${user} and factor_secret = ${secret} and factor_step < ${step} returning user_id`;
  return rows.length > 0;
}

/** @param code its SHA-256 @returns whether it was taken now */
export async function takeRecoveryCode(sql: Sql, user: number, code: Buffer): Promise<boolean> {
  const rows = await sql`
    delete from recovery_codes where user_id = ${user} and code = ${code} returning user_id`;
  return rows.length > 0;
}

/**
 * Gives a user who has none a second factor.
 * @param step of the code that has shown that the user's device has the secret
 * @param codes the SHA-256 of each recovery code, in hexadecimal digits
 * @returns whether there was none
 */
export async function addFactor(
  sql: Sql,
  user: number,
  { secret, step, codes }: { secret: string; step: number; codes: readonly string[] },
): Promise<boolean> {
  const rows = await sql`
    with changed as (
      update users set factor_secret = ${secret}, factor_step = ${step}
      where user_id = ${user} and factor_secret is null returning user_id
    ), codes as (
      insert into recovery_codes (user_id, code)
      select user_id, decode(hex, 'hex') from changed, unnest(string_to_array(${codes.join(',')}::text, ',')) hex
    ), rung as (insert into rings (user_id) select user_id from changed)
    select from changed`;
  return rows.length > 0;
}
