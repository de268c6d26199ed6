import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import postgres from 'postgres';
import { forgetForeignBatches } from '../sql/batches.js';
import { epochOf, noticePlace } from '../sql/epoch.js';
import { migrate } from '../sql/migrate.js';
import { type Embedded, openEmbedded } from './db/embedded.js';
import { WARN_AGE } from './db/embedded-upkeep.js';
import { isUnavailable } from './db/failure.js';
import { type Db, HELD_LANES } from './db/handle.js';
import { type Client, DeadlineError, deadline, Lanes } from './db/lanes.js';
import { examine, lastingReason, OURS } from './db/start.js';
import { type DbUrl, dbOptions, parseDbUrl, whereIs } from './db/url.js';

declare module 'fastify' {
  interface FastifyInstance {
    db: Db;
  }
}

const DAY_MS = 24 * 3600 * 1000;

/** Milliseconds that any statement may take. The embedded engine ignores it: its callers have deadlines of their own. */
const STATEMENT_MS = 10_000;
/** Milliseconds that a batch waits for the row of a conversation: longer than another batch holds one, and no longer than that. */
const LOG_LOCK_MS = 250;
/** Seconds after which the connection that is seldom needed is closed. */
const IDLE_SECONDS = 10;
/**
 * How every statement is planned: once, and by index. Each is short and has one; statistics are late on tables that grow from
 * nothing and whose rows live for moments, and a plan made from them has read a whole table for each of 3,500 users.
 */
const PLANNING = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_memoize: 'off',
  // A sequential scan that is still needed has a price that would make it compile for longer than it runs.
  jit: 'off',
};

/** Milliseconds for the first answer of a server: something else may listen there and say nothing. */
const FIRST_ANSWER_MS = 8000;

/** Where there is none, in the embedded database. */
const NO_URL: DbUrl = { hosts: [], user: '', password: '', database: '', parameters: new URLSearchParams() };

const common = {
  // Arrays go as text (sql/handle.ts), so the types of the server needn't be asked for.
  fetch_types: false,
  onnotice: () => {},
  connect_timeout: 5,
  // Seconds: a server that comes back is met soon.
  backoff: (attempt: number) => Math.min(0.05 * 2 ** attempt, 1) * (0.5 + Math.random() / 2),
  types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
};

/** Makes a client of the database: milliseconds that it waits for locks, seconds that its connection may be idle. */
type Open = (options?: { lockMs?: number; idleSeconds?: number }) => Client;

type Pool = Pick<Db, 'requests' | 'delivery' | 'log' | 'held' | 'late'> & { end(): Promise<unknown> };

/** The embedded engine has one connection: all wait for it, and what is to be stored before everything else. */
function oneLane(sql: Client): Pool {
  const only = new Lanes(1, () => sql, { renewable: false });
  const { first } = only;
  return {
    requests: only,
    delivery: only,
    log: first,
    held: first,
    late: () => only.late,
    end: () => only.end(),
  };
}

/** @param count lanes, those for appends left out */
function poolOf(open: Open, count: number): Pool {
  // Where one connection died without a word, the others probably did too.
  const onLate = () => {
    for (const lanes of Object.values(pool)) lanes.renew();
  };
  const delivery = Math.ceil(count / 3);
  const pool = {
    requests: new Lanes(count - delivery, () => open(), { renewable: true, onLate }),
    delivery: new Lanes(delivery, () => open(), { renewable: true, onLate }),
    log: new Lanes(1, () => open({ lockMs: LOG_LOCK_MS }), { renewable: true, onLate }),
    held: new Lanes(HELD_LANES, () => open({ idleSeconds: IDLE_SECONDS }), { renewable: true, onLate }),
  };
  const all = Object.values(pool);
  return {
    ...pool,
    late: () => all.reduce((sum, { late }) => sum + late, 0),
    end: () => Promise.all(all.map((lanes) => lanes.end())),
  };
}

/**
 * Opens the database: the embedded one, or the PostgreSQL at `DB_URL`, which is waited for. Migrates it, and decorates the
 * instance with it.
 */
export default fp<{ beside?: FastifyInstance | undefined }>(
  async (app, { beside }) => {
    const { config, log } = app;
    if (beside !== undefined && config.embedded) {
      app.decorate('db', { ...beside.db });
      return;
    }
    const url = parseDbUrl(config.DB_URL) ?? NO_URL;
    let embedded: Embedded | undefined;
    let transactionAge: number | undefined;
    let open: Open;
    if (config.embedded) {
      let warned = Number.NEGATIVE_INFINITY;
      embedded = await openEmbedded(config.DATA_DIR, {
        anew: config.anew,
        onAge(age) {
          transactionAge = age;
          if (age < WARN_AGE || Date.now() - warned < DAY_MS) return;
          warned = Date.now();
          log.warn(
            { age },
            'The embedded database has not frozen its oldest rows for long: below an age of 2,100 million it has to, or it stops. Restart the server; if this stays, report it.',
          );
        },
      });
      const { socket } = embedded;
      // The client knows `socket`, its types don't.
      // It answers when it can: on a slow machine the first answer takes its time.
      const options = {
        ...common,
        socket,
        max: 1,
        connect_timeout: 0,
        user: 'postgres',
        connection: { ...PLANNING, ...OURS },
      };
      open = () => postgres(options);
    } else {
      const address = dbOptions(url);
      open = ({ lockMs = STATEMENT_MS / 2, idleSeconds } = {}) =>
        postgres({
          ...common,
          ...address,
          max: 1,
          ...(idleSeconds !== undefined && { idle_timeout: idleSeconds }),
          connection: {
            application_name: `chat-server ${config.INSTANCE_ID}`,
            statement_timeout: STATEMENT_MS,
            lock_timeout: lockMs,
            client_connection_check_interval: 1000,
            ...PLANNING,
            ...OURS,
            search_path: url.parameters.get('search_path') ?? OURS.search_path,
          },
        });
    }
    const startEnd = Date.now() + config.STARTUP_WAIT_SECONDS * 1000;
    const sql = embedded ? open() : await reach();
    const applied = await firstAnswer(() => migrate(sql));
    if (applied.length > 0) log.info({ applied }, 'database migrated');
    await firstAnswer(() => forgetForeignBatches(sql));
    if (embedded) {
      const { ino } = await stat(join(config.DATA_DIR, 'db', 'PG_VERSION'), { bigint: true });
      await noticePlace(sql, String(ino));
    }
    const [version] = await firstAnswer(
      () => sql<[{ v: string }]>`select current_setting('server_version') as v`,
    );
    let die: (error: Error) => void = () => {};
    const dead = new Promise<Error>((resolve) => {
      embedded?.onFatal(resolve);
      die = resolve;
    });
    const { end, ...lanes } = embedded ? oneLane(sql) : poolOf(open, config.DB_POOL);
    const db: Db = {
      ...lanes,
      sql,
      engine: `${embedded ? 'embedded PostgreSQL' : 'PostgreSQL'} ${version.v.split(' ')[0]}`,
      epoch: await firstAnswer(() => epochOf(sql)),
      age: () => transactionAge,
      dead,
      giveUp: (error) => {
        if (embedded) die(error);
      },
    };
    app.decorate('db', db);
    app.addHook('onClose', async () => {
      await Promise.all([sql.end({ timeout: 5 }), end()]);
      await embedded?.close();
    });

    /** A client of a server that was asked whether it can be worked with; waited for as long as the settings say. */
    async function reach(): Promise<Client> {
      for (let pause = 250; ; pause = Math.min(pause * 2, 5000)) {
        const client = open({ idleSeconds: IDLE_SECONDS });
        try {
          await deadline(examine(client, url, config.DB_POOL), FIRST_ANSWER_MS);
          return client;
        } catch (error) {
          void client.end({ timeout: 0 });
          await again(error, pause);
        }
      }
    }

    /** Repeats what can't be done yet because the server is away, with growing pauses, as long as the settings say. */
    async function firstAnswer<T>(work: () => Promise<T>): Promise<T> {
      for (let pause = 250; ; pause = Math.min(pause * 2, 5000)) {
        try {
          return await work();
        } catch (error) {
          if (embedded) throw error;
          await again(error, pause);
        }
      }
    }

    /** Pauses if the server may come yet. @throws Error with a sentence if it can't, or not in time */
    async function again(error: unknown, pause: number): Promise<void> {
      const lasting = lastingReason(error, url);
      if (lasting !== undefined) throw lasting;
      const silent = error instanceof DeadlineError;
      if (!silent && !isUnavailable(error)) throw error;
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      const why = silent
        ? 'it gives no answer as PostgreSQL does'
        : (error instanceof Error && error.message) || code;
      if (Date.now() + pause > startEnd)
        throw new Error(
          `PostgreSQL at ${whereIs(url)} (DB_URL) can't be used: ${why} (waited for ${config.STARTUP_WAIT_SECONDS} s). Start it, or correct host and port.`,
        );
      log.warn(`PostgreSQL at ${whereIs(url)} (DB_URL) can't be used yet: ${why}; next try in ${pause} ms`);
      await sleep(pause);
    }
  },
  { name: 'db', dependencies: ['config', 'errors'] },
);
