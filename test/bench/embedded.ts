import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { chat, Ledger, openAll, openUser, percentile } from './load.js';
import { type Bench, type Env, type Figures, round } from './measure.js';
import { flushAll, type LoadSocket } from './socket.js';
import { cpu, dataFolder, FIRST, startReplica } from './stack.js';

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
export async function embedded(bench: Bench): Promise<Figures> {
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
