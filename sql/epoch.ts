import type { Sql } from './handle.js';

/** How an installation is told from others. */
export interface Identity {
  /** What clients know it by: it stays what it is, wherever the database is moved to. */
  epoch: string;
  /** The database itself: a copy that is put elsewhere, as for a trial, has another. */
  database: string;
}

/**
 * Names the installation, where it has no name yet, as the versions before this did at each start: by a stored id, the cluster,
 * the database and its timeline. An ordinary role can read all of it.
 * @param place where an embedded database's files are: those versions took another id if they weren't where they had been
 * @throws PostgresError 25006 where the server is a standby
 */
export async function identify(sql: Sql, place: string | undefined): Promise<Identity> {
  await sql`
    update installation i set name = concat_ws('.',
      left(case when i.place <> ${place ?? null}::text then gen_random_uuid() else i.id end::text, 8),
      s.system_identifier, d.oid, left(pg_walfile_name(pg_current_wal_lsn()), 8))
    from pg_control_system() s, pg_database d where d.datname = current_database() and i.name is null`;
  const [row] = await sql<[Identity]>`
    select i.name as epoch, concat_ws('.', left(i.id::text, 8), s.system_identifier, d.oid) as database
    from installation i, pg_control_system() s, pg_database d where d.datname = current_database()`;
  return row;
}
