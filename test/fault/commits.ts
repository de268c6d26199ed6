/** Notes when PostgreSQL itself is slow to commit anything: what a plain sender doesn't hear then proves nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import type { Stage } from './act.js';
import { now } from './clock.js';

const everyMs = 100;
/** A commit that takes longer counts as none. */
const slowMs = 250;
/** One that takes longer is given up, with its connection. */
const patienceMs = 10_000;
/** No fault lasts so long: what excuses everything for ever is a trouble of the run itself. */
const endlessMs = 60_000;

type Watched = Pick<Stage, 'away' | 'troubles'> & { world: Pick<Stage['world'], 'databaseUrl'> };

/** Commits something of its own, again and again, until it is stopped. @returns stops it */
export function watchCommits({ world, away, troubles }: Watched): () => Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  // Where the database is may be another place after a failure.
  const open = () => postgres(world.databaseUrl, { max: 1, connect_timeout: 5, onnotice: () => {} });
  let sql = open();
  /** Waits for the disk and, where there is one, for the synchronous standby, as every commit does, and touches no table. */
  const commit = async () => {
    const giveUp = setTimeout(() => sql.end({ timeout: 0 }), patienceMs);
    try {
      await sql`select pg_logical_emit_message(true, 'fault run', '')`;
    } finally {
      clearTimeout(giveUp);
    }
  };
  const follow = async () => {
    /** When the first that hasn't come to its end yet began. */
    let since: number | undefined;
    while (!signal.aborted) {
      since ??= now();
      const from = since;
      try {
        await commit();
        // As a busy process is: what waited has to be done, too.
        if (now() - from > slowMs) away.push({ what: 'postgres', name: '', from, to: now() + slowMs });
        since = undefined;
      } catch (error) {
        if (signal.aborted) return;
        if (now() - from > endlessMs) return void troubles.push(`PostgreSQL commits nothing: ${error}`);
        void sql.end({ timeout: 0 });
        sql = open();
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
