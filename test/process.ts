/** The server as a process of its own, for tests whose subject is the process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Milliseconds that a test waits for a line of output. */
const PATIENCE_MS = 30_000;

export interface ServerProcess {
  readonly pid: number | undefined;
  /** All that it has written so far, to both streams. */
  output(): string;
  /** Waits until the output has something. @throws Error with the output when it doesn't come */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  signal(name: NodeJS.Signals): void;
}

/** Builds the server into a folder of its own, which is gone after the test. @returns the path of `server.js` */
export async function builtServer(t: Test): Promise<string> {
  // Below node_modules, so that the server's packages are found from there.
  const cache = join(root, 'node_modules/.cache/test');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'build-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  // The page is looked for in a folder of this name.
  const dist = join(folder, 'dist');
  const build = spawn(process.execPath, [join(root, 'build.mjs'), '--force', '--out', dist], {
    stdio: 'inherit',
  });
  const [code] = await once(build, 'exit');
  if (code !== 0) throw new Error(`the build ended with ${code}`);
  return join(dist, 'server.js');
}

/**
 * Starts a built server with these settings and no others; it is ended after the test.
 * @param args behind the program
 * @param descriptors how many it may have open; what this process may when left out
 */
export function startProcess(
  t: Test,
  server: string,
  env: Record<string, string>,
  cwd: string,
  { args: behind = [], descriptors }: { args?: string[]; descriptors?: number } = {},
): ServerProcess {
  // As in .taprc.
  const words = [process.execPath, '--liftoff-only', '--enable-source-maps', server, ...behind];
  const [command = '', ...args] =
    descriptors === undefined
      ? words
      : ['/bin/sh', '-c', `ulimit -n ${descriptors}; exec "$0" "$@"`, ...words];
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let wake = () => {};
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      text += data;
      wake();
    });
  let over = false;
  const ended = once(child, 'close').then(([code, signal]) => {
    over = true;
    wake();
    return code ?? signal;
  });
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    pid: child.pid,
    output: () => text,
    ended,
    signal: (name) => child.kill(name),
    async says(pattern) {
      const end = Date.now() + PATIENCE_MS;
      for (;;) {
        const found = pattern.exec(text);
        if (found) return found;
        if (over || Date.now() >= end) throw new Error(`${pattern} is not in the output:\n${text}`);
        let timer: NodeJS.Timeout | undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = setTimeout(resolve, end - Date.now());
        });
        clearTimeout(timer);
      }
    },
  };
}
