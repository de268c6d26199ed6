import { randomBytes } from 'node:crypto';
import pino from 'pino';
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

  const alone = (user: number, number: number) => ({ user, number, alone: true });
  const beside = (user: number, number: number) => ({ user, number, alone: false });

  t.test(
    `${name}: a claim that suffers no other replaces lower ones, and tells what stood before`,
    async (t) => {
      const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
      const user = freshUser();
      const owner = (replica: string, number: number) => [{ replica, number, alone: true }];
      t.strictSame(await a.claim(alone(user, 5)), []);
      t.strictSame(await b.claim(alone(user, 7)), owner('a', 5));
      t.strictSame(await a.owners([user]), [owner('b', 7)]);
      t.strictSame(await a.claim(alone(user, 6)), owner('b', 7));
      t.strictSame(await b.owners([user]), [owner('b', 7)]);
      t.strictSame(await b.claim(alone(user, 7)), owner('b', 7));
      t.strictSame(await b.claim(alone(user, 100)), owner('b', 7));
      t.strictSame(await a.claim(alone(user, 99)), owner('b', 100));
    },
  );

  t.test(`${name}: claims that suffer others stand side by side, each with its highest number`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const user = freshUser();
    const [ofA, ofB] = [
      { replica: 'a', number: 5, alone: false },
      { replica: 'b', number: 3, alone: false },
    ];
    t.strictSame(await a.claim(beside(user, 5)), []);
    t.strictSame(await b.claim(beside(user, 3)), [ofA]);
    t.strictSame(await a.owners([user]), [[ofA, ofB]]);
    t.strictSame(await a.claim(beside(user, 4)), [ofA, ofB], 'a lower number of its own');
    t.strictSame(await a.owners([user]), [[ofB, ofA]]);
    t.strictSame(await a.claim(alone(user, 2)), [ofB, ofA], 'a higher one elsewhere');
    t.strictSame(await b.owners([user]), [[ofB, ofA]]);
    t.strictSame(await b.claim(alone(user, 9)), [ofB, ofA]);
    t.strictSame(await a.owners([user]), [[{ replica: 'b', number: 9, alone: true }]]);
    t.strictSame(await a.claim(beside(user, 8)), [{ replica: 'b', number: 9, alone: true }]);
    t.strictSame(await a.claim(beside(user, 10)), [{ replica: 'b', number: 9, alone: true }]);
    t.strictSame(await a.owners([user]), [[{ replica: 'a', number: 10, alone: false }]]);
  });

  t.test(`${name}: of claims at once the highest number stands`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const user = freshUser();
    const numbers = Array.from({ length: 40 }, (_, i) => ((i * 17) % 40) + 1);
    await Promise.all(numbers.map((number) => (number % 2 ? a : b).claim(alone(user, number))));
    t.strictSame(await a.owners([user]), [[{ replica: 'b', number: 40, alone: true }]]);
  });

  t.test(`${name}: a release withdraws only what that replica has claimed`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const [user, other] = [freshUser(), freshUser()];
    await a.claim(beside(user, 5));
    await b.claim(beside(user, 4));
    await a.claim(alone(other, 6));
    await b.release([other]);
    await b.release([user]);
    t.strictSame(await b.owners([user, other]), [
      [{ replica: 'a', number: 5, alone: false }],
      [{ replica: 'a', number: 6, alone: true }],
    ]);
    await a.release([user, other]);
    t.strictSame(await b.owners([user, other]), [[], []]);
    await a.release([]);
  });

  t.test(`${name}: owners answers in the order asked, also nobody`, async (t) => {
    const [a, b] = (await start(t, 'a', 'b')).map(({ bus }) => bus) as [Bus, Bus];
    const [one, two, three] = [freshUser(), freshUser(), freshUser()];
    await a.claim(alone(three, 3));
    await b.claim(beside(one, 1));
    const ofOne = [{ replica: 'b', number: 1, alone: false }];
    t.strictSame(await a.owners([one, two, three, one]), [
      ofOne,
      [],
      [{ replica: 'a', number: 3, alone: true }],
      ofOne,
    ]);
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
