/**
 * Runs `npm test` with several versions of Node, each from the npm registry, on a clone of the last commit:
 *   node test/node-versions.mjs [20 22 24 latest]
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const versions = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24', 'latest'];

// The package `node` only chooses one of these in an install script, which newer npm holds back.
const platform = `${process.platform}-${process.arch}`;
const binary = platform === 'darwin-arm64' ? `node-bin-${platform}` : `node-${platform}`;

const folder = mkdtempSync(join(tmpdir(), 'node-versions-'));
const tree = join(folder, 'tree');
const rows = [];

process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** Runs a command, shows its output unless `quiet`, and gives its text; undefined when it fails. */
function run(command, args, { cwd = folder, env = process.env, quiet = false } = {}) {
  const stdio = ['ignore', quiet ? 'pipe' : 'inherit', 'inherit'];
  const { status, stdout } = spawnSync(command, args, { cwd, env, stdio, encoding: 'utf8' });
  return status === 0 ? (stdout ?? '').trim() : undefined;
}

run('git', ['clone', '--quiet', root, tree]);
if (run('npm', ['ci'], { cwd: tree }) === undefined) process.exit(1);

for (const version of versions) {
  const prefix = join(folder, version);
  const bin = join(prefix, 'node_modules', binary, 'bin');
  run('npm', ['install', '--prefix', prefix, '--no-save', '--ignore-scripts', `${binary}@${version}`]);
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const actual = run(join(bin, 'node'), ['--version'], { quiet: true });
  const start = performance.now();
  const passed = actual !== undefined && run('npm', ['test'], { cwd: tree, env }) !== undefined;
  const seconds = Math.round((performance.now() - start) / 1000);
  rows.push({ asked: version, node: actual ?? 'not found', seconds, result: passed ? 'passed' : 'failed' });
}
console.table(rows);
process.exitCode = rows.every((row) => row.result === 'passed') ? 0 : 1;
