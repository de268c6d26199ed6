/** `npm run fault`: reads the options, runs, and says how it went. */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { copyBuild } from './build.js';
import { check, failures } from './checker.js';
import { report, save } from './report.js';
import { run } from './run.js';
import { isSchedule, plan, schedules } from './schedule.js';

/** How long the end of a run may take, and its start, its last words and the report. */
const drainMs = 60_000;
const besides = 20_000;

const text = (value: string) => ({ type: 'string', default: value }) as const;
const { values } = parseArgs({
  options: {
    seed: text(String(Date.now() % 1_000_000)),
    schedule: text('mixed'),
    faults: text('200'),
    minutes: text('15'),
    clients: text('30'),
    rate: text('100'),
    server: text('dist/server.js'),
    limits: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
});

function count(name: 'seed' | 'faults' | 'minutes' | 'clients' | 'rate'): number {
  const value = Number(values[name]);
  if (!Number.isFinite(value) || value < 0)
    throw new Error(`--${name} must be a number, not ${values[name]}`);
  return value;
}

/** Members of each group. */
const groups = [...Array<number>(20).fill(3), ...Array<number>(6).fill(30), 300];
const { schedule } = values;
if (!isSchedule(schedule)) throw new Error(`--schedule is one of ${Object.keys(schedules).join(', ')}`);
const seed = count('seed');
console.log(`seed ${seed}, schedule ${schedule}`);
let failed = true;
const leaseSeconds = 4;
const ms = Math.max(count('minutes') * 60_000 - besides - drainMs, 0);
const build = await copyBuild(resolve(values.server));
await run(
  {
    server: build.server,
    seed,
    steps: plan({ schedule, seed, faults: count('faults'), ms, leaseMs: leaseSeconds * 1000 }),
    clients: count('clients'),
    groups,
    rate: count('rate'),
    repeat: schedule === 'commits' ? 0.3 : 0.02,
    lastWordsMs: 2000,
    drainMs,
    leaseSeconds,
    repairSeconds: 2,
    heartbeatSeconds: 2,
    limits: values.limits,
    log: console.log,
  },
  async (result, world) => {
    const verdict = check(result.evidence);
    console.log(`\nseed ${seed}, schedule ${schedule}\n${report(result, verdict)}`);
    failed = failures(verdict).size > 0 || result.troubles.length > 0;
    if (!failed && values.out === undefined) return;
    const folder = values.out ?? join(tmpdir(), `fault-${seed}-${process.pid}`);
    await save(folder, { result, verdict, world, whole: values.out !== undefined });
    console.log(`\nfindings, diaries and logs: ${folder}`);
  },
).finally(build.remove);
process.exit(failed ? 1 : 0);
