/**
 * Shortens test output, one line for a file that passed and everything for one that failed, and counts its tests: those that have
 * no tests within, whatever number of things they assert.
 *   some command | node test/tap.mjs COUNTS_FILE
 */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

/** How node:test and test/deploy/try-engine.sh sum up. */
const sums = [
  [/^# pass (\d+)$/, 'passed'],
  [/^# (?:fail|cancelled|skipped) (\d+)$/, 'failed'],
];
/** How test/all.mjs sums up what it has read with this. */
const total = /^(\d+) passed, (\d+) failed$/;

// Summaries are not handed on, so that whoever reads our output in turn doesn't count them twice.
const noise =
  /^(TAP version \d+|1\.\.\d+|# (No coverage|time=|\{ total|[a-z_]+ [\d.]+$).*|\d+ passed, \d+ failed|)$/;

/** Counts tests in what tap writes, line by line. */
class Counter {
  passed = 0;
  failed = 0;
  /** Tests that are not over yet, each with what is known of those within it, and how it ended where that is said first. */
  open = [];

  line(line) {
    const top = this.open.at(-1);
    if (top?.end !== undefined && line === top.end) return this.close(top.ok);
    if (/^ *# Subtest: /.test(line)) return void this.open.push({ tests: 0, failed: 0 });
    const result = /^( *)(not )?ok \d+ .*# time=[\d.]+ms( \{)?$/.exec(line);
    if (result === null) return;
    const [, indent, not, brace] = result;
    if (brace) this.open.push({ tests: 0, failed: 0, end: `${indent}}`, ok: !not });
    else this.close(!not);
  }

  close(ok) {
    const test = this.open.pop();
    if (test === undefined) return;
    const outer = this.open.at(-1);
    // One that failed though all within it passed counts as well.
    const fails = !ok && test.failed === 0;
    if (fails) this.failed++;
    else if (test.tests === 0) this.passed++;
    if (outer === undefined) return;
    outer.tests++;
    if (!ok) outer.failed++;
  }
}

/**
 * Reads the output of a test command to its end, writes the short form, and resolves to the counts.
 * @param {import('node:stream').Readable} input
 * @param {(line: string) => void} write
 */
export async function readTap(input, write) {
  const counter = new Counter();
  let sum;
  let block = null;
  let passed = false;
  for await (const line of createInterface({ input })) {
    counter.line(line);
    for (const [pattern, kind] of sums) counter[kind] += Number(pattern.exec(line)?.[1] ?? 0);
    const all = total.exec(line);
    if (all) sum = { passed: Number(all[1]), failed: Number(all[2]) };
    if (/^(not )?ok\b/.test(line)) {
      passed = line.startsWith('ok');
      if (!passed) for (const kept of block ?? []) write(kept);
      block = null;
      write(line.replace(/ # time=([\d.]+)ms$/, (_, ms) => `  ${(ms / 1000).toFixed(1)} s`));
    } else if (line.startsWith('# Subtest: ')) {
      block = [line];
    } else if (block) {
      block.push(line);
    } else if (!noise.test(line) && !(passed && line.startsWith('  '))) {
      passed = false;
      write(line);
    }
  }
  for (const kept of block ?? []) write(kept); // cut off in the middle of a file
  return sum ?? { passed: counter.passed, failed: counter.failed };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.on('SIGINT', () => {}); // what we read from gets it too, and has more to say
  const { passed, failed } = await readTap(process.stdin, console.log);
  writeFileSync(process.argv[2], `${passed} ${failed}\n`);
}
