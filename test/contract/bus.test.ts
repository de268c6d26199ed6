import { randomBytes } from 'node:crypto';
import pino from 'pino';
import { createClient } from 'redis';
import t, { type Test } from 'tap';
import { type Bus, MemoryBroker, MemoryBus } from '../../plugins/bus/bus.js';
import { RedisBus } from '../../plugins/bus/redis-bus.js';
import { Clock } from '../../plugins/clock.js';
import { eventually, REAL } from '../helper.js';

/** Makes buses that reach each other. */
type Network = () => (replica: string) => Promise<Bus>;

const clock = new Clock();
t.teardown(() => clock.close());

const implementations: [string, Network][] = [
  [
    'the bus inside a process',
    () => {
      const broker = new MemoryBroker();
      return async (replica) => new MemoryBus(replica, broker);
    },
  ],
];
if (REAL)
  implementations.push([
    'the bus on Redis',
    () => {
      const namespace = `contract:${randomBytes(4).toString('hex')}`;
      return async (replica) => {
        const bus = new RedisBus(replica, {
          nodes: [process.env.TEST_REDIS_ADDR ?? ''],
          namespace,
          leaseMs: 60_000,
          log: pino({ level: 'silent' }),
          clock,
        });
        await bus.connect();
        return bus;
      };
    },
  ]);

let users = process.pid * 1000;
const freshUser = () => ++users;

for (const [name, network] of implementations) {
  const start = async (t: Test, ...replicas: string[]) => {
    const open = network();
    return Promise.all(
      replicas.map(async (replica) => {
        const bus = await open(replica);
        const heard: string[] = [];
        await bus.listen({ message: (text) => heard.push(text), up: () => {} });
        t.teardown(() => bus.close());
        return { bus, heard };
      }),
    );
  };

  t.test(`${name}: works once it listens, and has its name`, async (t) => {
    const [a] = await start(t, 'a');
    t.strictSame([a?.bus.ok, a?.bus.replica], [true, 'a']);
  });

  const owner = (replica: string, alone?: number) => ({ replica, ...(alone !== undefined && { alone }) });

  t.test(`${name}: a claim tells what stood before, and the highest number takes the others'`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const user = freshUser();
    t.strictSame(await a.claim({ user, alone: 5 }), []);
    t.strictSame(await b.claim({ user, alone: 7 }), [owner('a', 5)]);
    t.strictSame(await a.owners([user]), [[owner('a'), owner('b', 7)]]);
    t.strictSame(await a.claim({ user, alone: 6 }), [owner('a'), owner('b', 7)]);
    t.strictSame(await b.owners([user]), [[owner('b', 7), owner('a')]]);
    t.strictSame(await b.claim({ user, alone: 7 }), [owner('b', 7), owner('a')]);
    t.strictSame(await b.claim({ user, alone: 6 }), [owner('a'), owner('b', 7)]);
    t.strictSame(await b.owners([user]), [[owner('a'), owner('b', 7)]], 'a lower number of its own');
    t.strictSame(await b.claim({ user }), [owner('a'), owner('b', 7)]);
    t.strictSame(await b.owners([user]), [[owner('a'), owner('b')]], 'it has none any more');
    t.strictSame(await a.claim({ user, alone: 1 }), [owner('a'), owner('b')]);
    t.strictSame(await b.owners([user]), [[owner('b'), owner('a', 1)]]);
  });

  t.test(`${name}: claims without a number stand side by side`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const user = freshUser();
    t.strictSame(await a.claim({ user }), []);
    t.strictSame(await b.claim({ user, alone: 3 }), [owner('a')]);
    t.strictSame(await a.claim({ user }), [owner('a'), owner('b', 3)]);
    t.strictSame(await a.owners([user]), [[owner('b', 3), owner('a')]]);
  });

  t.test(`${name}: of claims at once the highest number stands`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const user = freshUser();
    // As large as clocks make them.
    const numbers = Array.from({ length: 40 }, (_, i) => 1_800_000_000_000_000 + ((i * 17) % 40) + 1);
    await Promise.all(numbers.map((alone) => (alone % 2 ? a : b).claim({ user, alone })));
    const [owners = []] = await a.owners([user]);
    t.strictSame(
      owners.sort((x, y) => (x.replica < y.replica ? -1 : 1)),
      [owner('a'), owner('b', Math.max(...numbers))],
    );
  });

  t.test(`${name}: of many claims in one turn each is told what stood before it`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const users = Array.from({ length: 250 }, freshUser);
    const [some = 0] = users;
    const odd = users.filter((user) => user % 2 === 1);
    await Promise.all(odd.map((user) => b.claim({ user, alone: user })));
    const found = await Promise.all(users.map((user) => a.claim({ user, alone: 7 })));
    t.strictSame(
      found,
      users.map((user) => (user % 2 === 1 ? [owner('b', user)] : [])),
    );
    t.strictSame(
      await b.owners(users),
      users.map((user) => (user % 2 === 1 ? [owner('b', user), owner('a')] : [owner('a', 7)])),
    );
    t.strictSame(await Promise.all([a.claim({ user: some }), a.claim({ user: some, alone: 8 })]), [
      [owner('a', 7)],
      [owner('a')],
    ]);
    await a.release(users);
    t.strictSame(
      await b.owners(users),
      users.map((user) => (user % 2 === 1 ? [owner('b', user)] : [])),
    );
  });

  t.test(`${name}: a release withdraws only what that replica has claimed`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const [user, other] = [freshUser(), freshUser()];
    await a.claim({ user });
    await b.claim({ user });
    await a.claim({ user: other, alone: 6 });
    await b.release([other]);
    await b.release([user]);
    t.strictSame(await b.owners([user, other]), [[owner('a')], [owner('a', 6)]]);
    await a.release([user, other]);
    t.strictSame(await b.owners([user, other]), [[], []]);
    await a.release([]);
  });

  t.test(`${name}: owners answers in the order asked, also nobody`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const [one, two, three] = [freshUser(), freshUser(), freshUser()];
    await a.claim({ user: three, alone: 3 });
    await b.claim({ user: one });
    t.strictSame(await a.owners([one, two, three, one]), [[owner('b')], [], [owner('a', 3)], [owner('b')]]);
    t.strictSame(await a.owners([]), []);
  });

  t.test(`${name}: what is published reaches that replica only, in order, as it was`, async (t) => {
    const [a, b, c] = await start(t, 'a', 'b', 'c');
    const texts = Array.from({ length: 50 }, (_, i) => `${i} "ü\u{1f600}\n" ${'x'.repeat(i * 100)}`);
    for (const text of texts) t.equal(await a?.bus.publish('b', text), true);
    await eventually(() => b?.heard.length === texts.length, 'not all came');
    t.strictSame(b?.heard, texts);
    t.strictSame([a?.heard, c?.heard], [[], []]);
    t.equal(await b?.bus.publish('b', 'to oneself'), true);
    await eventually(() => b?.heard.at(-1) === 'to oneself', 'not to oneself');
  });

  t.test(`${name}: says when nobody was there to receive`, async (t) => {
    const [a, b] = await start(t, 'a', 'b');
    t.equal(await a?.bus.publish('nobody', 'x'), false);
    await b?.bus.close();
    await eventually(async () => (await a?.bus.publish('b', 'x')) === false, 'it is still there');
  });

  t.test(`${name}: a broadcast reaches all, oneself too`, async (t) => {
    const all = await start(t, 'a', 'b', 'c');
    await all[0]?.bus.broadcast('to all');
    for (const { heard } of all) await eventually(() => heard.length === 1, 'it did not come');
    t.strictSame(
      all.map(({ heard }) => heard),
      [['to all'], ['to all'], ['to all']],
    );
  });
}

if (REAL)
  t.test(
    'the bus on Redis: what is no claim is overruled, and nobody else is kept from theirs',
    async (t) => {
      const nodes = [process.env.TEST_REDIS_ADDR ?? ''];
      const namespace = `contract:${randomBytes(4).toString('hex')}`;
      const bus = new RedisBus('a', {
        nodes,
        namespace,
        leaseMs: 60_000,
        log: pino({ level: 'silent' }),
        clock,
      });
      await bus.connect();
      await bus.listen({ message: () => {}, up: () => {} });
      t.teardown(() => bus.close());
      const redis = createClient({ url: `redis://${nodes[0]}` });
      await redis.connect();
      t.teardown(() => redis.destroy());
      await redis.rPush(`${namespace}:online:1`, 'a list');
      await redis.set(`${namespace}:online:2`, 'no claim\n5:x:c');
      const claims = [1, 2, 3].map((user) => bus.claim({ user, alone: 4 }));
      t.strictSame(await Promise.all(claims), [[], [], []]);
      const own = [{ replica: 'a', alone: 4 }];
      t.strictSame(await bus.owners([1, 2, 3]), [own, own, own]);
      await redis.sendCommand(['SCRIPT', 'FLUSH']);
      t.strictSame(await bus.claim({ user: 3, alone: 4 }), own, 'a server that has forgotten the script');
      await redis.sendCommand(['SCRIPT', 'FLUSH']);
      await bus.release([1, 2, 3]);
      t.strictSame(await redis.keys(`${namespace}:online:[123]`), []);
    },
  );
