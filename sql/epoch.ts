import type { Sql } from './handle.js';

/**
 * Names the history that positions belong to: a stored id, the database, the cluster and its timeline. A restore or a
 * failover gives another. An ordinary role can read all of it.
 * @throws PostgresError 25006 or 55000 where the server is a standby that can't number messages
 */
export async function epochOf(sql: Sql): Promise<string> {
  const [row] = await sql<[{ epoch: string }]>`
    select concat_ws('.', left(i.id::text, 8), s.system_identifier, d.oid, left(pg_walfile_name(pg_current_wal_lsn()), 8)) as epoch
    from installation i, pg_control_system() s, pg_database d where d.datname = current_database()`;
  return row.epoch;
}

/** Starts another history if the database's files aren't where they were: then they are a copy, from an earlier moment. */
export async function noticePlace(sql: Sql, place: string): Promise<void> {
  await sql`
    update installation set id = case when place is null then id else gen_random_uuid() end, place = ${place}
    where place is distinct from ${place}`;
}
