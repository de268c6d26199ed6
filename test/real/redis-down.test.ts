/** Redis that is slow, gone, or back with an empty memory. */
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { build, type Client, connect, connectSynced, eventually, type Server, signUp } from '../helper.js';
import { startRedis } from '../nodes/redis.js';

t.setTimeout(240_000);

const redis = await startRedis();
t.teardown(() => redis.stop());
const settings = { REDIS_ADDR: redis.addr, REPAIR_SECONDS: '1' };
const one = await build(t, { ...settings, INSTANCE_ID: 'one' });
const two = await build(t, { ...settings, INSTANCE_ID: 'two' }, one);

const bus = async (server: Server) => (await server.request('GET', '/readyz')).body.data.bus;
const works = () =>
  eventually(async () => (await bus(one)) === 'ok' && (await bus(two)) === 'ok', 'the bus does not recover');

/** Sends over both instances and gives the milliseconds until it was stored, and until it came. */
async function across(a: Client, b: Client, to: number, content: string): Promise<[number, number]> {
  const started = performance.now();
  const sent = a.of('sent').length;
  const came = b.of('chat').length;
  a.send('chat', { to_user_id: to, content });
  await a.until(() => a.of('sent').length > sent, 'not stored');
  const stored = performance.now() - started;
  await b.until(() => b.of('chat').length > came, 'not delivered');
  t.equal(b.of('chat').at(-1).content, content);
  return [stored, performance.now() - started];
}

t.test('while Redis answers nothing, messages are stored at once and delivered by repair', async (t) => {
  const [alice, bob, carol] = [await signUp(one), await signUp(one), await signUp(one)];
  const [a, b] = [await connectSynced(t, one, alice), await connect(t, two, bob)];
  await across(a, b, bob.user_id, 'before');
  await redis.pause();
  t.teardown(() => redis.resume());
  for (let i = 0; i < 3; i++) {
    const [stored, came] = await across(a, b, bob.user_id, `while ${i}`);
    t.ok(stored < 2000, `stored after ${stored} ms`);
    t.ok(came < 5000, `came after ${came} ms`);
  }
  await eventually(async () => (await bus(one)) === 'degraded', '/readyz does not say degraded');
  t.equal((await one.request('GET', '/readyz')).status, 200);
  // Who comes now is served too, and holds the user once Redis is back.
  const c = await connect(t, two, carol);
  await across(a, c, carol.user_id, 'to somebody new');
  await redis.resume();
  await works();
  await eventually(
    async () => (await one.app.bus.owners([carol.user_id]))[0]?.[0]?.replica === two.app.bus.replica,
    'who came meanwhile is not claimed',
  );
  const { published } = two.app.hub.counts;
  const before = one.app.hub.counts.published;
  await across(a, b, bob.user_id, 'after');
  t.ok(one.app.hub.counts.published > before && two.app.hub.counts.published === published);
  await b.barrier();
  t.equal(b.of('chat').length, 5);
});

t.test('of two connections that were made while Redis was away the newer one remains', async (t) => {
  const user = await signUp(one);
  await redis.kill9();
  await eventually(async () => (await bus(one)) === 'degraded', 'it is not noticed');
  const older = await connect(t, one, user);
  const newer = await connect(t, two, user);
  t.equal(older.socket.readyState, older.socket.OPEN);
  await redis.restart();
  t.strictSame(await older.closed, { code: 4002, reason: 'replaced by a newer connection' });
  await works();
  await eventually(
    async () => (await one.app.bus.owners([user.user_id]))[0]?.[0]?.replica === two.app.bus.replica,
    'the newer one does not hold the user',
  );
  await newer.barrier();
  t.equal(newer.socket.readyState, newer.socket.OPEN);
});

t.test('Redis that comes back with an empty memory at once has its owners claimed anew', async (t) => {
  const [alice, bob] = [await signUp(one), await signUp(one)];
  const [a, b] = [await connectSynced(t, one, alice), await connect(t, two, bob)];
  for (let round = 0; round < 3; round++) {
    await across(a, b, bob.user_id, `before ${round}`);
    const restarted = redis.restart();
    for (let i = 0; i < 5; i++) {
      const [stored, came] = await across(a, b, bob.user_id, `during ${round}.${i}`);
      t.ok(stored < 2000, `stored after ${stored} ms`);
      t.ok(came < 5000, `came after ${came} ms`);
    }
    await restarted;
    const back = performance.now();
    await eventually(async () => {
      const owners = await one.app.bus.owners([alice.user_id, bob.user_id]).catch(() => []);
      return (
        owners[0]?.[0]?.replica === one.app.bus.replica && owners[1]?.[0]?.replica === two.app.bus.replica
      );
    }, 'owners are not claimed anew');
    t.ok(performance.now() - back < 5000);
    await works();
  }
  await b.barrier();
  const contents = b.of('chat').map((frame) => frame.content);
  t.equal(new Set(contents).size, contents.length);
  t.equal(contents.length, 18);
});

t.test('a start waits for Redis, and says what is missing when it waited in vain', async (t) => {
  await redis.kill9();
  t.teardown(() => redis.restart());
  await t.rejects(build(t, { ...settings, STARTUP_WAIT_SECONDS: '1' }, one), /Redis at .*REDIS_ADDR/);
  const late = build(t, { ...settings, INSTANCE_ID: 'late', STARTUP_WAIT_SECONDS: '30' }, one);
  await wait(700);
  await redis.restart();
  const three = await late;
  t.equal(await bus(three), 'ok');
  const [alice, bob] = [await signUp(one), await signUp(one)];
  await works();
  const [a, b] = [await connectSynced(t, one, alice), await connect(t, three, bob)];
  await across(a, b, bob.user_id, 'hello');
});
