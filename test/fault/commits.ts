/** Notes when PostgreSQL itself is too slow to commit anything: what a plain sender doesn't hear then proves nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { now } from './clock.js';
import type { Away } from './diary.js';
import type { World } from './world.js';

const everyMs = 100;
/** A commit that takes longer counts as none. */
const slowMs = 250;

/** Commits something of its own, again and again, until it is stopped. @returns stops it */
export function watchCommits(world: Pick<World, 'databaseUrl'>, away: Away[]): () => Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  const open = () => {
    const sql = postgres(world.databaseUrl, { max: 1, connect_timeout: 5, onnotice: () => {} });
    return { sql, url: world.databaseUrl };
  };
  let { sql, url } = open();
  /** Waits for the disk and, where there is one, for the synchronous standby, as every commit does, and touches no table. */
  const commit = () => sql`select pg_logical_emit_message(true, 'fault run', '')`;
  const follow = async () => {
    // Since when none has come to its end.
    let from: number | undefined;
    while (!signal.aborted) {
      if (url !== world.databaseUrl) {
        void sql.end({ timeout: 0 });
        ({ sql, url } = open());
      }
      const begun = now();
      const done = await commit().then(
        () => true,
        () => false,
      );
      from ??= begun;
      if (done) {
        if (now() - from > slowMs) away.push({ what: 'postgres', name: '', from, to: now() + slowMs });
        from = undefined;
      }
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  };
  const following = follow();
  return async () => {
    stop.abort();
    await sql.end({ timeout: 0 });
    await following;
  };
}
