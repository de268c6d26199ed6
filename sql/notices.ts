import type { Sql } from './handle.js';

/** What the operator has on every page; null for nothing. */
export async function findNotice(sql: Sql): Promise<string | null> {
  const [row] = await sql<[{ notice: string | null }]>`select notice from installation`;
  return row.notice;
}

/** Puts a line on every page, in place of the one before. @param notice null takes it away */
export async function setNotice(sql: Sql, notice: string | null): Promise<void> {
  await sql`
    with set as (
      update installation set notice = ${notice}::text where notice is distinct from ${notice}::text returning notice
    )
    insert into audit (actor_id, action)
    select null, case when notice is null then 'end_announcement' else 'announce' end from set`;
}
