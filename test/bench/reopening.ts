import { positionsOf, prepared, talks, withMany } from './data.js';
import { ExtendedUser } from './extended.js';
import { openUser, percentile, settled } from './load.js';
import { type Bench, clocked, type Figures, round, withReplicas } from './measure.js';

const TRIES = 20;

/** How long a user with so many conversations waits who comes back and lacks nothing. */
export async function reopening(bench: Bench, conversations: number): Promise<Figures> {
  const env = await prepared(bench.stack, (sql) => talks(sql, withMany(sql, 0, conversations)));
  const [positions] = await positionsOf(env, 1);
  return withReplicas(bench, env, 1, async ([replica]) => {
    const port = replica?.port ?? 0;
    const opened: number[] = [];
    const synced: number[] = [];
    const plain: number[] = [];
    for (let i = 0; i < TRIES; i++) {
      const { result: user, ms } = await clocked(() => ExtendedUser.open(port, 0, positions));
      opened.push(ms);
      synced.push((await clocked(() => user.sync())).ms);
      user.end();
      const come = await clocked(async () => {
        const socket = await openUser(port, 0);
        await settled(socket);
        return socket;
      });
      plain.push(come.ms);
      come.result.end();
    }
    const figures: Figures = {};
    for (const [name, times] of Object.entries({
      'opens in': opened,
      'syncs in': synced,
      'plain opens in': plain,
    }))
      Object.assign(figures, {
        [`${name} ms`]: round(percentile(times, 50)),
        [`${name} ms, slowest of ${TRIES}`]: round(percentile(times, 100)),
      });
    return figures;
  });
}
