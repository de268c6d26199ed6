import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import postgres from 'postgres';
import { createClient } from 'redis';
import type { Test } from 'tap';
import WebSocket, { type ClientOptions } from 'ws';
import { buildApp } from '../app.js';
import { loadConfig } from '../plugins/config.js';

/** Milliseconds that a test waits for anything. */
const PATIENCE_MS = 30_000;

export const SECRET = 'a secret for tests, long enough to sign';
/** Whether this run is on PostgreSQL and Redis (test/all.mjs) rather than on the embedded pair. */
export const REAL = process.env.TEST_STACK === 'real';

export type Env = Record<string, string>;

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it asserts
  body: any;
}

/** A running instance. */
export interface Server {
  app: FastifyInstance;
  url: string;
  port: number;
  /** The settings that it was started with, for another one beside it. */
  env: Env;
  request(
    method: string,
    path: string,
    options?: { body?: unknown; token?: string; headers?: Env },
  ): Promise<Answer>;
  stop(): Promise<void>;
}

export interface User {
  user_id: number;
  username: string;
  token: string;
}

let names = 0;
/** A name that nobody has. */
export const freshName = (beginning = 'user') => `${beginning}-${process.pid}-${++names}`;

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run npm run test:all`);
  return value;
}

/**
 * A migrated embedded database to copy, since making one takes seconds: made once for each version of the engine and of the
 * migrations, and kept with the packages.
 */
async function embeddedTemplate(): Promise<string> {
  const root = new URL('..', import.meta.url);
  const hash = createHash('sha256');
  const folder = new URL('sql/migrations/', root);
  for (const name of (await readdir(folder)).sort()) hash.update(await readFile(new URL(name, folder)));
  hash.update(await readFile(createRequire(import.meta.url).resolve('@electric-sql/pglite')));
  const cache = new URL('node_modules/.cache/chat-test/', root).pathname;
  const template = join(cache, hash.digest('hex').slice(0, 16));
  if (existsSync(template)) return template;
  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(join(cache, 'draft-'));
  const app = await buildApp(loadConfig({ DATA_DIR: draft, LOG_LEVEL: 'fatal', JWT_SECRET: SECRET }));
  await app.close();
  // Another test may have been faster: then its template stands.
  await rename(draft, template).catch(() => rm(draft, { recursive: true }));
  return template;
}

/** A fresh database and bus: names in the environment that point an instance at them. */
export async function freshStack(t: Test): Promise<Env> {
  if (!REAL) {
    const folder = await mkdtemp(join(tmpdir(), 'chat-test-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    await cp(await embeddedTemplate(), join(folder, 'data'), { recursive: true });
    return { DATA_DIR: join(folder, 'data') };
  }
  const admin = postgres(required('TEST_POSTGRES_URL'), { max: 1, onnotice: () => {} });
  const name = `test_${process.pid}_${Date.now().toString(36)}_${++names}`;
  await admin.unsafe(`create database ${name}`);
  t.teardown(async () => {
    const drop = async () => {
      try {
        await admin.unsafe(`drop database if exists ${name} with (force)`);
        return true;
      } catch (error) {
        // PostgreSQL's own upkeep is in it, which an ordinary role may not end.
        if (error instanceof postgres.PostgresError && error.code === '42501') return false;
        throw error;
      }
    };
    await eventually(drop, 'the database is not dropped').finally(() => admin.end());
  });
  const url = new URL(required('TEST_POSTGRES_URL'));
  url.pathname = `/${name}`;
  const redis = createClient({ url: `redis://${required('TEST_REDIS_ADDR')}` });
  await redis.connect();
  const number = ((await redis.incr('test:databases')) % 200) + 1;
  await redis.select(number);
  await redis.flushDb();
  redis.destroy();
  return { DB_URL: url.href, REDIS_ADDR: `redis://${required('TEST_REDIS_ADDR')}/${number}`, DB_POOL: '3' };
}

/**
 * Starts an instance on a free port, on a fresh database, and stops it after the test.
 * @param env settings over those of a test
 * @param beside another instance of this test: the new one shares its database and bus
 */
export async function build(t: Test, env: Env = {}, beside?: Server): Promise<Server> {
  const settings = {
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'fatal',
    JWT_SECRET: SECRET,
    DRAIN_SECONDS: '0',
    // Tests send as fast as they can, those of limits aside.
    LIMITS: 'off',
    ...(beside?.env ?? (await freshStack(t))),
    ...env,
  };
  const app = await buildApp(loadConfig(settings), beside === undefined ? {} : { beside: beside.app });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= app.close();
    return stopped;
  };
  t.teardown(stop);
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return {
    app,
    url,
    port: Number(new URL(url).port),
    env: settings,
    stop,
    async request(method, path, { body, token, headers = {} } = {}) {
      const response = await fetch(url + path, {
        method,
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        body: text === '' ? undefined : JSON.parse(text),
      };
    },
  };
}

/** Registers a user and signs in. Hashing a password is slow on purpose, so the user is put there with a token instead. */
export async function signUp(server: Server, name = freshName()): Promise<User> {
  const { addUser } = await import('../sql/users.js');
  const id = await addUser(server.app.db.sql, name, 'not a hash: this user has a token only');
  if (id === undefined) throw new Error(`${name} is taken`);
  const user = { user_id: id, username: name };
  return { ...user, token: server.app.tokens.sign(user, undefined, 86_400) };
}

/** Makes a conversation that isn't one of two. @returns its number */
export async function makeMany({ app }: Server, users: readonly User[]): Promise<number> {
  const [made] = await app.db.sql<[{ id: number }]>`
    insert into conversations (user_a, user_b) values (null, null) returning conversation_id as id`;
  await app.db.sql`
    insert into members (user_id, conversation_id)
    select id, ${made.id} from unnest(${`{${users.map(({ user_id }) => user_id).join()}}`}::bigint[]) u(id)`;
  return made.id;
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it asserts
type Frame = any;

/** A client on a real socket that keeps what it is sent until somebody asks for it. */
export class Client {
  /** Every frame so far, in order. */
  readonly frames: Frame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  private taken = 0;
  private readonly wakers = new Set<() => void>();

  constructor(
    readonly socket: WebSocket,
    readonly extended: boolean,
  ) {
    socket.on('message', (data) => {
      this.frames.push(JSON.parse(data.toString()));
      for (const wake of this.wakers) wake();
    });
    this.closed = once(socket, 'close').then(([code, reason]) => {
      for (const wake of this.wakers) wake();
      return { code: Number(code), reason: String(reason) };
    });
    socket.on('error', () => {});
  }

  send(type: string, fields: object = {}): void {
    this.socket.send(JSON.stringify({ type, ...fields }));
  }

  /**
   * Waits for the next frame of a type that hasn't been asked for yet; frames of other types before it are passed over.
   * @throws Error after a while, or when the socket is closed, with what came instead
   */
  async next(type: string): Promise<Frame> {
    const found = () => this.frames.findIndex((frame, i) => i >= this.taken && frame.type === type);
    await this.until(() => found() >= 0, `no ${type} frame came`);
    const index = found();
    this.taken = index + 1;
    return this.frames[index];
  }

  /** Waits until something holds that only frames can change. */
  async until(holds: () => boolean, otherwise: string): Promise<void> {
    if (holds()) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) =>
        reject(new Error(`${otherwise} (${why}); last frames: ${JSON.stringify(this.frames.slice(-5))}`));
      timer = setTimeout(() => fail('waited in vain'), PATIENCE_MS);
      const wake = () => {
        if (holds()) resolve();
        else if (this.socket.readyState === WebSocket.CLOSED) fail('the socket is closed');
        else return;
        this.wakers.delete(wake);
      };
      this.wakers.add(wake);
      wake();
    }).finally(() => clearTimeout(timer));
  }

  /** Waits until the server has handled everything that was sent before. What it sent meanwhile is in `frames`. */
  async barrier(): Promise<void> {
    if (this.extended) {
      const id = `barrier-${++names}`;
      this.send('ping', { id });
      await this.until(
        () => this.frames.some((frame) => frame.type === 'pong' && frame.id === id),
        'no pong',
      );
      return;
    }
    const before = this.frames.filter((frame) => frame.type === 'online_list').length;
    this.send('get_online_list');
    await this.until(
      () => this.frames.filter((frame) => frame.type === 'online_list').length > before,
      'no online_list',
    );
  }

  /** Frames of a type so far. */
  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }
}

export interface ConnectOptions {
  /** `chat.v2` rather than the plain protocol. */
  extended?: boolean;
  options?: ClientOptions;
}

/** Opens a socket for a user; it is closed after the test. */
export async function connect(
  t: Test,
  server: Pick<Server, 'url'>,
  user: User,
  { extended = false, options }: ConnectOptions = {},
): Promise<Client> {
  const url = `${server.url.replace('http', 'ws')}/ws`;
  const socket = new WebSocket(url, extended ? ['chat.v2'] : [], {
    headers: { authorization: `Bearer ${user.token}` },
    ...options,
  });
  const client = new Client(socket, extended);
  t.teardown(() => socket.terminate());
  await once(socket, 'open');
  // The connection stands once it answers.
  if (extended) await client.next('welcome');
  else {
    await client.barrier();
    client.frames.length = 0;
  }
  return client;
}

/** An extended client that has synced from nothing. */
export async function connectSynced(
  t: Test,
  server: Pick<Server, 'url'>,
  user: User,
  positions: object[] = [],
): Promise<Client> {
  const client = await connect(t, server, user, { extended: true });
  client.send('sync', { positions });
  await client.next('synced');
  return client;
}

/** Tries an upgrade that is to be refused, and gives the answer. */
export async function refusedUpgrade(
  server: Server,
  path: string,
  headers: Env = {},
  protocols: string[] = [],
): Promise<Answer> {
  const socket = new WebSocket(server.url.replace('http', 'ws') + path, protocols, { headers });
  socket.on('error', () => {});
  socket.on('open', () => socket.terminate());
  const [, response] = await once(socket, 'unexpected-response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, headers: new Headers(response.headers), body: JSON.parse(text) };
}

/** Places of messages of others that no client of a user has confirmed. */
export async function undelivered({ app }: Server, user: number): Promise<number[]> {
  const rows = await app.db.sql<{ seq: number }[]>`
    select m.seq from messages m join members using (conversation_id)
    left join cursors c on c.user_id = members.user_id and c.conversation_id = m.conversation_id
    where members.user_id = ${user} and m.from_user_id <> ${user} and m.seq > coalesce(c.delivered_seq, 0) order by m.seq`;
  return rows.map(({ seq }) => seq);
}

/** The same of a user's plain client. */
export async function unfetched({ app }: Server, user: number): Promise<number[]> {
  const rows = await app.db.sql<{ seq: number }[]>`
    select m.seq from messages m join members using (conversation_id)
    left join cursors c on c.user_id = members.user_id and c.conversation_id = m.conversation_id
    where members.user_id = ${user} and m.from_user_id <> ${user} and (m.seq > coalesce(c.plain_seq, 0) or exists (
      select from plain_gaps g where g.user_id = ${user} and g.conversation_id = m.conversation_id
        and m.seq between g.first_seq and g.last_seq))
    order by m.seq`;
  return rows.map(({ seq }) => seq);
}

/** Waits until something holds that nothing announces. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  otherwise: string,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const end = Date.now() + patienceMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
