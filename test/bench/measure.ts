import { setTimeout as sleep } from 'node:timers/promises';
import { type Ledger, percentile } from './load.js';
import { type Replica, type Stack, startReplica } from './stack.js';

/** Figures of one run by name; `lost` and `doubled` must be 0. */
export type Figures = Record<string, number>;

export interface Bench {
  stack: Stack;
  /** Processor that the server, PostgreSQL and Redis share. */
  core: number;
  /** Seconds that a steady load is measured. */
  seconds: number;
}

export const round = (value: number, digits = 1) => Number(value.toFixed(digits));

export type Env = Record<string, string>;

/** Starts some replicas for a piece of work, and ends them after it. */
export async function withReplicas<T>(
  bench: Bench,
  env: Env,
  count: number,
  work: (replicas: Replica[]) => Promise<T>,
  script?: string,
): Promise<T> {
  const replicas: Replica[] = [];
  try {
    for (let i = 0; i < count; i++)
      replicas.push(await startReplica({ ...env, INSTANCE_ID: `server-${i + 1}` }, bench.core, script));
    await bench.stack.countStatements();
    const result = await work(replicas);
    await bench.stack.sayStatements();
    return result;
  } finally {
    for (const replica of replicas) await replica.stop();
  }
}

/**
 * Measures a load that runs already.
 * @param time seconds
 */
export async function measure(
  bench: Bench,
  replicas: readonly Replica[],
  ledger: Ledger,
  time = bench.seconds,
): Promise<Figures> {
  ledger.latencies = [];
  const before = await bench.stack.used(replicas);
  const started = performance.now();
  const arrived = ledger.arrived;
  await sleep(time * 1000);
  const messages = ledger.arrived - arrived;
  const seconds = (performance.now() - started) / 1000;
  const { latencies } = ledger;
  ledger.latencies = undefined;
  const after = await bench.stack.used(replicas);
  const each = (part: keyof typeof after) => (after[part] - before[part]) / messages;
  const sum = each('server') + each('postgres') + each('redis');
  return {
    'messages/s': Math.round(messages / seconds),
    'p50 ms': round(percentile(latencies, 50), 2),
    'p99 ms': round(percentile(latencies, 99), 2),
    'µs/message': round(sum),
    'server µs': round(each('server')),
    'postgres µs': round(each('postgres')),
    'redis µs': round(each('redis')),
    cores: round((sum * messages) / seconds / 1e6, 2),
  };
}

/** Figures of two forms of the same thing, and the ratio of the second to the first; what may not be is counted for both. */
export function sideBySide(plain: Figures, extended: Figures): Figures {
  const figures: Figures = {};
  for (const [name, value] of Object.entries(plain)) {
    const other = extended[name] ?? Number.NaN;
    if (name === 'lost' || name === 'doubled') figures[name] = value + other;
    else {
      figures[`plain ${name}`] = value;
      figures[`extended ${name}`] = other;
      figures[`ratio ${name}`] = round(other / value, 2);
    }
  }
  return figures;
}

/** Does something and says how long it took, in milliseconds. */
export async function clocked<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const started = performance.now();
  const result = await work();
  return { result, ms: performance.now() - started };
}

/** Does something with so many messages, and says what one cost: `rate` a second, `all`, `server` and `redis` µs. */
export async function timed<T>(
  bench: Bench,
  replicas: readonly Replica[],
  count: number,
  work: () => Promise<T>,
) {
  const before = await bench.stack.used(replicas);
  const { result, ms } = await clocked(work);
  const after = await bench.stack.used(replicas);
  const server = after.server - before.server;
  const all = server + after.postgres - before.postgres + after.redis - before.redis;
  return {
    result,
    rate: Math.round((count * 1000) / ms),
    all: round(all / count),
    server: round(server / count),
    redis: round((after.redis - before.redis) / count),
  };
}

/** A run on a database of its own. */
export const fresh = (run: (bench: Bench, env: Env) => Promise<Figures>) => async (bench: Bench) =>
  run(bench, await bench.stack.fresh());
