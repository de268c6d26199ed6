/** A real Nginx with a given configuration, as an ordinary user in a folder of its own. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { findProgram, onFreePorts, present } from './find.js';
import { execute, type Folder, launch, makeFolder, ordinaryUser, processes, until } from './process.js';

/** Writes the whole configuration for these free ports. */
export type NginxConfig = (ports: number[]) => string;

export interface Nginx {
  readonly ports: number[];
  /** The address of the first port. */
  readonly url: string;
  /** Takes a new configuration, or the old one again, and resolves when new workers serve it. */
  reload(config?: NginxConfig): Promise<void>;
  /** What it wrote to /dev/stdout and /dev/stderr. */
  output(): Promise<string>;
  stop(): Promise<void>;
}

const mimeTypes = ['/etc', '/opt/homebrew/etc', '/usr/local/etc'].map((etc) => `${etc}/nginx/mime.types`);
const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** Puts all that Nginx writes under its folder, which lets it run without root. */
function confine(text: string, path: string): string {
  const paths = temporary.map((name) => `${name}_temp_path ${join(path, name)};`).join(' ');
  const rest = text.replace(/^\s*(pid|daemon|user)\s[^;]*;/gm, '').replace(/\bhttp\s*\{/, `http { ${paths}`);
  return `pid ${join(path, 'nginx.pid')}; daemon off;\n${rest}`;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function open(folder: Folder, ports: number[], config: NginxConfig): Promise<Nginx> {
  const nginx = present(findProgram('nginx'), 'Nginx');
  const file = join(folder.path, 'nginx.conf');
  const args = ['-p', folder.path, '-c', file, '-e', 'stderr'];
  let current = config;
  async function write(): Promise<void> {
    await writeFile(file, confine(current(ports), folder.path));
    // Into a file, because /dev/stdout and /dev/stderr cannot be reopened when they are pipes.
    const check = ['-c', 'exec "$0" "$@" > check 2>&1', nginx, '-t', '-q', ...args];
    await execute('/bin/sh', check, { ...folder.user, cwd: folder.path }).catch(async () => {
      throw new Error(
        `Nginx refuses its configuration:\n${await readFile(join(folder.path, 'check'), 'utf8')}`,
      );
    });
  }
  await write();
  const running = await launch({
    folder,
    command: nginx,
    args,
    ready: async () => (await Promise.all(ports.map(accepts))).every(Boolean),
  });
  const output = () => readFile(join(folder.path, 'log'), 'utf8');
  return {
    ports,
    url: `http://127.0.0.1:${ports[0]}`,
    output,
    async reload(next = current) {
      const workers = async () => (await processes()).filter(({ parent }) => parent === running.pid);
      const before = (await workers()).map(({ pid }) => pid);
      current = next;
      await write();
      await running.signal('SIGHUP');
      // An old worker with open connections stays, but says that it takes no new ones.
      await until(
        async () => {
          const serving = (await workers()).filter(({ title }) => !title.includes('shutting down'));
          return serving.length > 0 && !serving.some(({ pid }) => before.includes(pid));
        },
        () => 'Nginx has no new workers',
      );
    },
    async stop() {
      await running.end('SIGTERM');
      await folder.remove();
    },
  };
}

/** Starts Nginx; its log goes to stderr unless the configuration says otherwise. */
export async function startNginx(config: NginxConfig, options: { ports?: number } = {}): Promise<Nginx> {
  const folder = await makeFolder('nginx', ordinaryUser('nobody'));
  try {
    const types = mimeTypes.find(existsSync);
    if (types) await copyFile(types, join(folder.path, 'mime.types')); // for `include mime.types`
    await mkdir(join(folder.path, 'logs'), { recursive: true });
    return await onFreePorts(options.ports ?? 1, (ports) => open(folder, ports, config));
  } catch (error) {
    await folder.remove();
    throw error;
  }
}
