/**
 * Shortens and counts test output: one line for a file that passed, everything for one that failed.
 *   some command | node test/tap.mjs COUNTS_FILE
 */
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

/** The ways in which tap, node:test and test/all.mjs sum up. */
const summaries = [
  [/^# \{ total: .*\bpass: (\d+)/, 'passed'],
  [/^# \{ total: .*\bfail: (\d+)/, 'failed'],
  [/^# pass (\d+)$/, 'passed'],
  [/^# (?:fail|cancelled|skipped) (\d+)$/, 'failed'],
  [/^(\d+) passed, \d+ failed$/, 'passed'],
  [/^\d+ passed, (\d+) failed$/, 'failed'],
];

// Summaries are not handed on, so that whoever reads our output in turn doesn't count them twice.
const noise =
  /^(TAP version \d+|1\.\.\d+|# (No coverage|time=|\{ total|[a-z_]+ [\d.]+$).*|\d+ passed, \d+ failed|)$/;

/**
 * Reads the output of a test command to its end, writes the short form, and resolves to the counts.
 * @param {import('node:stream').Readable} input
 * @param {(line: string) => void} write
 */
export async function readTap(input, write) {
  const counts = { passed: 0, failed: 0 };
  let block = null;
  let passed = false;
  for await (const line of createInterface({ input })) {
    for (const [pattern, kind] of summaries) counts[kind] += Number(pattern.exec(line)?.[1] ?? 0);
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
  return counts;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.on('SIGINT', () => {}); // what we read from gets it too, and has more to say
  const { passed, failed } = await readTap(process.stdin, console.log);
  writeFileSync(process.argv[2], `${passed} ${failed}\n`);
}
