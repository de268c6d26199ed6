/** Child processes that never outlive the test: each has a folder, and both are gone when the test ends. */
import { execFile, spawn } from 'node:child_process';
import { chownSync, closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

export const execute = promisify(execFile);

/** A system user to run as; empty where the caller is an ordinary user already. */
export type User = { uid?: number; gid?: number };

export interface Folder {
  readonly path: string;
  readonly user: User;
  /** Tells the folder's guard which process to kill first. */
  guard(pid: number | undefined): void;
  remove(): Promise<void>;
}

export interface Running {
  readonly pid: number;
  /** Signals the process and its children. */
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL' | 'SIGHUP'): Promise<void>;
  /** Ends the process, and with force when it takes longer than ten seconds. */
  end(signal: 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void>;
}

/** Repeats `condition` until it gives something, and fails with `explain()` when it does not in time. */
export async function until<T>(
  condition: () => Promise<T | false | undefined>,
  explain: () => string,
  ms = 30_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== undefined) return value;
    if (performance.now() > end) throw new Error(`Waited ${ms} ms. ${explain()}`);
    await wait(20);
  }
}

/** Root runs no service: the first of these users that exists does. */
export function ordinaryUser(...names: string[]): User {
  if (process.getuid?.() !== 0) return {};
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of names) {
    const account = accounts.find((fields) => fields[0] === name);
    if (account) return { uid: Number(account[2]), gid: Number(account[3]) };
  }
  throw new Error(`No such user: ${names.join(', ')}`);
}

// The guard reads process ids, one line each, until its parent is gone and the pipe ends. It has a session
// of its own, so what ends the parent, SIGKILL included, does not reach it.
const guardScript = `
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
  kill -9 "$pid" $(ps -A -o pid=,ppid= | awk -v parent="$pid" '$2 == parent { print $1 }')
fi
rm -rf "$1" || { sleep 1; rm -rf "$1"; }`;

/** Makes a temporary folder that belongs to `user`. */
export async function makeFolder(name: string, user: User = {}): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), `${name}-`));
  if (user.uid !== undefined && user.gid !== undefined) chownSync(path, user.uid, user.gid);
  const guard = spawn('/bin/sh', ['-c', guardScript, 'guard', path], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  if (guard.stdin instanceof Socket) guard.stdin.unref();
  return {
    path,
    user,
    guard: (pid) => void guard.stdin.write(`${pid ?? ''}\n`),
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      guard.stdin.end('\n');
    },
  };
}

/** All processes of this machine that are alive: a zombie is not. */
export async function processes(): Promise<{ pid: number; parent: number; title: string }[]> {
  const { stdout } = await execute('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { maxBuffer: 2 ** 26 });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, state = 'Z', title = ''] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s*(.*)$/.exec(line) ?? [];
    return state.startsWith('Z') ? [] : [{ pid: Number(pid), parent: Number(parent), title }];
  });
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Starts a service in `folder` and waits until it is ready; an early end or a late start shows its output. */
export async function launch(options: {
  folder: Folder;
  command: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  ready: () => Promise<boolean>;
}): Promise<Running> {
  const { folder, command, args, ready } = options;
  // A file, not a pipe: the service may reopen /dev/stderr, and nothing needs to read along.
  const log = join(folder.path, 'log');
  const descriptor = openSync(log, 'a');
  if (folder.user.uid !== undefined && folder.user.gid !== undefined) {
    chownSync(log, folder.user.uid, folder.user.gid);
  }
  const child = spawn(command, args, {
    ...folder.user,
    cwd: folder.path,
    env: options.env ?? process.env,
    detached: true, // Ctrl-C is for the test, which then ends it in order
    stdio: ['ignore', descriptor, descriptor],
  });
  closeSync(descriptor);
  child.unref();
  let ended: string | undefined;
  const exited = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      ended = error.message;
      resolve();
    });
    child.once('exit', (code, signal) => {
      ended = `ended with ${signal ?? `code ${code}`}`;
      folder.guard(undefined);
      resolve();
    });
  });
  const explain = () => `${command} ${ended ?? 'is not ready'}:\n${readFileSync(log, 'utf8').slice(-4_000)}`;
  const { pid } = child;
  if (pid === undefined) {
    await exited;
    throw new Error(explain());
  }
  folder.guard(pid);

  async function signal(name: NodeJS.Signals): Promise<void> {
    if (ended !== undefined || pid === undefined) return;
    if (name === 'SIGHUP') return send(pid, name);
    // The parent is the first to stop and the last to go on, so that it neither makes nor misses a child.
    if (name !== 'SIGCONT') send(pid, name === 'SIGKILL' ? 'SIGSTOP' : name);
    const children = (await processes()).filter(({ parent }) => parent === pid);
    for (const child of children) send(child.pid, name);
    if (name !== 'SIGSTOP') send(pid, name);
    if (name !== 'SIGKILL') return;
    child.ref();
    await exited;
    // Orphans hold on to sockets and shared memory until the kernel is through with them.
    const ids = children.map((child) => child.pid);
    await until(
      async () => !(await processes()).some((other) => ids.includes(other.pid)),
      () => `Children of ${command} live on`,
    );
  }

  async function end(name: NodeJS.Signals): Promise<void> {
    if (ended !== undefined || pid === undefined) return;
    if (name === 'SIGKILL') return signal(name);
    await signal('SIGCONT');
    send(pid, name);
    child.ref();
    const timer = new AbortController();
    await Promise.race([exited, wait(10_000, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
    if (ended === undefined) await signal('SIGKILL');
  }

  try {
    await until(async () => {
      if (ended !== undefined) throw new Error(explain());
      return ready();
    }, explain);
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  return { pid, signal, end };
}
