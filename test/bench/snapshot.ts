import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { leaveOpen } from '../nodes/postgres.js';
import { Ledger, pairs } from './load.js';
import { type Bench, type Env, type Figures, measure, round, withReplicas } from './measure.js';

/** Seconds that the snapshot is held open. */
const HELD = 40;
/** The last of them, which are measured apart: what it costs grows. */
const LAST = 10;
/** Versions of each cursor: of an hour in which each moves once a second. */
const VERSIONS = 3600;

/** Messages a second, and what one costs PostgreSQL. */
interface Phase {
  rate: number;
  postgres: number;
}

const hold = (url: string) => leaveOpen(url, 'set transaction isolation level repeatable read; select 1');

/** Makes versions of all cursors, each by a transaction of its own. */
async function makeVersions(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql.unsafe('set synchronous_commit = off');
  await sql.unsafe(`do $$ begin
    for i in 1..${VERSIONS} loop
      update cursors set plain_seq = plain_seq;
      commit;
    end loop;
  end $$`);
  await sql.end();
}

/** Pairs at full speed beside a snapshot that somebody holds open, as a dump does; each time calm before and after. */
export const besideSnapshot = (bench: Bench, env: Env, count: number): Promise<Figures> =>
  withReplicas(bench, env, 1, async (replicas) => {
    const url = env.DB_URL ?? '';
    const port = replicas[0]?.port ?? 0;
    const ledger = new Ledger();
    const load = await pairs(ledger, count, 8, [port, port]);
    const run = async (seconds?: number) => {
      const figures = await measure(bench, replicas, ledger, seconds);
      return { rate: figures['messages/s'] ?? Number.NaN, postgres: figures['postgres µs'] ?? Number.NaN };
    };
    const settled = async () => {
      await sleep(3000);
      return run();
    };
    await load.start();
    const before = await settled();
    let release = await hold(url);
    const first = await run(HELD - LAST);
    const last = await run(LAST);
    await release();
    const between = await settled();
    await load.pause();
    // What was delivered last is confirmed, and cursors have moved for it.
    await sleep(2000);
    release = await hold(url);
    await makeVersions(url);
    await load.start();
    const versions = await settled();
    await release();
    const after = await settled();
    await load.stop();
    /** Beside what was reached before and after. */
    const compared = (name: string, phase: Phase, one: Phase, other: Phase) => ({
      [`percent of calm, ${name}`]: round((200 * phase.rate) / (one.rate + other.rate)),
      [`postgres µs to calm, ${name}`]: round((2 * phase.postgres) / (one.postgres + other.postgres), 2),
    });
    return {
      'calm messages/s': before.rate,
      'calm postgres µs': before.postgres,
      ...compared(`first ${HELD - LAST} s`, first, before, between),
      ...compared(`last ${LAST} s`, last, before, between),
      ...compared(`${VERSIONS} versions`, versions, between, after),
      lost: ledger.lost,
      doubled: ledger.doubled,
    };
  });
