import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger, openAll, openUser, pace, percentile } from './load.js';
import { type Bench, type Env, type Figures, measure, round, withReplicas } from './measure.js';

/** Seconds after which an instance has noticed. */
const NOTICED = 3;

/** Messages to people on the other instance, before Redis ends and while it is gone. */
export const whileRedisIsStopped = (bench: Bench, env: Env, users: number, rate: number): Promise<Figures> =>
  withReplicas(bench, env, 2, async (replicas) => {
    const [from, to] = replicas;
    const ledger = new Ledger();
    const receivers = await openAll(users, (i) => openUser(to?.port ?? 0, users + i, ledger.take));
    const senders = await openAll(users, (i) => openUser(from?.port ?? 0, i));
    const stop = pace(ledger, senders, rate, () => {
      const i = Math.floor(Math.random() * users);
      return [i, users + i];
    });
    await sleep(2000);
    const calm = await measure(bench, replicas, ledger);
    await bench.stack.stopRedis();
    try {
      const first: number[] = [];
      ledger.latencies = first;
      await sleep(NOTICED * 1000);
      const later: number[] = [];
      ledger.latencies = later;
      await sleep(bench.seconds * 1000);
      stop();
      await ledger.drain();
      for (const socket of [...senders, ...receivers]) socket.end();
      return {
        'calm p99 ms': calm['p99 ms'] ?? Number.NaN,
        'stopped p50 ms': round(percentile([...first, ...later], 50)),
        'stopped p99 ms': round(percentile([...first, ...later], 99)),
        [`p99 ms, first ${NOTICED} s`]: round(percentile(first, 99)),
        'p99 ms, after them': round(percentile(later, 99)),
        lost: ledger.lost,
        doubled: ledger.doubled,
      };
    } finally {
      stop();
      await bench.stack.startRedis();
    }
  });
