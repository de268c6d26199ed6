import { setTimeout as sleep } from 'node:timers/promises';
import { positionsOf, prepared, ring, talks } from './data.js';
import { ExtendedUser } from './extended.js';
import { openAll, openUser } from './load.js';
import { type Bench, type Env, type Figures, round, sideBySide, timed, withReplicas } from './measure.js';
import { rss } from './stack.js';

interface Client {
  end(): void;
}

/**
 * Open connections that say nothing.
 * @param open opens one of them
 */
export const idleOn = (
  bench: Bench,
  env: Env,
  count: number,
  script?: string,
  open: (port: number, i: number) => Promise<Client> = openUser,
): Promise<Figures> =>
  withReplicas(
    bench,
    env,
    1,
    async (replicas) => {
      const { pid = 0, port = 0 } = replicas[0] ?? {};
      const before = await rss(pid);
      const opened = await timed(bench, replicas, count, () => openAll(count, (i) => open(port, i)));
      await sleep(3000);
      const after = await rss(pid);
      for (const client of opened.result) client.end();
      return {
        'opened/s': opened.rate,
        'µs/opened': opened.all,
        'server µs/opened': opened.server,
        'redis µs/opened': opened.redis,
        'KB/connection': round((after - before) / 1024 / count),
      };
    },
    script,
  );

/** Opens extended connections that name so many conversations, and waits for each one's `synced`. */
export const syncedWith = (conversations: number) => (port: number, i: number) => {
  const named = Array.from({ length: conversations }, (_, k): [number, number] => [
    i * conversations + k + 1,
    1,
  ]);
  return synced(port, i, new Map(named));
};

async function synced(port: number, i: number, positions: Map<number, number> | undefined): Promise<Client> {
  const user = await ExtendedUser.open(port, i, positions);
  await user.sync();
  return user;
}

/** Both kinds of connections, of users that have conversations; the extended ones have synced. */
export async function idleWith(bench: Bench, count: number, conversations: number): Promise<Figures> {
  const env = await prepared(bench.stack, (sql) => talks(sql, ring(sql, count, conversations)));
  const positions = await positionsOf(env, count);
  const plain = await idleOn(bench, env, count);
  const extended = await idleOn(bench, env, count, undefined, (port, i) => synced(port, i, positions[i]));
  return sideBySide(plain, extended);
}
