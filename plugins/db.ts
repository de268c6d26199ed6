import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import postgres from 'postgres';
import { epochOf, noticePlace } from '../sql/epoch.js';
import { migrate } from '../sql/migrate.js';
import { examine, lastingReason, OURS } from './db-start.js';
import { type DbUrl, dbOptions, parseDbUrl, whereIs } from './db-url.js';
import { type Embedded, openEmbedded } from './embedded.js';
import { WARN_AGE } from './embedded-upkeep.js';
import { ChatError } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    db: Db;
  }
}

type Pool = postgres.Sql<{ bigint: number }>;

export interface Db {
  /** The pool, for everything but the log's appends. */
  readonly sql: Pool;
  /** One connection of its own for appends: a batch in doubt can be cut off without hurting anybody else. */
  readonly log: Pool;
  /** Name and version, for people. */
  readonly engine: string;
  /** Which history this is: see `sql/epoch.ts`. The hub renews it. */
  epoch: string;
  /** Transactions since the oldest number still in use was given; undefined where the server looks after that itself. */
  age(): number | undefined;
  /** Why the database is gone for good in this process; comes only if it is. */
  readonly dead: Promise<Error>;
  /** Opens `log` afresh, when what it was doing can't be waited for any longer. */
  resetLog(): Promise<void>;
}

const DAY_MS = 24 * 3600 * 1000;

/** Milliseconds that any statement may take. The embedded engine ignores it: its callers have deadlines of their own. */
const STATEMENT_MS = 10_000;

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

/** Whether an error says that the server couldn't be reached or is not in a state to work, rather than that it refused. */
export function isUnavailable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return (
    /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|ENOENT)/.test(code) ||
    /^(08|53|57P|25006)/.test(code)
  );
}

/** Whether an error says that the statement never reached the server. */
export function neverSent(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^(ECONNREFUSED|CONNECT_TIMEOUT|CONNECTION_ENDED|EHOST|ENET|ENOTFOUND|EAI_AGAIN|ENOENT|57P03|53300|28)/.test(
    code,
  );
}

/** The database didn't answer in time: what was asked may still happen. */
export class DeadlineError extends Error {
  override name = 'DeadlineError';
}

/**
 * Waits for a query no longer than a deadline.
 * @param ms milliseconds
 * @throws DeadlineError
 */
export async function deadline<T>(query: Promise<T>, ms = STATEMENT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(`the database didn't answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([query, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits for a query that somebody outside waits for too.
 * @throws ChatError `overloaded` when the database can't answer now
 */
export async function within<T>(query: Promise<T>): Promise<T> {
  try {
    return await deadline(query, STATEMENT_MS / 2);
  } catch (error) {
    if (error instanceof DeadlineError || isUnavailable(error))
      throw new ChatError('overloaded', 'the database cannot be reached now, try again');
    throw error;
  }
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
    let open: (max: number) => Pool;
    let transactionAge: number | undefined;
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
      const options = { ...common, socket, max: 1, user: 'postgres', connection: { ...PLANNING, ...OURS } };
      open = () => postgres(options);
    } else {
      const address = dbOptions(url);
      open = (max) =>
        postgres({
          ...common,
          ...address,
          max,
          connection: {
            application_name: `chat-server ${config.INSTANCE_ID}`,
            statement_timeout: STATEMENT_MS,
            lock_timeout: STATEMENT_MS / 2,
            client_connection_check_interval: 1000,
            ...PLANNING,
            ...OURS,
            search_path: url.parameters.get('search_path') ?? OURS.search_path,
          },
        });
    }
    const startEnd = Date.now() + config.STARTUP_WAIT_SECONDS * 1000;
    const sql = embedded ? open(config.DB_POOL) : await reach();
    const applied = await firstAnswer(() => migrate(sql));
    if (applied.length > 0) log.info({ applied }, 'database migrated');
    if (embedded) {
      const { ino } = await stat(join(config.DATA_DIR, 'db', 'PG_VERSION'), { bigint: true });
      await noticePlace(sql, String(ino));
    }
    const [version] = await firstAnswer(
      () => sql<[{ v: string }]>`select current_setting('server_version') as v`,
    );
    const db = {
      sql,
      log: embedded ? sql : open(1),
      engine: `${embedded ? 'embedded PostgreSQL' : 'PostgreSQL'} ${version.v.split(' ')[0]}`,
      epoch: await firstAnswer(() => epochOf(sql)),
      age: () => transactionAge,
      dead: new Promise<Error>((resolve) => embedded?.onFatal(resolve)),
      async resetLog() {
        if (embedded) return;
        const old = db.log;
        db.log = open(1);
        await old.end({ timeout: 0 });
      },
    };
    app.decorate('db', db);
    app.addHook('onClose', async () => {
      await Promise.all([db.sql, db.log].map((pool) => pool.end({ timeout: 5 })));
      await embedded?.close();
    });

    /** A pool at a server that was asked whether it can be worked with; waited for as long as the settings say. */
    async function reach(): Promise<Pool> {
      for (let pause = 250; ; pause = Math.min(pause * 2, 5000)) {
        const pool = open(config.DB_POOL);
        try {
          await deadline(examine(pool, url, config.DB_POOL), FIRST_ANSWER_MS);
          return pool;
        } catch (error) {
          void pool.end({ timeout: 0 });
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
