import { setTimeout as sleep } from 'node:timers/promises';
import { type Redis, startRedisCluster } from '../nodes/redis.js';
import { type Counts, count, since } from './counts.js';
import { prepared } from './data.js';
import { ExtendedUser } from './extended.js';
import { make } from './groups.js';
import { chat, Ledger, openAll, openUser, paced } from './load.js';
import { type Bench, type Env, type Figures, measure, round, withReplicas } from './measure.js';
import { flushAll, type LoadSocket } from './socket.js';
import type { Replica } from './stack.js';

/** Pairs, each on two replicas, and members of a group, who are on all. */
const PAIRS = 64;
const MEMBERS = 30;
/** Messages a second, all replicas together: of the pairs, and of the group. */
const RATE = 8000;
const GROUP_RATE = 200;
/** Messages under way: of all replicas together, and of each where the load grows with them. */
const IN_FLIGHT = 512;
const EACH_IN_FLIGHT = 256;
const WARM_MS = 3000;
const SETTLE_MS = 8000;
const IDLE_SECONDS = 15;
/** Users whose leases are renewed, and seconds that these last: a claim a second of each, about. */
const LEASED = 2000;
const LEASE_SECONDS = 2;

/** A back end of some replicas, and what is asked for its counts. */
interface Place {
  bench: Bench;
  env: Env;
  replicas: Replica[];
  nodes: Redis[];
}

/** Has a piece of work done with the Redis of the bench, or with a cluster of three that is made for it. @param nodes the masters */
async function withRedis<T>(
  bench: Bench,
  isCluster: boolean,
  work: (env: Env, nodes: Redis[]) => Promise<T>,
): Promise<T> {
  if (!isCluster) return work({}, [bench.stack.redis]);
  const cluster = await startRedisCluster();
  try {
    await bench.stack.pinStores();
    const masters = await Promise.all([0, 6000, 12_000].map((slot) => cluster.masterOf(slot)));
    const nodes = cluster.nodes.filter(({ addr }) => masters.includes(addr));
    return await work({ REDIS_ADDR: cluster.addrs.join(',') }, nodes);
  } finally {
    await cluster.stop();
  }
}

/** Has something counted while it goes on, and says what came of each a second. */
async function counted<T>(place: Place, work: () => Promise<T>) {
  const { env, nodes, replicas } = place;
  const before = await count(replicas, nodes, env);
  const started = performance.now();
  const result = await work();
  const counts = since(before, await count(replicas, nodes, env));
  return { result, counts, seconds: (performance.now() - started) / 1000 };
}

/** What replicas do that nobody asks anything of. */
async function resting(place: Place) {
  const { bench, replicas } = place;
  const before = await bench.stack.used(replicas);
  const { counts, seconds } = await counted(place, () => sleep(IDLE_SECONDS * 1000));
  const after = await bench.stack.used(replicas);
  const cores = (part: keyof typeof after) => round((after[part] - before[part]) / seconds / 1e6, 3);
  const each = (name: keyof Counts) => counts[name] / seconds;
  return {
    each,
    figures: {
      'idle: commands/s': round(each('commands')),
      'idle: commits/s': round(each('commits')),
      'idle: looks/s': round(each('looks'), 2),
      'idle: server cores': cores('server'),
      'idle: postgres cores': cores('postgres'),
      'idle: redis cores': cores('redis'),
    },
  };
}

/** Measures a load that goes on, and what each message took beside what the replicas do anyhow. @param receivers of a message */
async function loaded(
  place: Place,
  ledger: Ledger,
  name: string,
  idle: (name: keyof Counts) => number,
  receivers = 1,
): Promise<Figures> {
  await sleep(3000);
  const { result, counts, seconds } = await counted(place, () =>
    measure(place.bench, place.replicas, ledger),
  );
  const a = (part: string) => round((result[part] ?? Number.NaN) * receivers);
  const each = (what: keyof Counts) => round((counts[what] - idle(what) * seconds) / counts.stored, 3);
  return {
    [`${name}: messages/s`]: Math.round((result['messages/s'] ?? Number.NaN) / receivers),
    [`${name}: p99 ms`]: result['p99 ms'] ?? Number.NaN,
    [`${name}: µs`]: a('µs/message'),
    [`${name}: server µs`]: a('server µs'),
    [`${name}: postgres µs`]: a('postgres µs'),
    [`${name}: redis µs`]: a('redis µs'),
    [`${name}: in a batch`]: round(counts.stored / counts.batches),
    [`${name}: commits`]: each('commits'),
    [`${name}: rows`]: each('rows'),
    [`${name}: log bytes`]: Math.round(each('walBytes')),
    [`${name}: commands`]: each('commands'),
    [`${name}: look-ups`]: each('lookups'),
    [`${name}: parcels`]: each('parcels'),
    [`${name}: redis bytes`]: Math.round(each('redisBytes')),
    [`${name}: repairs`]: counts.repairs,
  };
}

/** Pairs of plain clients, sender and receiver on different replicas: each replica writes to each other one. */
async function openPairs(replicas: readonly Replica[], take: (text: string) => void) {
  const port = (i: number) => replicas[i % replicas.length]?.port ?? 0;
  const others = replicas.length - 1;
  const receivers = await openAll(PAIRS, (i) =>
    openUser(port(i + 1 + (Math.floor(i / replicas.length) % others)), PAIRS + i, take),
  );
  const senders = await openAll(PAIRS, (i) => openUser(port(i), i));
  return { senders, receivers };
}

/** Always so many under way. @returns what ends it */
function keepUp(ledger: Ledger, senders: readonly LoadSocket[], inFlight: number): () => void {
  const say = (i: number) => chat(senders[i], PAIRS + i, ledger.next(i));
  ledger.onArrival = say;
  for (let i = 0; i < inFlight; i++) say(i % PAIRS);
  flushAll();
  return () => {
    ledger.onArrival = () => {};
  };
}

/** Each of these loads alone: at a rate, with some under way, and with some under way for each replica; then a group. */
async function loads(place: Place, group: number): Promise<Figures> {
  const { replicas } = place;
  const ledger = new Ledger();
  const { senders, receivers } = await openPairs(replicas, ledger.take);
  const told = new Ledger(MEMBERS - 1);
  const members = await openAll(MEMBERS, async (i) => {
    const user = await ExtendedUser.open(replicas[i % replicas.length]?.port ?? 0, 2 * PAIRS + i);
    user.onChat = told.take;
    await user.sync();
    return user;
  });
  const idle = await resting(place);
  // What is compiled as it runs is, in each of them, before anything is measured; and the index has caught up with that.
  const warm = keepUp(ledger, senders, EACH_IN_FLIGHT * replicas.length);
  await sleep(WARM_MS);
  warm();
  await ledger.drain();
  await sleep(SETTLE_MS);
  let turn = 0;
  const sayInTurn = (due: number) => {
    const i = turn++ % PAIRS;
    chat(senders[i], PAIRS + i, ledger.next(i, due));
  };
  const runs: [name: string, ledger: Ledger, begin: () => () => void, receivers: number][] = [
    [
      'group',
      told,
      () =>
        paced(GROUP_RATE, (due) => {
          const i = turn++ % MEMBERS;
          members[i]?.chatIn(group, told.next(i, due));
        }),
      MEMBERS - 1,
    ],
    ['rate', ledger, () => paced(RATE, sayInTurn), 1],
    ['full', ledger, () => keepUp(ledger, senders, IN_FLIGHT), 1],
    ['full each', ledger, () => keepUp(ledger, senders, EACH_IN_FLIGHT * replicas.length), 1],
  ];
  const figures: Figures = { ...idle.figures };
  for (const [name, own, begin, given] of runs) {
    const stop = begin();
    Object.assign(figures, await loaded(place, own, name, idle.each, given));
    stop();
    await own.drain();
  }
  for (const socket of [...senders, ...receivers, ...members]) socket.end();
  return { ...figures, lost: ledger.lost + told.lost, doubled: ledger.doubled + told.doubled };
}

/** What a message costs where sender and receiver are on different ones of so many replicas, and what they do without any. */
export const replicasOn = (bench: Bench, many: number, isCluster = false): Promise<Figures> =>
  withRedis(bench, isCluster, async (redis, nodes) => {
    let group = 0;
    const made = await prepared(bench.stack, async (sql) => {
      group = await make(sql, { kind: 'group', members: MEMBERS, first: 2 * PAIRS });
    });
    const env = { ...made, ...redis };
    return withReplicas(bench, env, many, (replicas) => loads({ bench, env, replicas, nodes }, group));
  });

/** What it costs to renew the lease of somebody who is connected. */
export const leases = (bench: Bench, isCluster = false): Promise<Figures> =>
  withRedis(bench, isCluster, async (redis, nodes) => {
    const env = { ...(await bench.stack.fresh()), ...redis, LEASE_SECONDS: String(LEASE_SECONDS) };
    return withReplicas(bench, env, 2, async (replicas) => {
      const place = { bench, env, replicas, nodes };
      const idle = await resting(place);
      const sockets = await openAll(LEASED, (i) => openUser(replicas[i % 2]?.port ?? 0, i));
      await sleep(3000);
      const held = await resting(place);
      for (const socket of sockets) socket.end();
      const claims = held.each('claims') - idle.each('claims');
      const each = (part: 'server' | 'redis') =>
        round(((held.figures[`idle: ${part} cores`] - idle.figures[`idle: ${part} cores`]) * 1e6) / claims);
      return {
        'claims/s': Math.round(claims),
        'redis µs a claim': each('redis'),
        'server µs a claim, pings among it': each('server'),
        'redis bytes a claim': Math.round((held.each('redisBytes') - idle.each('redisBytes')) / claims),
      };
    });
  });

/** What a message costs on a Redis Cluster where so many are under way for each replica, with a script in place of the server. */
export const bareReplicasOn = (bench: Bench, many: number, script: string) =>
  withRedis(bench, true, (redis) =>
    withReplicas(
      bench,
      redis,
      many,
      async (replicas) => {
        const ledger = new Ledger();
        const { senders, receivers } = await openPairs(replicas, ledger.take);
        const stop = keepUp(ledger, senders, EACH_IN_FLIGHT * replicas.length);
        await sleep(WARM_MS);
        const figures = await measure(bench, replicas, ledger);
        stop();
        await ledger.drain();
        for (const socket of [...senders, ...receivers]) socket.end();
        return { ...figures, lost: ledger.lost, doubled: ledger.doubled };
      },
      script,
    ),
  );
