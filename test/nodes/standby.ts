/** A PostgreSQL that follows another one, to be promoted in its place. */
import postgres from 'postgres';
import { type Postgres, startPostgres } from './postgres.js';
import { until } from './process.js';

/**
 * The address of a database on whichever of these servers takes writes.
 * @param database its address on one of them
 */
export function addressOn(database: string, ports: readonly number[]): string {
  const { username, password, pathname } = new URL(database);
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join();
  return `postgres://${username}:${password}@${hosts}${pathname}?target_session_attrs=read-write`;
}

/** Starts a standby of a server, which may lack what that has committed last. */
export const startStandby = (
  primary: Postgres,
  options: { diskBytes?: number; port?: number } = {},
): Promise<Postgres> => startPostgres({ ...options, standbyOf: primary });

/** From now on nothing is committed that its standby doesn't have. Comes when that is so. */
export async function makeSynchronous(primary: Postgres): Promise<void> {
  // The standby was copied before, so it will wait for nobody.
  await primary.command("alter system set synchronous_standby_names = '*'", 'select pg_reload_conf()');
  const sql = postgres(primary.adminUrl(), { max: 1, onnotice: () => {} });
  try {
    const inStep = async () => {
      const [row] = await sql<{ sync: boolean }[]>`
        select count(*) > 0 as sync from pg_stat_replication where sync_state = 'sync' and flush_lsn is not null`;
      return row?.sync;
    };
    await until(inStep, () => 'The standby is not synchronous');
  } finally {
    await sql.end();
  }
}

/** Makes a standby take writes. Comes when it does. */
export const promote = (standby: Postgres): Promise<void> => standby.command('select pg_promote()');
