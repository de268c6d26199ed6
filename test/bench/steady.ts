import { setTimeout as sleep } from 'node:timers/promises';
import { prepared, ring, talks } from './data.js';
import { Ledger, type OpenTalker, openAll, openUser, type Pick, pace, pairs } from './load.js';
import { type Bench, type Env, type Figures, measure, withReplicas } from './measure.js';

/** Pairs in a closed loop, on one instance or across two. */
export const loadOn = (
  bench: Bench,
  env: Env,
  inFlight = 8,
  instances = 1,
  count = 50,
  script?: string,
  open?: OpenTalker,
) =>
  withReplicas(
    bench,
    env,
    instances,
    async (replicas) => {
      const ledger = new Ledger();
      const ports: [number, number] = [replicas[0]?.port ?? 0, replicas.at(-1)?.port ?? 0];
      const load = await pairs(ledger, count, inFlight, ports, open);
      await load.start();
      await sleep(3000);
      const figures = await measure(bench, replicas, ledger);
      await load.stop();
      return { ...figures, lost: ledger.lost, doubled: ledger.doubled };
    },
    script,
  );

/** Users that write to each other, by default at random. */
export const openLoopOn = (
  bench: Bench,
  env: Env,
  users: number,
  rate: number,
  pick?: Pick,
  script?: string,
): Promise<Figures> =>
  withReplicas(
    bench,
    env,
    1,
    async (replicas) => {
      const ledger = new Ledger();
      const sockets = await openAll(users, (i) => openUser(replicas[0]?.port ?? 0, i, ledger.take));
      await sleep(1000);
      const stop = pace(ledger, sockets, rate, pick);
      await sleep(2000);
      const figures = await measure(bench, replicas, ledger);
      stop();
      await ledger.drain();
      for (const socket of sockets) socket.end();
      return { ...figures, lost: ledger.lost, doubled: ledger.doubled };
    },
    script,
  );

/** Users that write each to their contacts, with whom they have conversations already. */
export async function contactsAt(bench: Bench, users: number, contacts: number, rate: number) {
  const env = await prepared(bench.stack, (sql) => talks(sql, ring(sql, users, contacts)));
  return openLoopOn(bench, env, users, rate, () => {
    const from = Math.floor(Math.random() * users);
    const step = 1 + Math.floor(Math.random() * (contacts / 2));
    return [from, (from + (Math.random() < 0.5 ? step : users - step)) % users];
  });
}
