/** Connections to PostgreSQL that are dead without a word, as after the failover of a host or with a firewall that forgot. */
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { startProxy } from '../fault/proxy.js';
import { build } from '../helper.js';
import { ask, signUpOutside, startOutside, tryOpening } from './outside.js';

t.setTimeout(120_000);
/** Milliseconds from the loss until everything works again, for good. */
const RECOVERY_MS = 12_000;
const ROUNDS = 5;

t.test('a pool whose connections all vanish silently is made anew within seconds', async (t) => {
  const stack = await build(t);
  const target = new URL(stack.env.DB_URL ?? '');
  const wire = await startProxy(Number(target.port));
  t.teardown(() => wire.close());
  target.port = String(wire.port);
  const server = await startOutside(t, {
    DB_URL: target.href,
    REDIS_ADDR: stack.env.REDIS_ADDR ?? '',
    DB_POOL: '5',
  });
  const [alice, bob] = [await signUpOutside(server), await signUpOutside(server)];
  const credentials = { username: alice.username, password: 'a password' };
  const jobs = {
    opening: async () => (await tryOpening(server, bob)).status === 101,
    login: async () => (await ask(server, 'POST', '/login', { body: credentials })).status === 200,
    list: async () => (await ask(server, 'GET', '/api/conversations', { token: alice.token })).status === 200,
    send: async () => {
      const body = { to_user_id: bob.user_id, content: 'hello' };
      return (await ask(server, 'POST', '/api/messages', { token: alice.token, body })).status === 200;
    },
    ready: async () => (await ask(server, 'GET', '/readyz')).status === 200,
  };
  const round = async () => {
    const results = await Promise.all(Object.values(jobs).map((job) => job()));
    return Object.keys(jobs).filter((_, i) => !results[i]);
  };
  // Every connection of the pool is open.
  await Promise.all(Array.from({ length: 30 }, jobs.list));
  t.strictSame(await round(), []);
  const dead = wire.lines();
  t.ok(dead.length >= 5, `${dead.length} connections`);
  for (const line of dead) line.forget(120_000);

  const lost = performance.now();
  // What is told now and then: it has to hold for some rounds, and those have to be quick.
  for (let good = 0; good < ROUNDS; ) {
    const started = performance.now();
    const failing = await round();
    const ms = performance.now() - started;
    good = failing.length === 0 && ms < 2000 ? good + 1 : 0;
    const since = performance.now() - lost;
    if (since > RECOVERY_MS + ROUNDS * 500) {
      t.fail(
        `${Math.round(since)} ms later: failing ${failing.join(', ') || 'nothing'}, ${Math.round(ms)} ms`,
      );
      return;
    }
    await wait(300);
  }
  t.pass('all work again');
});
