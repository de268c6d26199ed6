/** A real PostgreSQL on a free port, with data that lasts as long as the test. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { findPostgres, onFreePorts, present } from './find.js';
import { execute, launch, makeFolder, ordinaryUser } from './process.js';

export interface Postgres {
  readonly port: number;
  /** For the role `app`: not a superuser, may create databases, owns those that it made. */
  url(database?: string): string;
  /** For the superuser. */
  adminUrl(database?: string): string;
  /** Makes a database that belongs to `app` and gives its url. */
  createDatabase(name?: string): Promise<string>;
  /** Ends the server, if it runs, and starts it on the same port and data. */
  restart(how: 'immediate' | 'fast'): Promise<void>;
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

/** Starts PostgreSQL with durable commits; `settings` are those of postgresql.conf. */
export async function startPostgres(options: { settings?: Record<string, string> } = {}): Promise<Postgres> {
  const bin = present(findPostgres(), 'PostgreSQL');
  const user = ordinaryUser('postgres', 'nobody');
  const folder = await makeFolder('postgres', user);
  const data = join(folder.path, 'data');
  const password = randomBytes(12).toString('hex');

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
    const start = () =>
      launch({
        folder,
        command: join(bin, 'postgres'),
        args: ['-D', data, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
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
    const passwordFile = join(folder.path, 'password');
    await writeFile(passwordFile, password);
    const locale = process.platform === 'linux' ? 'C.UTF-8' : 'en_US.UTF-8';
    const flags = ['-U', 'postgres', '-E', 'UTF8', `--locale=${locale}`, '-A', 'scram-sha-256', '--no-sync'];
    await execute(join(bin, 'initdb'), ['-D', data, ...flags, `--pwfile=${passwordFile}`], {
      ...user,
      cwd: folder.path,
    });
    const server = await onFreePorts(1, ([port = 0]) => open(port));
    await query(server.adminUrl(), `create role app login createdb password '${password}'`);
    return {
      port: server.port,
      url: server.url,
      adminUrl: server.adminUrl,
      async createDatabase(name = `test_${randomBytes(6).toString('hex')}`) {
        await query(server.url(), `create database "${name}"`);
        return server.url(name);
      },
      async restart(how) {
        await server.running.end(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
        server.running = await server.start();
      },
      kill9: () => server.running.end('SIGKILL'),
      pause: () => server.running.signal('SIGSTOP'),
      resume: () => server.running.signal('SIGCONT'),
      async stop() {
        await server.running.end('SIGINT');
        await folder.remove();
      },
    };
  } catch (error) {
    await folder.remove();
    throw error;
  }
}
