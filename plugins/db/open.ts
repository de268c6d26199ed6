import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import postgres from 'postgres';
import { migrate, pendingMigrations } from '../../sql/migrate.js';
import type { Settings, Task } from '../config.js';
import { type Embedded, openEmbedded } from './embedded.js';
import { WARN_AGE } from './embedded-upkeep.js';
import { gaveWay, isUnavailable } from './failure.js';
import { Hosts } from './hosts.js';
import { type Client, DeadlineError, deadline } from './lanes.js';
import { examine, lastingReason, OURS } from './start.js';
import { type DbUrl, dbOptions, parseDbUrl, whereIs } from './url.js';

const DAY_MS = 24 * 3600 * 1000;

/** Milliseconds that any statement may take. The embedded engine ignores it: its callers have deadlines of their own. */
const STATEMENT_MS = 10_000;
/** Milliseconds that a batch waits for the row of a conversation: longer than another batch holds one, and no longer than that. */
export const LOG_LOCK_MS = 250;
/** Seconds after which the connection that is seldom needed is closed. */
export const IDLE_SECONDS = 10;
/**
 * How every statement is planned: once, and by index. Each is short and has one; statistics are late on tables that grow from
 * nothing and whose rows live for moments, and a plan made from them has read a whole table for each of 3,500 users.
 */
export const PLANNING = {
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

/** Seconds for a connection to a server. */
const CONNECT_SECONDS = 5;

const common = {
  // Arrays go as text (sql/handle.ts), so the types of the server needn't be asked for.
  fetch_types: false,
  onnotice: () => {},
  connect_timeout: CONNECT_SECONDS,
  // Seconds: a server that comes back is met soon.
  backoff: (attempt: number) => Math.min(0.05 * 2 ** attempt, 1) * (0.5 + Math.random() / 2),
  types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
};

/**
 * Makes a client of the database: milliseconds that it waits for locks, seconds that its connection may be idle, and what is called when
 * a connection is closed.
 */
export type Open = (options?: { lockMs?: number; idleSeconds?: number; onClose?: () => void }) => Client;

type Log = Pick<FastifyBaseLogger, 'info' | 'warn'>;

/** A database that has given its first answer. */
export type Opened = {
  open: Open;
  hosts: Hosts;
  sql: Client;
  embedded: Embedded | undefined;
  /** As in `Db`. */
  age(): number | undefined;
  /** Repeats what can't be done yet because the server is away, with growing pauses, as long as the settings say. */
  firstAnswer<T>(work: () => Promise<T>): Promise<T>;
};

/**
 * Opens the embedded database, or the PostgreSQL at `DB_URL`, which is waited for.
 * @throws Error with a sentence if it can't be used
 */
export async function openDatabase(config: Settings, log: Log): Promise<Opened> {
  const url = parseDbUrl(config.DB_URL) ?? NO_URL;
  let embedded: Embedded | undefined;
  let transactionAge: number | undefined;
  let open: Open;
  const hosts = new Hosts(url.hosts);
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
    open = ({ lockMs = STATEMENT_MS / 2, idleSeconds, onClose } = {}) =>
      hosts.open((host) =>
        postgres({
          ...common,
          ...dbOptions(url, host),
          // One that is silent leaves time for the others.
          connect_timeout: CONNECT_SECONDS / hosts.count,
          max: 1,
          ...(idleSeconds !== undefined && { idle_timeout: idleSeconds }),
          ...(onClose !== undefined && { onclose: onClose }),
          connection: {
            application_name: `chat-server ${config.INSTANCE_ID}`,
            statement_timeout: STATEMENT_MS,
            lock_timeout: lockMs,
            client_connection_check_interval: 1000,
            ...PLANNING,
            ...OURS,
            search_path: url.parameters.get('search_path') ?? OURS.search_path,
          },
        }),
      );
  }
  const startEnd = Date.now() + config.STARTUP_WAIT_SECONDS * 1000;
  const sql = embedded ? open() : await reach();
  return { open, hosts, sql, embedded, age: () => transactionAge, firstAnswer };

  /** A client of a server that was asked whether it can be worked with; waited for as long as the settings say. */
  async function reach(): Promise<Client> {
    for (let pause = 250; ; pause = Math.min(pause * 2, 5000)) {
      const errors: unknown[] = [];
      while (errors.length < hosts.count) {
        const client = open({ idleSeconds: IDLE_SECONDS });
        try {
          await deadline(examine(client, url, config.DB_POOL), FIRST_ANSWER_MS);
          return client;
        } catch (error) {
          void client.end({ timeout: 0 });
          hosts.leave(client);
          errors.push(error);
        }
      }
      // One that may come yet is waited for, whatever is wrong with the others.
      await again(errors.find((error) => lastingReason(error, url) === undefined) ?? errors[0], pause);
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
    // An older server at work may hold what a migration wants, and want what the migration holds.
    if (!silent && !isUnavailable(error) && !gaveWay(error)) throw error;
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
}

/**
 * Migrates an opened database. An embedded one is copied first where nothing leads back but a copy.
 * @returns names of the migrations that were applied now
 */
export async function bringUp({ sql, embedded, firstAnswer }: Opened, log: Log): Promise<string[]> {
  const alone = embedded && (await pendingMigrations(sql)).find((migration) => migration.alone);
  if (embedded && alone) {
    const path = await embedded.copy(alone.name.replace('.sql', ''));
    log.info(
      `The database as it was is kept in ${path}, to go back to the version before; it is deleted at the next start.`,
    );
  }
  return firstAnswer(() => migrate(sql));
}

/**
 * What is done in place of a start (`--pending`, `--migrate`): says which migrations a start would apply, or applies them.
 * @returns a line for each of them
 */
export async function runTask(task: Task, config: Settings, log: Log): Promise<string[]> {
  const line = ({ name, alone }: { name: string; alone: boolean }) => (alone ? `${name} alone` : name);
  // Opening an embedded database would make it.
  if (task === 'pending' && config.embedded && !existsSync(join(config.DATA_DIR, 'db', 'PG_VERSION')))
    return (await pendingMigrations(undefined)).map(line);
  const opened = await openDatabase(config, log);
  const { sql, embedded, firstAnswer } = opened;
  try {
    return task === 'migrate'
      ? await bringUp(opened, log)
      : (await firstAnswer(() => pendingMigrations(sql))).map(line);
  } finally {
    await sql.end({ timeout: 5 });
    await embedded?.close();
  }
}
