import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import postgres from 'postgres';
import { epochOf, noticePlace } from '../sql/epoch.js';
import type { Sql } from '../sql/handle.js';
import { migrate } from '../sql/migrate.js';
import { type Embedded, openEmbedded } from './embedded.js';
import { ChatError } from './errors.js';
import { type Client, DeadlineError, Lanes } from './lanes.js';

declare module 'fastify' {
  interface FastifyInstance {
    db: Db;
  }
}

export interface Db {
  /** What people ask for, over HTTP and in frames. */
  readonly requests: Lanes;
  /** What openings and delivery lean on, so that no list is in their way. */
  readonly delivery: Lanes;
  /** The log's appends, one at a time. */
  readonly log: Lanes;
  /** Appends that wait for a row that somebody holds. */
  readonly held: Lanes;
  /** A connection for what is done by hand and at the start. */
  readonly sql: Client;
  /** Name and version, for people. */
  readonly engine: string;
  /** Which history this is: see `sql/epoch.ts`. The hub renews it. */
  epoch: string;
  /** Why the database is gone for good in this process; comes only if it is. */
  readonly dead: Promise<Error>;
  /** Says that it stores nothing any more and won't by itself: only the embedded engine is ours to start anew. */
  giveUp(error: Error): void;
}

/** Milliseconds that any statement may take. The embedded engine ignores it: its callers have deadlines of their own. */
const STATEMENT_MS = 10_000;
/** Milliseconds that a batch waits for the row of a conversation: longer than another batch holds one, and no longer than that. */
const LOG_LOCK_MS = 250;
/** Seconds after which the connection that is seldom needed is closed. */
const IDLE_SECONDS = 10;
/** Conversations that appends wait for at once, each on a connection that is there only then. */
export const HELD_LANES = 2;

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

const common = {
  // Arrays go as text (sql/handle.ts), so the types of the server needn't be asked for.
  fetch_types: false,
  onnotice: () => {},
  connect_timeout: 5,
  // Seconds: a server that comes back is met soon.
  backoff: (attempt: number) => Math.min(0.05 * 2 ** attempt, 1) * (0.5 + Math.random() / 2),
  types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : '';

/** Whether an error says that the server couldn't be reached or is not in a state to work, rather than that it refused. */
function isUnavailable(error: unknown): boolean {
  return (
    error instanceof DeadlineError ||
    /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN|ENOENT|08|25006|53|57P|58)/.test(
      codeOf(error),
    )
  );
}

/**
 * Whether an error says that what was asked has not happened: the statement never reached the server, or the server answered
 * that it failed. Only a session that ends may have committed before it says so.
 */
export function isRefusal(error: unknown): boolean {
  const code = codeOf(error);
  return (
    /^(ECONNREFUSED|CONNECT_TIMEOUT|CONNECTION_ENDED|EHOST|ENET|ENOTFOUND|EAI_AGAIN|ENOENT|57P03)/.test(
      code,
    ) ||
    (error instanceof postgres.PostgresError && !/^(08|57P)/.test(code))
  );
}

/**
 * Asks for somebody outside, who waits.
 * @throws ChatError `overloaded` when the database can't answer now
 */
export async function within<T>(lanes: Lanes, question: (sql: Sql) => Promise<T>): Promise<T> {
  try {
    return await lanes.ask(question);
  } catch (error) {
    if (isUnavailable(error))
      throw new ChatError('overloaded', 'the database cannot be reached now, try again');
    throw error;
  }
}

/** Makes a client of the database: milliseconds that it waits for locks, seconds that its connection may be idle. */
type Open = (options?: { lockMs?: number; idleSeconds?: number }) => Client;

/** The embedded engine has one connection: all wait for it in one row. */
function oneLane(sql: Client): Pick<Db, 'requests' | 'delivery' | 'log' | 'held'> {
  const only = new Lanes(1, () => sql, { renewable: false });
  return { requests: only, delivery: only, log: only, held: only };
}

/** @param count lanes, those for appends left out */
function poolOf(open: Open, count: number): Pick<Db, 'requests' | 'delivery' | 'log' | 'held'> {
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
  return pool;
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
    let embedded: Embedded | undefined;
    let open: Open;
    if (config.embedded) {
      embedded = await openEmbedded(config.DATA_DIR);
      const { socket } = embedded;
      // The client knows `socket`, its types don't.
      // It answers when it can: on a slow machine the first answer takes its time.
      const options = {
        ...common,
        socket,
        max: 1,
        connect_timeout: 0,
        user: 'postgres',
        connection: PLANNING,
      };
      open = () => postgres(options);
    } else {
      open = ({ lockMs = STATEMENT_MS / 2, idleSeconds } = {}) =>
        postgres(config.DB_URL, {
          ...common,
          max: 1,
          ...(idleSeconds !== undefined && { idle_timeout: idleSeconds }),
          connection: {
            application_name: `chat-server ${config.INSTANCE_ID}`,
            statement_timeout: STATEMENT_MS,
            lock_timeout: lockMs,
            client_connection_check_interval: 1000,
            ...PLANNING,
          },
        });
    }
    const sql = open({ idleSeconds: IDLE_SECONDS });
    const applied = await firstAnswer(() => migrate(sql));
    if (applied.length > 0) log.info({ applied }, 'database migrated');
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
    const lanes = embedded ? oneLane(sql) : poolOf(open, config.DB_POOL);
    const db: Db = {
      ...lanes,
      sql,
      engine: `${embedded ? 'embedded PostgreSQL' : 'PostgreSQL'} ${version.v.split(' ')[0]}`,
      epoch: await firstAnswer(() => epochOf(sql)),
      dead,
      giveUp: (error) => {
        if (embedded) die(error);
      },
    };
    app.decorate('db', db);
    app.addHook('onClose', async () => {
      await Promise.all([sql.end({ timeout: 5 }), ...Object.values(lanes).map((each) => each.end())]);
      await embedded?.close();
    });

    /** Repeats what can't be done yet because the server is away, with growing pauses, as long as the settings say. */
    async function firstAnswer<T>(work: () => Promise<T>): Promise<T> {
      const deadline = Date.now() + config.STARTUP_WAIT_SECONDS * 1000;
      for (let pause = 250; ; pause = Math.min(pause * 2, 5000)) {
        try {
          return await work();
        } catch (error) {
          if (embedded || !isUnavailable(error)) throw explain(error);
          if (Date.now() + pause > deadline) throw explain(error, `for ${config.STARTUP_WAIT_SECONDS} s`);
          log.warn({ err: error }, `PostgreSQL (DB_URL) can't be reached yet, next try in ${pause} ms`);
          await sleep(pause);
        }
      }
    }

    function explain(error: unknown, waited = 'now'): unknown {
      if (!(error instanceof Error)) return error;
      const where = URL.canParse(config.DB_URL) ? new URL(config.DB_URL).host : 'DB_URL';
      const code = 'code' in error ? String(error.code) : '';
      if (isUnavailable(error) || code.startsWith('28') || code === '3D000')
        return new Error(
          `PostgreSQL at ${where} can't be used (waited ${waited}): ${error.message || code}. Check the setting DB_URL.`,
        );
      return error;
    }
  },
  { name: 'db', dependencies: ['config', 'errors'] },
);
