/** A PostgreSQL that is put back while messages change: every device ends with what the history says that is there then. */
import t from 'tap';
import { Crowd } from '../changes-crowd.js';
import { build, eventually } from '../helper.js';
import { startPostgres } from '../nodes/postgres.js';
import { execute } from '../nodes/process.js';
import { twoServers } from './talker.js';

const SEED = Number(process.env.SEED ?? 19);
const CHANGES = Number(process.env.CHANGES ?? 300);

t.setTimeout(120_000 + CHANGES * 200);

t.test(`[E17] files put back in the midst of it (SEED=${SEED}, CHANGES=${CHANGES})`, async (t) => {
  const postgres = await startPostgres();
  t.teardown(() => postgres.stop());
  const url = await postgres.createDatabase();
  const [one, two] = await twoServers(t, url);
  const crowd = await Crowd.make(t, SEED, [one, two]);
  await crowd.act(CHANGES * 0.4);
  for (const device of crowd.devices) device.expectRestore();

  const backup = `${postgres.data}.backup`;
  await postgres.restart('fast', () => execute('cp', ['-a', postgres.data, backup]));
  for (const server of [one, two])
    await eventually(
      async () => (await server.request('GET', '/readyz')).status === 200,
      'it does not come back',
      30_000,
    );
  await crowd.allOn();
  await crowd.act(CHANGES * 0.2);

  const lost = await crowd.history();
  t.ok(
    crowd.devices.every(({ resets }) => resets === 0),
    'a restart alone is nothing',
  );
  // What was asked for last is under way.
  await crowd.act(50);
  await postgres.restart('immediate', () =>
    execute('sh', ['-c', 'rm -rf "$1" && cp -a "$2" "$1"', 'sh', postgres.data, backup]),
  );
  for (const { app } of [one, two]) t.match(await app.db.dead, { name: 'OtherHistoryError' });
  await Promise.all([one.stop(), two.stop()]);

  const again = await build(t, { DB_URL: url, REPAIR_SECONDS: '1' });
  const beside = await build(t, { INSTANCE_ID: 'beside', REPAIR_SECONDS: '1' }, again);
  crowd.servers = [again, beside];
  const back = await crowd.history();
  t.ok(lost.length > back.length + CHANGES / 50, 'something is lost');
  await crowd.act(CHANGES * 0.4);
  const stored = await crowd.converge(t);
  t.ok(stored.length > back.length && stored.some(({ deleted }) => deleted));
  t.ok(crowd.devices.some(({ resets }) => resets > 0));
});
