/** Thousands of interleavings of messages, copies, pages, gaps, repairs and broken lines, each checked against the rules. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t, { type Test } from 'tap';
import type { Found, Order } from './worker.js';

const RUNS = 50_000;
/** Seeds of which one finds a fault that is put back. */
const ENOUGH = 5000;
t.setTimeout(600_000);
t.jobs = 2;

async function find(t: Test, order: Order): Promise<Found> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: order });
  t.teardown(() => worker.terminate());
  const [found] = await once(worker, 'message');
  return found;
}

for (const kind of ['plain', 'extended'] as const)
  t.test(`[B2] ${kind}: each message comes once and in order, whatever overtakes what`, async (t) => {
    t.strictSame(await find(t, { kind, runs: RUNS }), undefined);
  });

t.test('[G27] parking: what is shown comes once and in order, and of the rest how far it goes', async (t) => {
  t.strictSame(await find(t, { kind: 'parking', runs: RUNS / 5 }), undefined);
});

for (const [kind, sabotage] of [
  ['extended', 'a copy of an own message counts as told'],
  ['plain', 'the first message of a conversation is given, whatever came before it'],
  ['plain', 'what get_offline gives is not noted'],
  ['plain', 'what waits for get_offline is pushed, too'],
  ['extended', 'a gap is not waited for'],
  ['extended', 'what is told is forgotten'],
  ['parking', 'what is shown again is not read'],
  ['parking', 'what is told is forgotten'],
] as const)
  t.test(`it finds out where ${sabotage}`, async (t) => {
    t.not(await find(t, { kind, runs: ENOUGH, sabotage }), undefined);
  });
