/** A real PostgreSQL on a free port, with data that lasts as long as the test. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { type Disk, makeDisk } from './disk.js';
import { findPostgres, onFreePorts, present } from './find.js';
import { execute, launch, makeFolder, ordinaryUser, processes } from './process.js';

export interface Postgres {
  readonly port: number;
  /** For the role `app`: not a superuser, may create databases, owns those that it made. */
  url(database?: string): string;
  /** For the superuser. */
  adminUrl(database?: string): string;
  /** Runs statements as the superuser, one after the other. */
  command(...statements: string[]): Promise<void>;
  /** Where `createDatabase` puts tables, if a small disk was asked for and can be made here. The log is elsewhere. */
  readonly disk: Disk | undefined;
  /** The longest file, in bytes, that the server may write from now on; undefined: as long as it likes. Linux alone. */
  limitFiles(bytes: number | undefined): Promise<void>;
  /** Makes a database that belongs to `app` and gives its url. */
  createDatabase(name?: string): Promise<string>;
  /** Where its data is. */
  readonly data: string;
  /** Ends the server, if it runs, and starts it on the same port and data. @param meanwhile done in between */
  restart(how: 'immediate' | 'fast', meanwhile?: () => Promise<unknown>): Promise<void>;
  /** Kills the server with all its processes; `restart` brings it back. */
  kill9(): Promise<void>;
  /** Stops the server in its tracks: connections stay open and nothing answers. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

async function query(url: string, text: string): Promise<void> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    await sql.unsafe(text);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Leaves a transaction open after a statement that locks something. @returns ends it */
export async function leaveOpen(url: string, statement: string): Promise<() => Promise<void>> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const session = await sql.reserve();
    await session.unsafe('begin');
    await session.unsafe(statement);
    let over: Promise<void> | undefined;
    return () => {
      // Its session may be gone, and with it the transaction.
      over ??= session.unsafe('rollback').then(
        () => sql.end({ timeout: 1 }),
        () => sql.end({ timeout: 1 }),
      );
      return over;
    };
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw error;
  }
}

/**
 * Starts PostgreSQL with durable commits; `settings` are those of postgresql.conf, `diskBytes` the size of a small disk, `standbyOf` the
 * server that it is to follow, `port` where it is to listen if that matters.
 */
export async function startPostgres(
  options: {
    settings?: Record<string, string>;
    diskBytes?: number;
    standbyOf?: Postgres;
    port?: number;
  } = {},
): Promise<Postgres> {
  const bin = present(findPostgres(), 'PostgreSQL');
  const user = ordinaryUser('postgres', 'nobody');
  const folder = await makeFolder('postgres', user);
  const data = join(folder.path, 'data');
  const disk = options.diskBytes === undefined ? undefined : await makeDisk(options.diskBytes, user);
  const remove = async () => {
    await disk?.remove();
    await folder.remove();
  };
  const { standbyOf } = options;
  const password =
    standbyOf === undefined ? randomBytes(12).toString('hex') : new URL(standbyOf.adminUrl()).password;

  async function makeCluster() {
    const passwordFile = join(folder.path, 'password');
    await writeFile(passwordFile, password);
    const locale = process.platform === 'linux' ? 'C.UTF-8' : 'en_US.UTF-8';
    const flags = ['-U', 'postgres', '-E', 'UTF8', `--locale=${locale}`, '-A', 'scram-sha-256', '--no-sync'];
    await execute(join(bin, 'initdb'), ['-D', data, ...flags, `--pwfile=${passwordFile}`], {
      ...user,
      cwd: folder.path,
    });
  }

  async function open(port: number) {
    const url = (role: string, database: string) =>
      `postgres://${role}:${password}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
    const adminUrl = (database = 'postgres') => url('postgres', database);
    const settings = {
      port: String(port),
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: '300',
      ...options.settings,
    };
    const command = join(bin, 'postgres');
    const args = [
      '-D',
      data,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ];
    const start = () =>
      launch({
        // Only root may join the disk, and lays that down there.
        ...(disk
          ? { folder: { ...folder, user: {} }, ...disk.within(command, args, user) }
          : { folder, command, args }),
        ready: () =>
          query(adminUrl(), 'select 1').then(
            () => true,
            () => false,
          ),
      });
    return {
      port,
      adminUrl,
      url: (database = 'postgres') => url('app', database),
      start,
      running: await start(),
    };
  }

  try {
    if (standbyOf === undefined) await makeCluster();
    else {
      // What it needs to follow is written beside the data.
      const flags = ['-d', standbyOf.adminUrl(), '-D', data, '-R', '-c', 'fast', '--no-sync'];
      const command = join(bin, 'pg_basebackup');
      if (disk && standbyOf.disk) {
        const call = disk.within(command, [...flags, '-T', `${standbyOf.disk.path}=${disk.path}`], user);
        await execute(call.command, call.args);
      } else await execute(command, flags, { ...user, cwd: folder.path });
    }
    const server = await (options.port === undefined
      ? onFreePorts(1, ([port = 0]) => open(port))
      : open(options.port));
    if (standbyOf === undefined)
      await query(server.adminUrl(), `create role app login createdb password '${password}'`);
    if (disk && standbyOf === undefined) {
      await query(server.adminUrl(), `create tablespace small owner app location '${disk.path}'`);
    }
    return {
      disk,
      async command(...statements) {
        for (const statement of statements) await query(server.adminUrl(), statement);
      },
      async limitFiles(bytes) {
        const { pid } = server.running;
        // What writes back old pages must be able to; new sessions have their limit from the parent.
        const ids = (await processes())
          .filter((each) => each.pid === pid || (each.parent === pid && /postgres: app /.test(each.title)))
          .map((each) => String(each.pid));
        const set = (id: string) =>
          execute('prlimit', ['--pid', id, `--fsize=${bytes ?? 'unlimited'}:`], user);
        const results = await Promise.allSettled(ids.map(set));
        // One that ended meanwhile needs none.
        for (const result of results) {
          if (result.status === 'rejected' && !/No such process/.test(String(result.reason)))
            throw result.reason;
        }
      },
      port: server.port,
      url: server.url,
      adminUrl: server.adminUrl,
      async createDatabase(name = `test_${randomBytes(6).toString('hex')}`) {
        await query(server.url(), `create database "${name}"${disk ? ' tablespace small' : ''}`);
        return server.url(name);
      },
      data,
      async restart(how, meanwhile) {
        await server.running.end(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
        await meanwhile?.();
        server.running = await server.start();
      },
      kill9: () => server.running.end('SIGKILL'),
      pause: () => server.running.signal('SIGSTOP'),
      resume: () => server.running.signal('SIGCONT'),
      async stop() {
        await server.running.end('SIGINT');
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
