/** The fault run in short: the same parts, each fault once, and faster leases, repairs and heartbeats. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'tap';
import { execute } from '../nodes/process.js';
import { copyBuild } from './build.js';
import { check, failures } from './checker.js';
import { report, save } from './report.js';
import { run } from './run.js';
import { habits, plan, type ScheduleName } from './schedule.js';

/** A seed that once failed stays here, with what it found. */
const cases: { name: string; seed: number; schedule: ScheduleName }[] = [
  { name: 'faults of all kinds', seed: 6, schedule: 'each' },
];

const faults = Object.keys(habits).length;
const ms = 30_000;
const leaseSeconds = 2;
/** Members of each group. */
const groups = Array<number>(10).fill(3);

test('no message is lost, doubled or out of order', async (t) => {
  await execute(process.execPath, ['build.mjs']);
  const build = await copyBuild('dist/server.js');
  t.teardown(build.remove);
  for (const { name, seed, schedule } of cases) {
    await t.test(`${name} (seed ${seed})`, async (t) => {
      const steps = plan({ schedule, seed, faults, ms, leaseMs: leaseSeconds * 1000 });
      t.equal(new Set(steps.map(({ kind }) => kind)).size, faults, 'each kind is there');
      const lines: string[] = [];
      const options = {
        ...{ server: build.server, seed, steps, clients: 10, groups, rate: 60, repeat: 0.05 },
        ...{
          lastWordsMs: 2000,
          drainMs: 30_000,
          leaseSeconds,
          repairSeconds: 1,
          heartbeatSeconds: 1,
          limits: true,
          log: (line: string) => void lines.push(line),
        },
      };
      await run(options, async (result, world) => {
        const verdict = check(result.evidence);
        t.comment([...lines, report(result, verdict)].join('\n'));
        t.strictSame(result.troubles, []);
        t.ok(verdict.arrived > 1000, 'enough was said');
        const found = failures(verdict);
        if (found.size > 0 || result.troubles.length > 0) {
          const folder = join(tmpdir(), `fault-${seed}-${process.pid}`);
          await save(folder, { result, verdict, world, whole: false });
          t.comment(`findings, diaries and logs: ${folder}`);
        }
        t.ok(
          verdict.changes > 20 && verdict.refused > 0,
          'people went and came back, and said something while they were out',
        );
        t.ok(verdict.wishes > 100, 'messages were edited, deleted, pinned and reacted to');
        t.ok(verdict.toldHeads > 20, 'something was not shown');
        for (const rule of ['lost', 'doubled', 'outOfOrder', 'unsent', 'outcomes']) {
          t.strictSame(found.get(rule) ?? [], [], rule);
        }
        t.strictSame([...found.keys()], [], 'nothing else is wrong either');
      });
    });
  }
});
