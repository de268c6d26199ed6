import t, { type Test } from 'tap';
import { createRenewal } from '../../static/app/renewal.js';

/** Timers that run when they are told to. */
function clock(t: Test) {
  const timers = new Map<number, { run: () => void; ms: number }>();
  let count = 0;
  const real = { set: globalThis.setTimeout, clear: globalThis.clearTimeout };
  Reflect.set(globalThis, 'setTimeout', (run: () => void, ms: number) => {
    timers.set(++count, { run, ms });
    return count;
  });
  Reflect.set(globalThis, 'clearTimeout', (id: number) => timers.delete(id));
  t.teardown(() => {
    globalThis.setTimeout = real.set;
    globalThis.clearTimeout = real.clear;
  });
  return {
    waits: () => Array.from(timers.values(), ({ ms }) => Math.round(ms / 1000)),
    async fire(): Promise<void> {
      const all = [...timers];
      timers.clear();
      for (const [, { run }] of all) run();
      await new Promise<void>((resolve) => setImmediate(resolve));
    },
  };
}

const hour = 3_600_000;
const inHours = (n: number, from = Date.now()) => new Date(from + n * hour).toISOString();

t.test('a token is renewed at half of its life, by the server’s clock', async (t) => {
  const time = clock(t);
  const fresh: string[] = [];
  const renewal = createRenewal(
    async () => 'new',
    (token) => fresh.push(token),
  );
  const server = Date.now() + 5 * hour; // our clock is five hours late
  renewal.schedule(inHours(24, server), new Date(server).toISOString());
  t.same(time.waits(), [12 * 3600]);
  await time.fire();
  t.same(fresh, ['new']);
  renewal.schedule(inHours(1, server));
  t.same(time.waits(), [1800], 'short lives are no reason to hurry without end');
  renewal.schedule(inHours(-1, server));
  t.same(time.waits(), [30]);
  renewal.stop();
  t.same(time.waits(), []);
});

t.test('without an answer it is tried again later, unless it was stopped', async (t) => {
  const time = clock(t);
  const renewal = createRenewal(
    async () => Promise.reject(new Error('no network')),
    () => t.fail('there is nothing fresh'),
  );
  renewal.schedule(inHours(24));
  await time.fire();
  t.same(time.waits(), [600]);
  renewal.stop();
  await time.fire();
  t.same(time.waits(), []);
});
