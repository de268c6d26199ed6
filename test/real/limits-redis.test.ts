/** Failures at the doors while Redis is away: each instance counts alone, and nobody waits for Redis. */
import { hashSync } from '@node-rs/bcrypt';
import t from 'tap';
import { RATES } from '../../schemas/limits.js';
import { addUser } from '../../sql/users.js';
import { build, connectSynced, eventually, freshName, type Server, signUp } from '../helper.js';
import { startRedis } from '../nodes/redis.js';

t.setTimeout(240_000);

const HASH = hashSync('the right one', 4);
const FREE = RATES.accountFailures;
/** Milliseconds that a send or sign-in may take, or so often what a sign-in took before: bcrypt has what others leave of the machine. */
const SOON_MS = 2000;
const TIMES = 5;

const redis = await startRedis();
t.teardown(() => redis.stop());
const settings = { REDIS_ADDR: redis.addr, LIMITS: 'on', REPAIR_SECONDS: '1', ADDRESS_FAILURES: '1000' };
const one = await build(t, { ...settings, INSTANCE_ID: 'one' });
const two = await build(t, { ...settings, INSTANCE_ID: 'two' }, one);
// No wait is over while this is tried.
for (const { app } of [one, two]) app.clock.close();

async function makeUser(): Promise<string> {
  const name = freshName();
  await addUser(one.app.db.sql, name, HASH);
  return name;
}

async function login(server: Server, username: string, password = 'a wrong one') {
  const start = performance.now();
  const { status } = await server.request('POST', '/login', { body: { username, password } });
  return { status, ms: performance.now() - start };
}

for (const [how, leave, back] of [
  ['answers nothing', () => redis.pause(), () => redis.resume()],
  ['is gone', () => redis.kill9(), () => redis.restart()],
] as const)
  t.test(`while Redis ${how} failures are counted, and no sign-in or send waits for it`, async (t) => {
    const [name, other] = [await makeUser(), await makeUser()];
    const before = [await login(one, other, 'the right one'), await login(two, other, 'the right one')];
    const soon = Math.max(SOON_MS, ...before.map(({ ms }) => TIMES * ms));
    const user = await signUp(one);
    const client = await connectSynced(t, one, user);
    await leave();
    t.teardown(back);
    for (let i = 0; i < FREE; i++) {
      const { status, ms } = await login(one, name);
      t.equal(status, 401);
      t.ok(ms < soon, `a failure after ${ms} ms`);
      client.send('chat', { id: `${how.length}-${i}`, to_user_id: user.user_id, content: 'x' });
      const start = performance.now();
      await client.next('sent');
      t.ok(performance.now() - start < SOON_MS, `stored after ${performance.now() - start} ms`);
    }
    t.equal((await login(one, name, 'the right one')).status, 429, 'counted in memory');
    t.equal((await login(two, name, 'the right one')).status, 200, 'the other one has not heard of it');
    const honest = await login(one, other, 'the right one');
    t.equal(honest.status, 200);
    t.ok(honest.ms < soon, `an honest sign-in after ${honest.ms} ms`);
    await back();
    for (const server of [one, two])
      await eventually(
        async () => (await server.request('GET', '/readyz')).body.data.bus === 'ok',
        'the bus does not recover',
      );
    const again = await makeUser();
    for (let i = 0; i < FREE; i++) t.equal((await login(one, again)).status, 401);
    await eventually(
      async () => (await login(two, again, 'the right one')).status === 429,
      'they do not tell each other again',
    );
  });
