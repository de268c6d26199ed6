import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { chat, Ledger, openAll, openUser, pace, pairs, percentile } from './load.js';
import { flushAll, type LoadSocket } from './socket.js';
import { cpu, dataFolder, FIRST, type Replica, rss, SECRET, type Stack, startReplica } from './stack.js';

/** Figures of one run by name; `lost` and `doubled` must be 0. */
export type Figures = Record<string, number>;

export interface Bench {
  stack: Stack;
  /** Processor that the server, PostgreSQL and Redis share. */
  core: number;
  /** Seconds that a steady load is measured. */
  seconds: number;
}

const round = (value: number, digits = 1) => Number(value.toFixed(digits));

type Env = Record<string, string>;

async function withReplicas(
  bench: Bench,
  env: Env,
  count: number,
  work: (replicas: Replica[]) => Promise<Figures>,
  script?: string,
) {
  const replicas: Replica[] = [];
  try {
    for (let i = 0; i < count; i++)
      replicas.push(await startReplica({ ...env, INSTANCE_ID: `server-${i + 1}` }, bench.core, script));
    return await work(replicas);
  } finally {
    for (const replica of replicas) await replica.stop();
  }
}

/** Measures a load that runs already. */
async function measure(bench: Bench, replicas: readonly Replica[], ledger: Ledger): Promise<Figures> {
  ledger.latencies = [];
  const before = await bench.stack.used(replicas);
  const started = performance.now();
  const arrived = ledger.arrived;
  await sleep(bench.seconds * 1000);
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

/** Pairs in a closed loop, on one instance or across two. */
export const loadOn = (bench: Bench, env: Env, inFlight = 8, instances = 1, count = 50, script?: string) =>
  withReplicas(
    bench,
    env,
    instances,
    async (replicas) => {
      const ledger = new Ledger();
      const ports = [replicas[0]?.port ?? 0, replicas.at(-1)?.port ?? 0] as [number, number];
      const load = await pairs(ledger, count, inFlight, ports);
      await load.start();
      await sleep(3000);
      const figures = await measure(bench, replicas, ledger);
      await load.stop();
      return { ...figures, lost: ledger.lost, doubled: ledger.doubled };
    },
    script,
  );

/** Users that write to each other at random. */
export const openLoopOn = (bench: Bench, env: Env, users: number, rate: number) =>
  withReplicas(bench, env, 1, async (replicas) => {
    const ledger = new Ledger();
    const sockets = await openAll(users, (i) => openUser(replicas[0]?.port ?? 0, i, ledger.take));
    await sleep(1000);
    const stop = pace(ledger, sockets, rate);
    await sleep(2000);
    const figures = await measure(bench, replicas, ledger);
    stop();
    await ledger.drain();
    for (const socket of sockets) socket.end();
    return { ...figures, lost: ledger.lost, doubled: ledger.doubled };
  });

/**
 * Messages to people who are away, as fast as they are taken; then they come and fetch them. Once in a process that has just
 * started, and once more after that: a round is over before the compiler has seen much of the code.
 */
async function offline(bench: Bench): Promise<Figures> {
  const [messages, senders, receivers] = [20_000, 50, 100];
  return withReplicas(bench, await bench.stack.fresh(), 1, async (replicas) => {
    const port = replicas[0]?.port ?? 0;
    const ledger = new Ledger();
    const answers: (() => void)[] = [];
    const sockets = await openAll(senders, (i) =>
      openUser(port, i, (text) => {
        if (text.startsWith('{"type":"online_list"')) answers[i]?.();
      }),
    );
    const store = async (count: number) => {
      for (let i = 0; i < count; i++)
        chat(sockets[i % senders], senders + (Math.floor(i / senders) % receivers), ledger.next(i));
      // The answer comes when everything before it is stored.
      await Promise.all(
        sockets.map(
          (socket, i) =>
            new Promise<void>((resolve) => {
              answers[i] = resolve;
              socket.send('{"type":"get_online_list"}');
              flushAll();
            }),
        ),
      );
    };
    const fetchAll = async () => {
      const fetchers: LoadSocket[] = await openAll(receivers, async (i) => {
        const socket = await openUser(port, senders + i, (text) => {
          if (!text.startsWith('{"type":"offline_list"')) return;
          for (const row of JSON.parse(text).data)
            ledger.arrive(row.content.slice(0, row.content.indexOf(' ')));
        });
        socket.send('{"type":"get_offline"}');
        flushAll();
        return socket;
      });
      let last = performance.now();
      while (ledger.lost > 0 && performance.now() - last < 5000) {
        const { lost } = ledger;
        await sleep(5);
        if (ledger.lost !== lost) last = performance.now();
      }
      return fetchers;
    };
    const timed = async <T>(count: number, work: () => Promise<T>) => {
      const before = await bench.stack.used(replicas);
      const started = performance.now();
      const result = await work();
      const seconds = (performance.now() - started) / 1000;
      const after = await bench.stack.used(replicas);
      const server = after.server - before.server;
      const all = server + after.postgres - before.postgres + after.redis - before.redis;
      return {
        result,
        rate: Math.round(count / seconds),
        all: round(all / count),
        server: round(server / count),
      };
    };
    const figures: Figures = {};
    // Conversations are there, as they are between people who know each other.
    await store(senders * receivers);
    for (const name of ['', ', again']) {
      const stored = await timed(messages, () => store(messages));
      await sleep(500);
      const fetched = await timed(ledger.lost, fetchAll);
      Object.assign(figures, {
        [`stored/s${name}`]: stored.rate,
        [`µs/stored${name}`]: stored.all,
        [`server µs/stored${name}`]: stored.server,
        [`fetched/s${name}`]: fetched.rate,
        [`µs/fetched${name}`]: fetched.all,
        [`server µs/fetched${name}`]: fetched.server,
      });
      for (const socket of fetched.result) socket.end();
      await sleep(1000);
    }
    for (const socket of sockets) socket.end();
    return { ...figures, lost: ledger.lost, doubled: ledger.doubled };
  });
}

/** Open connections that say nothing. */
async function idleOn(bench: Bench, env: Env, count: number, script?: string): Promise<Figures> {
  const replica = await startReplica(env, bench.core, script);
  try {
    const before = await rss(replica.pid);
    const started = performance.now();
    const sockets = await openAll(count, (i) => openUser(replica.port, i));
    const seconds = (performance.now() - started) / 1000;
    await sleep(3000);
    const after = await rss(replica.pid);
    for (const socket of sockets) socket.end();
    return {
      'opened/s': Math.round(count / seconds),
      'KB/connection': round((after - before) / 1024 / count),
    };
  } finally {
    await replica.stop();
  }
}

/** Chat beside eight clients that sign in as fast as they can. */
async function logins(bench: Bench): Promise<Figures> {
  return withReplicas(bench, await bench.stack.fresh(), 1, async (replicas) => {
    const port = replicas[0]?.port ?? 0;
    const post = (path: string, body: object) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const who = { username: 'somebody', password: 'a password' };
    await post('/register', who);
    const ledger = new Ledger();
    const sockets = await openAll(200, (i) => openUser(port, i, ledger.take));
    const stop = pace(ledger, sockets, 200);
    let busy = true;
    let signedIn = 0;
    const clients = Array.from({ length: 8 }, async () => {
      while (busy) if ((await post('/login', who)).ok) signedIn++;
    });
    await sleep(2000);
    const before = signedIn;
    const figures = await measure(bench, replicas, ledger);
    const rate = (signedIn - before) / bench.seconds;
    busy = false;
    stop();
    await Promise.all(clients);
    await ledger.drain();
    for (const socket of sockets) socket.end();
    return {
      'logins/s': round(rate),
      'p50 ms': figures['p50 ms'] ?? 0,
      'p99 ms': figures['p99 ms'] ?? 0,
      lost: ledger.lost,
    };
  });
}

const USERS = 100;

/**
 * Puts the bench's users into a database that no server has open. Registering them would have the server hash a password for
 * each, which it does at low priority: where anything else wants the core, that takes minutes.
 */
async function addUsers(folder: string) {
  const db = await PGlite.create(join(folder, 'db'));
  await db.query(
    `insert into users (user_id, username, password)
      select g, 'u' || g, 'no hash' from generate_series($1::int, $2::int) g`,
    [FIRST, FIRST + USERS - 1],
  );
  await db.close();
}

/** Nothing but the program: the embedded database. */
async function embedded(bench: Bench): Promise<Figures> {
  const folder = await dataFolder();
  const env = { DATA_DIR: folder.path };
  try {
    const first = await startReplica(env, undefined);
    await first.stop();
    const second = await startReplica(env, undefined);
    const figures = {
      'first start ms': Math.round(first.startedIn),
      'second start ms': Math.round(second.startedIn),
    };
    await second.stop();
    await addUsers(folder.path);
    return { ...figures, ...(await embeddedLoad(bench, env)) };
  } finally {
    await folder.remove();
  }
}

async function embeddedLoad(bench: Bench, env: Env): Promise<Figures> {
  const replica = await startReplica(env, bench.core);
  try {
    const run = async (seconds: number, start: (ledger: Ledger, sockets: LoadSocket[]) => () => void) => {
      const ledger = new Ledger();
      const sockets = await openAll(USERS, (i) => openUser(replica.port, i, ledger.take));
      const stop = start(ledger, sockets);
      await sleep(3000);
      ledger.latencies = [];
      const arrived = ledger.arrived;
      const used = await cpu(replica.pid);
      await sleep(seconds * 1000);
      const { latencies } = ledger;
      const messages = ledger.arrived - arrived;
      const each = ((await cpu(replica.pid)) - used) / messages;
      stop();
      await ledger.drain();
      for (const socket of sockets) socket.end();
      return { messages, each, latencies, ledger };
    };
    const send = (ledger: Ledger, sockets: LoadSocket[], i: number) =>
      chat(sockets[i], i + USERS / 2, ledger.next(i));
    const full = await run(bench.seconds, (ledger, sockets) => {
      let running = true;
      ledger.onArrival = (i) => {
        if (running) send(ledger, sockets, i);
      };
      for (let i = 0; i < 400; i++) send(ledger, sockets, i % (USERS / 2));
      flushAll();
      return () => {
        running = false;
      };
    });
    // Long enough for three turns of the engine's upkeep, of which a short one would have none or one.
    const calm = await run(Math.max(bench.seconds, 30), (ledger, sockets) => {
      const timer = setInterval(() => {
        send(ledger, sockets, Math.floor((Math.random() * USERS) / 2));
        flushAll();
      }, 5);
      return () => clearInterval(timer);
    });
    return {
      'messages/s': Math.round(full.messages / bench.seconds),
      'µs/message': round(full.each),
      'p99 ms at 200/s': round(percentile(calm.latencies, 99), 2),
      lost: full.ledger.lost + calm.ledger.lost,
      doubled: full.ledger.doubled + calm.ledger.doubled,
    };
  } finally {
    await replica.stop();
  }
}

const fresh = (run: (bench: Bench, env: Env) => Promise<Figures>) => async (bench: Bench) =>
  run(bench, await bench.stack.fresh());

const BARE = 'test/bench/bare.mjs';

export const scenarios: Record<string, (bench: Bench) => Promise<Figures>> = {
  'the libraries alone, nothing stored: 50 pairs, 8 in flight': (bench) =>
    loadOn(bench, { JWT_SECRET: SECRET }, 8, 1, 50, BARE),
  'one instance, 50 pairs, 8 in flight': fresh((bench, env) => loadOn(bench, env)),
  'one instance, 50 pairs, 1 in flight': fresh((bench, env) => loadOn(bench, env, 1)),
  'two instances, 50 pairs, 8 in flight': fresh((bench, env) => loadOn(bench, env, 8, 2)),
  'one instance, 10 pairs, 8 in flight': fresh((bench, env) => loadOn(bench, env, 8, 1, 10)),
  'one instance, 500 pairs, 8 in flight': fresh((bench, env) => loadOn(bench, env, 8, 1, 500)),
  '3,500 users, 1,500 messages/s': fresh((bench, env) => openLoopOn(bench, env, 3500, 1500)),
  '3,500 users, 6,000 messages/s': fresh((bench, env) => openLoopOn(bench, env, 3500, 6000)),
  '3,500 users, 12,000 messages/s': fresh((bench, env) => openLoopOn(bench, env, 3500, 12_000)),
  '20,000 messages to people who are away': offline,
  '5,000 idle connections': fresh((bench, env) => idleOn(bench, env, 5000)),
  '10,000 idle connections': fresh((bench, env) => idleOn(bench, env, 10_000)),
  'the libraries alone: 10,000 connections': (bench) => idleOn(bench, { JWT_SECRET: SECRET }, 10_000, BARE),
  '8 clients that sign in beside 200 messages/s': logins,
  'embedded, 50 pairs, 8 in flight': embedded,
};
