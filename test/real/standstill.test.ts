/** A process that stands still for a while: a suspended machine, a long collection of garbage. */
import { setTimeout as wait } from 'node:timers/promises';
import { createClient } from 'redis';
import t from 'tap';
import { build, connect, connectSynced, eventually, signUp } from '../helper.js';
import { startRedis } from '../nodes/redis.js';
import { ask, startOutside } from './outside.js';

t.setTimeout(120_000);
const USERS = 30;
/** Longer than the heartbeat's timeout and than the bus bears silence, shorter than the lease. */
const STILL_MS = 4000;

t.test('whoever wrote while the process stood still stays, and is not claimed anew', async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const stack = await build(t, { REDIS_ADDR: redis.addr });
  const users = await Promise.all(Array.from({ length: USERS }, () => signUp(stack)));
  const monitor = createClient({ url: redis.url });
  await monitor.connect();
  t.teardown(() => monitor.destroy());
  // Who is claimed, whatever the key's beginning and the command: a script's own commands are not looked at.
  const claimed: string[] = [];
  await monitor.monitor((line) => {
    const [, words = ''] = /^\S+ \[\d+ (?!lua)\S+\] (.*)$/.exec(String(line)) ?? [];
    if (!/^"(EVAL|EVALSHA|FCALL|SET)"/i.test(words)) return;
    for (const [, user = ''] of words.matchAll(/online:(\d+)/g)) claimed.push(user);
  });
  const server = await startOutside(t, {
    DB_URL: stack.env.DB_URL ?? '',
    REDIS_ADDR: redis.addr,
    HEARTBEAT_SECONDS: '1',
    HEARTBEAT_TIMEOUT_SECONDS: '2',
    LEASE_SECONDS: '60',
    INSTANCE_ID: 'still',
  });
  const clients = await Promise.all(
    users.map((user, i) => (i % 2 ? connect(t, server, user) : connectSynced(t, server, user))),
  );
  await eventually(() => new Set(claimed).size === USERS, 'the claims are not seen');
  claimed.length = 0;

  server.process.signal('SIGSTOP');
  const barriers: Promise<void>[] = [];
  const end = performance.now() + STILL_MS;
  while (performance.now() < end) {
    // Each writes; the answers come when the process goes on.
    if (barriers.length === 0) barriers.push(...clients.map((client) => client.barrier()));
    await wait(200);
  }
  server.process.signal('SIGCONT');
  const answered = await Promise.allSettled(barriers);
  t.equal(answered.filter(({ status }) => status === 'fulfilled').length, USERS, 'everybody is answered');
  // For as long as a heartbeat's timeout, and some: what was judged wrongly shows by then.
  await wait(3000);
  t.equal(clients.filter(({ socket }) => socket.readyState === socket.OPEN).length, USERS, 'and stays');
  t.equal(new Set(claimed).size, 0, 'nobody is claimed anew');
  t.strictSame((await ask(server, 'GET', '/readyz')).body.data.bus, 'ok');
});
