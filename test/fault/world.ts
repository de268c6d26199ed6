/** PostgreSQL, Redis, three replicas with a proxy before each, and the users in the database. */
import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import { freePort } from '../nodes/find.js';
import { type Postgres, startPostgres } from '../nodes/postgres.js';
import { type Redis, startRedis } from '../nodes/redis.js';
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
}

export interface World {
  postgres: Postgres;
  redis: Redis;
  replicas: Replica[];
  proxies: TcpProxy[];
  doors: Door[];
  users: { id: number; token: string }[];
  end(): Promise<void>;
}

const names = ['a', 'b', 'c'];

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
    const database = await startPostgres();
    ends.push(database.stop);
    const redis = await startRedis();
    ends.push(redis.stop);
    const url = await database.createDatabase('chat');
    const secret = randomBytes(32).toString('hex');
    const env = {
      DB_URL: url,
      REDIS_ADDR: redis.addr,
      JWT_SECRET: secret,
      LOG_LEVEL: 'info',
      LEASE_SECONDS: String(settings.leaseSeconds),
      REPAIR_SECONDS: String(settings.repairSeconds),
      HEARTBEAT_SECONDS: String(settings.heartbeatSeconds),
      HEARTBEAT_TIMEOUT_SECONDS: String(settings.heartbeatSeconds * 3),
      STARTUP_WAIT_SECONDS: '60',
    };
    const replicas: Replica[] = [];
    const proxies: TcpProxy[] = [];
    for (const name of names) {
      const replica = await makeReplica({ name, port: await freePort(), server: settings.server, env });
      ends.push(replica.remove);
      replicas.push(replica);
      const proxy = await startProxy(replica.port);
      ends.push(proxy.close);
      proxies.push(proxy);
    }
    await Promise.all(replicas.map((replica) => replica.start()));
    const users = await insertUsers(url, settings.users);
    return {
      postgres: database,
      redis,
      replicas,
      proxies,
      doors: replicas.map(({ name }, index) => ({ replica: name, port: proxies[index]?.port ?? 0 })),
      users: users.map((user) => ({ id: user.id, token: signToken(secret, user) })),
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}
