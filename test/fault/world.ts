/** PostgreSQL, Redis, three replicas with proxies before and behind each, and the users in the database. */
import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { freePort } from '../nodes/find.js';
import { type Postgres, startPostgres } from '../nodes/postgres.js';
import { type Redis, startRedis } from '../nodes/redis.js';
import { addressOn, makeSynchronous, promote, startStandby } from '../nodes/standby.js';
import { sleep } from './clock.js';
import type { Door } from './link.js';
import { startProxy, type TcpProxy } from './proxy.js';
import { makeReplica, type Replica } from './replica.js';
import { signToken } from './token.js';

export interface Settings {
  server: string;
  users: number;
  leaseSeconds: number;
  repairSeconds: number;
  heartbeatSeconds: number;
  /** Whether servers limit how often anybody may send and ask. */
  limits: boolean;
}

export interface Wires {
  postgres: TcpProxy;
  redis: TcpProxy;
}

export interface World {
  /** The one that takes writes now. */
  readonly postgres: Postgres;
  redis: Redis;
  readonly databaseUrl: string;
  /**
   * Makes a synchronous standby of PostgreSQL, on the other of two ports.
   * @returns kills PostgreSQL, and promotes the standby so many milliseconds later
   */
  makeStandby(): Promise<(after: number) => Promise<void>>;
  replicas: Replica[];
  /** Before the replicas. */
  proxies: TcpProxy[];
  /** By a replica's name: from it to PostgreSQL and to Redis. */
  wires: Map<string, Wires>;
  doors: Door[];
  users: { id: number; token: string }[];
  end(): Promise<void>;
}

const names = ['a', 'b', 'c'];
const databaseName = 'chat';
/** For the tables of a long run. */
const diskBytes = 2 ** 30;

async function insertUsers(url: string, count: number): Promise<{ id: number; name: string }[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const wanted = Array.from({ length: count }, (_, index) => ({
      username: `user-${index + 1}`,
      password: '-',
    }));
    const rows = await sql<{ user_id: string; username: string }[]>`
      insert into users ${sql(wanted)} returning user_id, username`;
    return rows.map(({ user_id, username }) => ({ id: Number(user_id), name: username }));
  } finally {
    await sql.end();
  }
}

export async function makeWorld(settings: Settings): Promise<World> {
  const ends: (() => Promise<void>)[] = [];
  const end = async () => {
    for (const undo of ends.splice(0).reverse()) await undo();
  };
  try {
    let database = await startPostgres({ diskBytes });
    const databases = new Set([database]);
    ends.push(async () => {
      for (const each of databases) await each.stop();
    });
    let otherPort = await freePort();
    const redis = await startRedis();
    ends.push(redis.stop);
    const url = await database.createDatabase(databaseName);
    const secret = randomBytes(32).toString('hex');
    const env = {
      JWT_SECRET: secret,
      LOG_LEVEL: 'info',
      LEASE_SECONDS: String(settings.leaseSeconds),
      REPAIR_SECONDS: String(settings.repairSeconds),
      HEARTBEAT_SECONDS: String(settings.heartbeatSeconds),
      HEARTBEAT_TIMEOUT_SECONDS: String(settings.heartbeatSeconds * 3),
      STARTUP_WAIT_SECONDS: '60',
      LIMITS: settings.limits ? 'on' : 'off',
    };
    const replicas: Replica[] = [];
    const proxies: TcpProxy[] = [];
    const wires = new Map<string, Wires>();
    const open = async (port: number) => {
      const proxy = await startProxy(port);
      ends.push(proxy.close);
      return proxy;
    };
    for (const name of names) {
      const own = { postgres: await open(database.port), redis: await open(redis.port) };
      wires.set(name, own);
      const through = [own.postgres.port, await own.postgres.also(otherPort)];
      const replica = await makeReplica({
        ...{ name, port: await freePort(), server: settings.server },
        env: { ...env, DB_URL: addressOn(url, through), REDIS_ADDR: `127.0.0.1:${own.redis.port}` },
      });
      ends.push(replica.remove);
      replicas.push(replica);
      proxies.push(await open(replica.port));
    }
    await Promise.all(replicas.map((replica) => replica.start()));
    const users = await insertUsers(url, settings.users);
    return {
      get postgres() {
        return database;
      },
      get databaseUrl() {
        return database.url(databaseName);
      },
      async makeStandby() {
        const primary = database;
        const standby = await startStandby(primary, { diskBytes, port: otherPort });
        databases.add(standby);
        await makeSynchronous(primary);
        return async (after) => {
          await primary.kill9();
          await sleep(after);
          await promote(standby);
          database = standby;
          otherPort = primary.port;
          databases.delete(primary);
          await primary.stop();
        };
      },
      redis,
      replicas,
      proxies,
      wires,
      doors: replicas.map(({ name }, index) => ({ replica: name, port: proxies[index]?.port ?? 0 })),
      users: users.map((user) => ({ id: user.id, token: signToken(secret, user) })),
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}
