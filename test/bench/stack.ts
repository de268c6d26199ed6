import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import postgres from 'postgres';
import { freePort } from '../nodes/find.js';
import { type Postgres, startPostgres } from '../nodes/postgres.js';
import { processes } from '../nodes/process.js';
import { type Redis, startRedis } from '../nodes/redis.js';
import { inTime } from './in-time.js';

export const SECRET = 'a secret for the bench, long enough to sign';
/** Users of the bench are FIRST, FIRST + 1, … */
export const FIRST = 1001;
const USERS = 14_000;
const TICK_US = 10_000;
const linux = process.platform === 'linux';
/** Whether PostgreSQL counts what each statement takes, which takes something itself. */
const COUNTS = process.env.BENCH_STATEMENTS !== undefined;
/** The processor of PostgreSQL and Redis, where that isn't the server's: a profile then holds no pauses in which they had it. */
const STORES = process.env.BENCH_STORES === undefined ? undefined : Number(process.env.BENCH_STORES);
/** Statements of which that is said. */
const SAID = 16;

/** Ties a process and all its threads to one processor; on other systems the kernel decides. */
export function pin(pid: number, core: number): void {
  if (linux) execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
}

export interface Replica {
  port: number;
  pid: number;
  /** Milliseconds from start to ready. */
  startedIn: number;
  stop(): Promise<void>;
}

/**
 * Starts the built server, or another script that takes the same settings, and waits until it says that it is ready. A folder
 * in BENCH_PROFILE gets its CPU profile.
 */
export async function startReplica(
  env: Record<string, string>,
  core: number | undefined,
  script = 'dist/server.js',
): Promise<Replica> {
  const port = await freePort();
  const started = performance.now();
  const { BENCH_PROFILE: folder } = process.env;
  const flags = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(folder)}`];
  const child: ChildProcess = spawn(process.execPath, [...flags, resolve(script)], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: String(port),
      JWT_SECRET: SECRET,
      LOG_LEVEL: 'warn',
      LIMITS: 'off',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: tmpdir(),
  });
  const { pid, stdout } = child;
  if (pid === undefined || stdout === null) throw new Error('the server does not start');
  if (core !== undefined) pin(pid, core);
  const exited = once(child, 'exit');
  await Promise.race([
    new Promise<void>((done) => stdout.on('data', (text) => String(text).includes('is ready') && done())),
    exited.then(() => Promise.reject(new Error('the server ended before it was ready'))),
  ]);
  const startedIn = performance.now() - started;
  // Whoever says that it is ready may not hear SIGTERM yet (server.ts changes its listeners then); who answers does.
  await (await fetch(`http://127.0.0.1:${port}/`)).text();
  return {
    port,
    pid,
    startedIn,
    async stop() {
      child.kill('SIGTERM');
      await inTime(exited, 'the end of a server');
    },
  };
}

/** PostgreSQL and Redis for the whole bench, pinned to the core of the back end, and a fresh database for each run. */
export class Stack {
  private constructor(
    private readonly pg: Postgres,
    readonly redis: Redis,
    private readonly core: number,
  ) {}

  static async start(core: number): Promise<Stack> {
    const counting = { shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.track': 'all' };
    const settings = { shared_buffers: '256MB', min_wal_size: '1GB', ...(COUNTS && counting) };
    const pg = await startPostgres({ settings });
    const stack = new Stack(pg, await startRedis(), core);
    if (COUNTS) await pg.command('create extension pg_stat_statements');
    await stack.pinStores();
    await stack.age();
    return stack;
  }

  /** Makes the files of PostgreSQL's log that a database has that runs for a while: each new one would be a pause of some 50 ms. */
  private async age(): Promise<void> {
    const sql = postgres(this.pg.adminUrl(), { max: 1, onnotice: () => {} });
    await sql.unsafe(`do $$ begin
      for i in 1..64 loop
        perform pg_logical_emit_message(true, 'bench', 'something'), pg_switch_wal();
      end loop;
    end $$`);
    await sql.end();
    await this.checkpoint();
  }

  /** Counts statements from now on. */
  async countStatements(): Promise<void> {
    if (COUNTS) await this.pg.command('select pg_stat_statements_reset()');
  }

  /** Says which statements took most since then, those within functions among them. */
  async sayStatements(): Promise<void> {
    if (!COUNTS) return;
    const sql = postgres(this.pg.adminUrl(), { max: 1 });
    const rows = await sql<{ ms: number; calls: number; rows: number; wal: number; query: string }[]>`
      select total_exec_time::int as ms, calls::int, rows::int, (wal_bytes / 1000)::int as wal, query from pg_stat_statements
      order by total_exec_time desc limit ${SAID}`;
    await sql.end();
    for (const { ms, calls, rows: n, wal, query } of rows)
      process.stderr.write(
        `${ms} ms, ${calls} calls, ${n} rows, ${wal} KB of log: ${query.replace(/\s+/g, ' ').slice(0, 300)}\n`,
      );
  }

  /** Writes out what was changed, so that none of it falls into a measurement. */
  async checkpoint(): Promise<void> {
    const sql = postgres(this.pg.adminUrl(), { max: 1 });
    await sql`checkpoint`;
    await sql.end();
  }

  /** Process ids by part, those of PostgreSQL and Redis found below this process by their names. */
  private async stores(): Promise<{ pid: number; part: 'postgres' | 'redis' }[]> {
    const all = await processes();
    const mine = new Set([process.pid]);
    for (let grew = true; grew; ) {
      const before = mine.size;
      for (const each of all) if (mine.has(each.parent)) mine.add(each.pid);
      grew = mine.size > before;
    }
    const found: { pid: number; part: 'postgres' | 'redis' }[] = [];
    for (const { pid, title } of all) {
      if (!mine.has(pid)) continue;
      if (title.includes('postgres')) found.push({ pid, part: 'postgres' });
      else if (title.includes('redis-server')) found.push({ pid, part: 'redis' });
    }
    return found;
  }

  /** Ties PostgreSQL and each Redis that was started here to the core of the back end. */
  async pinStores(): Promise<void> {
    for (const { pid } of await this.stores()) pin(pid, STORES ?? this.core);
  }

  /** A migrated database with the bench's users in it, and an empty Redis. */
  async fresh(): Promise<Record<string, string>> {
    const url = await this.pg.createDatabase();
    await this.redis.command('flushall');
    const env = { DB_URL: url, REDIS_ADDR: this.redis.addr };
    await (await startReplica(env, this.core)).stop();
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    await sql`insert into users (user_id, username, password)
      select g, 'u' || g, 'no hash' from generate_series(${FIRST}::int, ${FIRST + USERS - 1}::int) g`;
    await sql`analyze`;
    await sql.end();
    return env;
  }

  /** Processor time so far by part, in microseconds. */
  async used(replicas: readonly Replica[]): Promise<Record<'server' | 'postgres' | 'redis', number>> {
    const used = { server: 0, postgres: 0, redis: 0 };
    for (const { pid } of replicas) used.server += await cpu(pid);
    for (const { pid, part } of await this.stores()) used[part] += await cpu(pid);
    return used;
  }

  /** Ends Redis. */
  stopRedis(): Promise<void> {
    return this.redis.kill9();
  }

  /** Brings Redis back, with nothing in it. */
  async startRedis(): Promise<void> {
    await this.redis.restart();
    await this.pinStores();
  }

  async stop(): Promise<void> {
    await this.pg.stop();
    await this.redis.stop();
  }
}

/** Processor time of a process so far, ended children included, in microseconds; from /proc, so on Linux only. */
export async function cpu(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i] ?? 0), 0) * TICK_US;
}

/** Resident memory of a process, in bytes. */
export async function rss(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/statm`, 'latin1').catch(() => '0 0');
  return Number(text.split(' ')[1]) * 4096;
}

/** A folder for an embedded run; the function removes it. */
export async function dataFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'chat-bench-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
