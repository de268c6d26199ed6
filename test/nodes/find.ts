/** Where this machine keeps the programs and the free ports that tests need. */
import { randomInt } from 'node:crypto';
import { accessSync, constants, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';

const homebrew = ['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew'];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The first program of these names, in PATH, /usr/sbin and where Homebrew links what it installs. */
export function findProgram(...names: string[]): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter);
  const folders = [...path, '/usr/sbin', ...homebrew.map((prefix) => join(prefix, 'bin'))];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** The folder of PostgreSQL's programs: the newest version that is installed, in PATH or beside it. */
export function findPostgres(): string | undefined {
  const versions = [
    ...list('/usr/lib/postgresql').map((version) => ({ version, bin: `/usr/lib/postgresql/${version}/bin` })),
    ...homebrew.flatMap((prefix) =>
      list(join(prefix, 'opt'))
        .filter((name) => name.startsWith('postgresql@'))
        .map((name) => ({
          version: name.slice('postgresql@'.length),
          bin: join(prefix, 'opt', name, 'bin'),
        })),
    ),
  ].sort((a, b) => Number(b.version) - Number(a.version));
  const newest = versions.find(({ bin }) => isExecutable(join(bin, 'initdb')));
  return newest?.bin ?? findProgram('initdb')?.slice(0, -'/initdb'.length);
}

/** The path of Firefox. */
export function firefoxPath(): string {
  const path =
    findProgram('firefox-esr', 'firefox') ??
    ['/Applications/Firefox.app/Contents/MacOS/firefox'].find(isExecutable);
  return present(path, 'Firefox');
}

/** The path of Chromium or of a browser made from it. */
export function chromiumPath(): string {
  const path =
    findProgram('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable') ??
    [
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    ].find(isExecutable);
  return present(path, 'Chromium');
}

/** Says how to install what is missing. */
export function present(path: string | undefined, name: string): string {
  if (path === undefined) throw new Error(`${name} is not installed: run test/install.sh`);
  return path;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * A loopback port that is free now. It lies below the range that the system takes for outgoing connections:
 * within that range, a client that keeps knocking at a stopped service can end up connected to itself and
 * hold the port.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000);
    if (await isFree(port)) return port;
  }
}

/** Starts something on free ports, and again on others when somebody was faster. */
export async function onFreePorts<T>(count: number, start: (ports: number[]) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const ports = new Set<number>();
    while (ports.size < count) ports.add(await freePort());
    try {
      return await start([...ports]);
    } catch (error) {
      if (attempt === 5 || !/already in use|EADDRINUSE/i.test(String(error))) throw error;
    }
  }
}
