import postgres from 'postgres';
import type { Redis } from '../nodes/redis.js';
import type { Env } from './measure.js';
import type { Replica } from './stack.js';

/** What scripts run by themselves, and what keeps a cluster together or asks for these counts. */
const NOT_ASKED = new Set([
  'set',
  'del',
  'time',
  'info',
  'ping',
  'replconf',
  'psync',
  'sync',
  'cluster',
  'config',
]);

/** What replicas have asked of others, since these were started. */
export interface Counts {
  /** Commands that Redis was sent. */
  commands: number;
  /** Users who were claimed and released, some by one command. */
  claims: number;
  /** Of the commands: looks for owners, and parcels, beats among them. */
  lookups: number;
  parcels: number;
  /** Bytes that Redis has read and written. */
  redisBytes: number;
  /** Transactions of PostgreSQL, rows that they wrote, and bytes of its log. */
  commits: number;
  rows: number;
  walBytes: number;
  /** Looks at the batches, those of the index of searches among them. */
  looks: number;
  /** What the replicas say of themselves. */
  stored: number;
  batches: number;
  repairs: number;
}

const numberIn = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0);

async function countRedis(nodes: readonly Redis[]) {
  const counts = { commands: 0, claims: 0, lookups: 0, parcels: 0, redisBytes: 0 };
  for (const node of nodes) {
    const stats = await node.command('info', 'commandstats');
    const calls = new Map(
      [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(([, name = '', count]) => [
        name,
        Number(count),
      ]),
    );
    const of = (name: string) => calls.get(name) ?? 0;
    for (const [name, count] of calls)
      if (!NOT_ASKED.has(name.split('|')[0] ?? name)) counts.commands += count;
    // Each script reads each of its keys and writes it, on the master; the other copy hears only of what was written.
    const keys = of('time') === 0 ? 0 : of('set') + of('del');
    counts.commands -= keys;
    counts.claims += keys;
    counts.lookups += of('mget') + of('get') - keys;
    counts.parcels += of('spublish');
    const net = await node.command('info', 'stats');
    counts.redisBytes +=
      numberIn(net, /total_net_input_bytes:(\d+)/) + numberIn(net, /total_net_output_bytes:(\d+)/);
  }
  return counts;
}

async function countPostgres(env: Env) {
  const sql = postgres(env.DB_URL ?? '', { max: 1 });
  const [row] = await sql<{ commits: number; rows: number; wal: number; looks: number }[]>`
    select d.xact_commit::int as commits, (d.tup_inserted + d.tup_updated + d.tup_deleted)::int as rows,
      (select wal_bytes::float8 from pg_stat_wal) as wal,
      -- Each look goes twice into the index: for what has begun since, and for what was under way.
      (select idx_scan::float8 / 2 from pg_stat_user_indexes where indexrelname = 'batches_xid') as looks
    from pg_stat_database d where datname = current_database()`;
  await sql.end();
  return {
    commits: row?.commits ?? 0,
    rows: row?.rows ?? 0,
    walBytes: row?.wal ?? 0,
    looks: row?.looks ?? 0,
  };
}

async function countReplicas(replicas: readonly Replica[]) {
  const counts = { stored: 0, batches: 0, repairs: 0 };
  for (const { port } of replicas) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    counts.stored += numberIn(text, /^chat_messages_stored_total (\d+)/m);
    counts.batches += numberIn(text, /^chat_batches_total (\d+)/m);
    counts.repairs += numberIn(text, /^chat_repairs_total (\d+)/m);
  }
  return counts;
}

/** Counts what these have done until now. @param nodes those of Redis that are asked */
export async function count(
  replicas: readonly Replica[],
  nodes: readonly Redis[],
  env: Env,
): Promise<Counts> {
  return {
    ...(await countRedis(nodes)),
    ...(await countPostgres(env)),
    ...(await countReplicas(replicas)),
  };
}

/** What has come since. */
export function since(before: Counts, after: Counts): Counts {
  const counts = { ...after };
  for (const name of Object.keys(before)) if (isCount(name)) counts[name] -= before[name];
  return counts;

  function isCount(name: string): name is keyof Counts {
    return name in after;
  }
}
