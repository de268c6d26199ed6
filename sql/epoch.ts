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
