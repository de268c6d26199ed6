/** Statements of an opening that don't come back. */
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { startProxy } from '../fault/proxy.js';
import { build, eventually, signUp } from '../helper.js';
import { leaveOpen } from '../nodes/postgres.js';
import { ask, tryOpening } from './outside.js';

t.setTimeout(120_000);

t.test('one statement of an opening that hangs costs nobody else the door', async (t) => {
  const stack = await build(t);
  const target = new URL(stack.env.DB_URL ?? '');
  const wire = await startProxy(Number(target.port));
  t.teardown(() => wire.close());
  target.port = String(wire.port);
  const server = await build(t, { DB_URL: target.href, DB_POOL: '3' }, stack);
  const [alice, bob] = [await signUp(stack), await signUp(stack)];
  let hangs = false;
  // That word is in the statement that numbers a connection, and goes over each of ours once.
  wire.onNext((line) => {
    hangs = true;
    line.stall(60_000);
  }, 'clock_timestamp');
  const first = tryOpening(server, alice);
  await eventually(() => hangs, 'no statement hangs');
  await wait(7000);
  for (let i = 0; i < 5; i++) {
    const { status, ms } = await tryOpening(server, bob);
    t.equal(status, 101);
    t.ok(ms < 1000, `after ${ms} ms`);
  }
  const { status, ms } = await first;
  t.ok(ms < 7000, `the one that hung is answered after ${ms} ms`);
  t.ok(status === 503 || status === 101, `with ${status}`);
  t.equal((await ask(server, 'GET', '/readyz')).status, 200);
});

t.test('while nobody can be let in /readyz says so, and it ends with the cause', async (t) => {
  const server = await build(t);
  const alice = await signUp(server);
  t.equal((await tryOpening(server, alice)).status, 101);
  const unlock = await leaveOpen(server.env.DB_URL ?? '', 'lock table users in access exclusive mode');
  t.teardown(unlock);
  const opening = tryOpening(server, alice);
  const asked = performance.now();
  await eventually(
    async () => (await ask(server, 'GET', '/readyz')).status === 503,
    '/readyz says ready, and nobody gets in',
  );
  t.ok(performance.now() - asked < 7000);
  const { status, ms } = await opening;
  t.equal(status, 503);
  t.ok(ms < 7000, `refused after ${ms} ms`);
  t.equal((await ask(server, 'GET', '/readyz')).status, 503, 'it stands by that');
  await unlock();
  const back = performance.now();
  await eventually(async () => (await tryOpening(server, alice)).status === 101, 'nobody is let in');
  await eventually(async () => (await ask(server, 'GET', '/readyz')).status === 200, 'it is not ready again');
  t.ok(performance.now() - back < 3000);
});
