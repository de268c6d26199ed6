/** The server as people have it: a process, and nothing known of it but its address. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import WebSocket from 'ws';
import { type Answer, freshName, REAL, SECRET, type User } from '../helper.js';
import { builtServer, type ServerProcess, startProcess } from '../process.js';

/** Milliseconds after which anything that is asked counts as not answered. */
const PATIENCE_MS = 20_000;

export interface Outside {
  readonly url: string;
  readonly process: ServerProcess;
}

/** Starts a built server on a free port. @param env its settings, at least its database and Redis */
export async function startOutside(t: Test, env: Record<string, string>): Promise<Outside> {
  if (!REAL) throw new Error('run npm run test:all');
  const folder = await mkdtemp(join(tmpdir(), 'outside-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const settings = {
    PORT: '0',
    HOST: '127.0.0.1',
    JWT_SECRET: SECRET,
    DRAIN_SECONDS: '0',
    LIMITS: 'off',
    ...env,
  };
  const process = startProcess(t, await builtServer(t), settings, folder);
  const [, url = ''] = await process.says(/is ready: open (http:\S+)/);
  return { url, process };
}

/** What a request came to, and the milliseconds that it took. Without an answer: 0, and the reason as its body. */
export async function ask(
  { url }: Pick<Outside, 'url'>,
  method: string,
  path: string,
  { body, token }: { body?: unknown; token?: string } = {},
): Promise<Pick<Answer, 'status' | 'body'> & { ms: number }> {
  const started = performance.now();
  const took = () => performance.now() - started;
  try {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: response.status, body: await response.json(), ms: took() };
  } catch (error) {
    return { status: 0, body: String(error), ms: took() };
  }
}

/** Registers somebody and signs in. */
export async function signUpOutside(server: Pick<Outside, 'url'>, username = freshName()): Promise<User> {
  const body = { username, password: 'a password' };
  const made = await ask(server, 'POST', '/register', { body });
  if (made.status !== 200) throw new Error(`no user: ${made.status} ${JSON.stringify(made.body)}`);
  const { status, body: answer } = await ask(server, 'POST', '/login', { body });
  if (status !== 200) throw new Error(`no login: ${status} ${JSON.stringify(answer)}`);
  return { user_id: answer.data.user_id, username, token: answer.data.token };
}

/** Tries to open a socket, and hangs up. @returns 101, or the status of the refusal; 0 without an answer; and milliseconds */
export function tryOpening(
  { url }: Pick<Outside, 'url'>,
  user: User,
): Promise<{ status: number; ms: number }> {
  const started = performance.now();
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, ['chat.v2'], {
      headers: { authorization: `Bearer ${user.token}` },
      handshakeTimeout: PATIENCE_MS,
    });
    const end = (status: number) => {
      resolve({ status, ms: performance.now() - started });
      socket.terminate();
    };
    socket.on('error', () => end(0));
    socket.on('open', () => end(101));
    socket.on('unexpected-response', (_request, response) => end(response.statusCode ?? 0));
  });
}
