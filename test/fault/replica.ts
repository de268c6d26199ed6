/** One server as a process of its own, on one port for the whole run. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Folder, launch, makeFolder, type Running } from '../nodes/process.js';

export interface Replica {
  readonly name: string;
  readonly port: number;
  readonly logPath: string;
  /** Starts it and waits until it is ready. */
  start(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for its end. */
  end(): Promise<void>;
  stop(): Promise<void>;
  goOn(): Promise<void>;
  /** It should run and doesn't. */
  hasCrashed(): boolean;
  saveLog(path: string): Promise<void>;
  remove(): Promise<void>;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function isReady(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2000) });
    await answer.body?.cancel();
    return answer.status === 200;
  } catch {
    return false;
  }
}

/** `server` is the path of the built `server.js`. */
export async function makeReplica(options: {
  name: string;
  port: number;
  server: string;
  env: NodeJS.ProcessEnv;
}): Promise<Replica> {
  const { name, port, server } = options;
  const folder: Folder = await makeFolder(`replica-${name}`);
  const logPath = join(folder.path, 'log');
  const env = { ...process.env, ...options.env, PORT: String(port), HOST: '127.0.0.1', INSTANCE_ID: name };
  let running: Running | undefined;
  return {
    name,
    port,
    logPath,
    async start() {
      const args = ['--enable-source-maps', server];
      const ready = () => isReady(port);
      running = await launch({ folder, command: process.execPath, args, env, ready });
    },
    async kill() {
      const victim = running;
      running = undefined;
      await victim?.end('SIGKILL');
    },
    async end() {
      const leaving = running;
      running = undefined;
      await leaving?.end('SIGTERM');
    },
    stop: async () => running?.signal('SIGSTOP'),
    goOn: async () => running?.signal('SIGCONT'),
    hasCrashed: () => running !== undefined && !isAlive(running.pid),
    saveLog: (path) => copyFile(logPath, path),
    async remove() {
      await running?.end('SIGKILL');
      await folder.remove();
    },
  };
}
