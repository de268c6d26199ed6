/**
 * The cost of a message, for anybody to repeat: npm run bench -- [--runs 3] [--seconds 10] [--only TEXT] [--out FILE]
 * [--compare FILE]. The server, PostgreSQL and Redis share one processor, this generator has another; processor time is what
 * the kernel counted, so figures are of the server, and their ratios hold on other machines.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Figures } from './measure.js';
import { scenarios } from './scenarios.js';
import { pin, Stack } from './stack.js';

interface Report {
  date: string;
  machine: string;
  runs: number;
  figures: Record<string, Figures>;
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '10' },
    only: { type: 'string', default: '' },
    out: { type: 'string', default: 'bench.json' },
    compare: { type: 'string' },
  },
});

function isReport(value: unknown): value is Report {
  return typeof value === 'object' && value !== null && 'figures' in value;
}

/** The middle one of each figure. */
function medians(runs: readonly Figures[]): Figures {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const sorted = runs.map((run) => run[name] ?? Number.NaN).sort((a, b) => a - b);
      return [name, sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN];
    }),
  );
}

const row = (name: string, figure: string, value: number | string, ratio: string) =>
  process.stdout.write(
    `| ${name.padEnd(49)} | ${figure.padEnd(36)} | ${String(value).padStart(8)} | ${ratio.padEnd(9)} |\n`,
  );

const earlier: unknown =
  values.compare === undefined ? undefined : JSON.parse(await readFile(values.compare, 'utf8'));
if (earlier !== undefined && !isReport(earlier))
  throw new Error(`${values.compare} is no report of this bench`);
if (process.platform !== 'linux')
  process.stderr.write('Processor time and pinning need Linux: those figures are missing.\n');
if (cpus().length > 1) pin(process.pid, 1);

const stack = await Stack.start(0);
row('scenario', 'figure', 'value', earlier === undefined ? '' : 'to before');
row('---', '---', '---', '---');
const figures: Record<string, Figures> = {};
// One of that very name, or all that have the text in theirs.
const isMeant = (name: string) =>
  values.only in scenarios ? name === values.only : name.includes(values.only);
try {
  for (const [name, run] of Object.entries(scenarios)) {
    if (!isMeant(name)) continue;
    const runs: Figures[] = [];
    for (let i = 0; i < Number(values.runs); i++)
      runs.push(await run({ stack, core: 0, seconds: Number(values.seconds) }));
    const result = medians(runs);
    figures[name] = result;
    for (const [figure, value] of Object.entries(result)) {
      const old = earlier?.figures[name]?.[figure];
      row(name, figure, value, old ? `×${(value / old).toFixed(2)}` : '');
    }
  }
} finally {
  await stack.stop();
}
const report: Report = {
  date: new Date().toISOString(),
  machine: `${cpus().length} × ${cpus()[0]?.model ?? ''}, ${process.platform}, Node ${process.version}`,
  runs: Number(values.runs),
  figures,
};
await writeFile(values.out, `${JSON.stringify(report, null, 2)}\n`);
