/** PostgreSQL, Redis, two replicas and the shipped Nginx file in front of them. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { makeReplica, type Replica } from '../fault/replica.js';
import { freePort } from '../nodes/find.js';
import { type Nginx, startNginx } from '../nodes/nginx.js';
import { startPostgres } from '../nodes/postgres.js';
import { execute } from '../nodes/process.js';
import { startRedis } from '../nodes/redis.js';
import { read, root } from './validators.js';

/** deploy/nginx.conf with only its addresses replaced: where it listens, the servers, and where it writes. */
export async function shippedNginx(servers: number[], file?: string): Promise<(ports: number[]) => string> {
  const text = file ?? (await read('deploy/nginx.conf'));
  return ([port, tlsPort = 0]) =>
    replaced(text, [
      [/listen 8080 default_server;/g, `listen 127.0.0.1:${port} default_server;`],
      [/listen 8443 ssl default_server;/, `listen 127.0.0.1:${tlsPort} ssl default_server;`],
      [
        /server server:8080 resolve (.*);/,
        servers.map((server) => `server 127.0.0.1:${server} $1;`).join(' '),
      ],
      // The helper gives it a folder of its own for these.
      [/^ *\w+_temp_path .*;$/gm, ''],
      [/\/tmp\/cache/, 'cache'],
    ]);
}

function replaced(text: string, changes: [RegExp, string][]): string {
  return changes.reduce((current, [from, to]) => {
    if (!new RegExp(from.source, from.flags.replace('g', '')).test(current)) {
      throw new Error(`deploy/nginx.conf has no ${from}`);
    }
    return current.replace(from, to);
  }, text);
}

export interface Stack {
  nginx: Nginx;
  replicas: [Replica, Replica];
  secret: string;
  databaseUrl: string;
  end(): Promise<void>;
}

/** `env` is over what the containers are given. */
export async function startStack(env: NodeJS.ProcessEnv = {}): Promise<Stack> {
  const ends: (() => Promise<void>)[] = [];
  const end = async () => {
    for (const undo of ends.splice(0).reverse()) await undo();
  };
  try {
    await execute(process.execPath, ['build.mjs'], { cwd: root });
    const postgres = await startPostgres();
    ends.push(postgres.stop);
    const redis = await startRedis();
    ends.push(redis.stop);
    const secret = randomBytes(32).toString('hex');
    const databaseUrl = await postgres.createDatabase('chatdb');
    const make = async (name: string) => {
      const replica = await makeReplica({
        name,
        port: await freePort(),
        server: join(root, 'dist/server.js'),
        env: {
          NODE_ENV: 'production',
          DB_URL: databaseUrl,
          REDIS_ADDR: redis.addr,
          JWT_SECRET: secret,
          TRUSTED_PROXIES: '127.0.0.1',
          DRAIN_SECONDS: '1',
          // All come from one address, and some ask as fast as they can.
          LIMITS: 'off',
          ...env,
        },
      });
      ends.push(replica.remove);
      await replica.start();
      return replica;
    };
    const replicas: [Replica, Replica] = [await make('one'), await make('two')];
    const nginx = await startNginx(await shippedNginx(replicas.map(({ port }) => port)));
    ends.push(nginx.stop);
    return { nginx, replicas, secret, databaseUrl, end };
  } catch (error) {
    await end();
    throw error;
  }
}
