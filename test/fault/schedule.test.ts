import { test } from 'tap';
import { habits, isSchedule, plan, schedules } from './schedule.js';

const usual = { schedule: 'mixed', seed: 7, faults: 200, ms: 800_000, leaseMs: 4000 } as const;

test('the same seed gives the same schedule', async (t) => {
  t.strictSame(plan(usual), plan(usual));
  t.notSame(plan(usual), plan({ ...usual, seed: 8 }));
});

test('all faults fit, whatever the seed', async (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    const steps = plan({ ...usual, seed });
    t.equal(steps.length, 200);
    t.equal(new Set(steps.map(({ kind }) => kind)).size, Object.keys(habits).length, 'of every kind');
  }
});

test('no two faults take the same thing at once', async (t) => {
  for (const schedule of Object.keys(schedules).filter(isSchedule)) {
    const busy = new Map<string, number>();
    for (const { at, kind, lasts } of plan({ ...usual, schedule })) {
      const { needs, mends } = habits[kind];
      if (needs === 'nothing') continue;
      t.ok(at >= (busy.get(needs) ?? 0), `${schedule}: ${kind} at ${at}`);
      busy.set(needs, at + lasts + mends);
    }
  }
});

test('a replica stops for longer than its lease', async (t) => {
  const stops = plan({ ...usual, schedule: 'lease' }).filter(({ kind }) => kind === 'stop');
  t.ok(stops.length > 50);
  t.ok(stops.every(({ lasts }) => lasts > usual.leaseMs));
});
