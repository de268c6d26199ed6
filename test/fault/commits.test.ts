import { test } from 'tap';
import { startPostgres } from '../nodes/postgres.js';
import { until } from '../nodes/process.js';
import { now, sleep } from './clock.js';
import { watchCommits } from './commits.js';
import type { Away } from './diary.js';

test('PostgreSQL counts as away while it commits nothing: where it stands still, and where it is restarted', async (t) => {
  const database = await startPostgres();
  t.teardown(() => database.stop());
  const databaseUrl = await database.createDatabase();
  const away: Away[] = [];
  const troubles: string[] = [];
  const stop = watchCommits({ world: { databaseUrl }, away, troubles });
  t.teardown(stop);
  /** Until some window reaches over this moment. */
  const noted = (moment: number) =>
    until(
      async () => away.some(({ what, from, to }) => what === 'postgres' && from < moment && to > moment),
      () => `nothing is noted at ${moment}: ${JSON.stringify(away)}`,
    );

  await database.pause();
  await sleep(1000);
  const still = now();
  await database.resume();
  await noted(still);

  let down = 0;
  await database.restart('immediate', async () => {
    await sleep(1000);
    down = now();
  });
  await noted(down);
  t.strictSame(troubles, []);
});
