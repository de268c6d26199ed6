/** The built server as a process of its own that can be asked what it holds. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { execute } from '../nodes/process.js';

/** Milliseconds for the server to be ready, and to say what it holds. */
const PATIENCE_MS = 60_000;

/** What a process holds. */
export interface Holding {
  /** Bytes of the whole process in memory. */
  resident: number;
  /** Bytes of JavaScript and of the buffers that belong to it, in the main thread. */
  used: number;
  /** Open descriptors, without those to the database and Redis. */
  descriptors: number;
}

export interface Watched {
  readonly pid: number;
  readonly port: number;
  /** How it ended; undefined while it lives. */
  over(): string | undefined;
  /** Comes with that. */
  ended: Promise<string>;
  output(): string;
  /** Bytes of the process in memory, seen from outside: also while it is busy. */
  resident(): Promise<number>;
  /** @param collect whether garbage is collected before */
  holds(collect: boolean): Promise<Holding>;
  /** Asks it to leave. @returns its exit code, or the signal that ended it */
  leave(): Promise<string>;
  kill(): Promise<void>;
}

/** Bytes that the system counts in. */
const PAGE = 4096;

async function residentOf(pid: number): Promise<number> {
  if (process.platform === 'linux')
    return Number((await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')[1]) * PAGE;
  const { stdout } = await execute('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout) * 1024;
}

/** Ports of the services that settings name. */
const servicesOf = ({ DB_URL = '', REDIS_ADDR = '' }: Record<string, string>): number[] =>
  [DB_URL, REDIS_ADDR].flatMap((text) => Number(/:(\d+)(?:\/[^:]*)?$/.exec(text)?.[1] ?? []));

/**
 * Starts a built server on a free port and waits until it is ready.
 * @param server path of `server.js`
 * @throws Error with its output if it doesn't get ready
 */
export async function startWatched(server: string, env: Record<string, string>): Promise<Watched> {
  const inside = pathToFileURL(resolve('test/hostile/inside.mjs')).href;
  const child = spawn(process.execPath, ['--expose-gc', '--enable-source-maps', '--import', inside, server], {
    env: { PATH: process.env.PATH ?? '', ...env, PORT: '0', HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let text = '';
  let over: string | undefined;
  const ended = once(child, 'exit').then(([code, signal]) => {
    over = String(code ?? signal);
    return over;
  });
  const services = servicesOf(env);
  const port = await new Promise<number>((done, fail) => {
    const late = setTimeout(() => fail(new Error(`the server is not ready:\n${text}`)), PATIENCE_MS);
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data) => {
        text = (text + data).slice(-100_000);
        const found = /is ready: open http:\/\/\S+:(\d+) /.exec(text);
        if (found) done(Number(found[1]));
        if (found) clearTimeout(late);
      });
    void ended.then((how) => {
      clearTimeout(late);
      fail(new Error(`the server ended with ${how}:\n${text}`));
    });
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('the server has no process id');
  return {
    pid,
    port,
    over: () => over,
    ended,
    output: () => text,
    resident: () => residentOf(pid),
    async holds(collect) {
      const unasked = new AbortController();
      const signal = AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), unasked.signal]);
      const answer = once(child, 'message', { signal });
      child.send({ collect, services }, (error) => {
        if (error) unasked.abort(error);
      });
      const [holding] = await answer;
      return holding;
    },
    leave() {
      child.kill('SIGTERM');
      return ended;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
