/**
 * Everything that `npm test` leaves out, because it needs PostgreSQL, Redis, Nginx, a Docker Engine or a browser:
 *   npm run test:all                              all of it
 *   npm run test:all -- fault deploy              some parts
 *   npm run test:all -- test/messages.test.ts     some files, on PostgreSQL and Redis
 * The services are real, its own, on free loopback ports, and gone afterwards.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { readTap } from './tap.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

const results = [];
let current;
let folder; // its guard ends the running command if we are killed
let interrupted;
let leftOut;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted = signal;
    signalGroup(current, signal);
    // A test that ignores the signal doesn't keep us: what it started is cleaned up by its guards.
    setTimeout(signalGroup, 5_000, current, 'SIGKILL').unref();
  });
}

/** Signals a command and all that it started. */
function signalGroup(child, signal) {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Runs one command in a process group of its own, and counts its tests. */
async function run(name, command, args, { env = {}, cwd = root, counted = true } = {}) {
  if (interrupted) return;
  console.log(`\n== ${name}`);
  const start = performance.now();
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  current = child;
  folder.guard(child.pid);
  const reading = readTap(child.stdout, console.log);
  const code = await once(child, 'exit').then(
    ([exitCode, signal]) => exitCode ?? signal,
    (error) => error.message,
  );
  signalGroup(child, 'SIGKILL'); // whatever it left behind would keep our pipe open
  current = undefined;
  folder.guard(undefined);
  // Out of the group and still holding on to the pipe: not waited for.
  const counts = (await Promise.race([reading, wait(5_000)])) ?? { passed: 0, failed: 1 };
  const empty = counted && counts.passed + counts.failed === 0;
  if (empty) console.log(`${name}: no test ran`);
  if (code !== 0) console.log(`${name}: ended with ${code}`);
  if (code !== 0 || empty) counts.failed = Math.max(counts.failed, 1);
  results.push({ part: name, ...counts, seconds: Math.round((performance.now() - start) / 1000) });
  return code === 0;
}

const tap = (name, options, files, env) =>
  run(name, join(root, 'node_modules/.bin/tap'), ['run', '--reporter=tap', ...options, ...files], { env });

function testFiles(folder) {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { recursive: true }).map((file) => join(folder, file));
  return files.filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules')).sort();
}

/** The tests that take their server from test/helper.ts: what the others, and those of sockets, find doesn't depend on the services. */
const onStack = () =>
  testFiles('test')
    .filter((file) => !(file.split('/')[1] in parts) && !file.startsWith('test/sockets/'))
    .filter((file) => /\bbuild\(t\b|\bREAL\b/.test(readFileSync(file, 'utf8')));

/** The parts by name; each gets the addresses of the services. */
const parts = {
  stack: (env) =>
    tap('stack: the tests of `npm test` with a server, on PostgreSQL and Redis', [], onStack(), env),
  real: (env) => tap('real: needs services', ['--jobs=2', '--timeout=300'], testFiles('test/real'), env),
  fault: (env) => inOrder('fault: services that fail', 'test/fault', env),
  hostile: (env) => inOrder('hostile: peers that misbehave', 'test/hostile', { ...env, TEST_STACK: '' }),
  async deploy(env) {
    const name = 'deploy: Nginx, containers, K3s';
    if (await run('deploy: install', 'bash', ['test/deploy/install.sh'], { counted: false }))
      await inOrder(name, 'test/deploy', env);
  },
  async engine(_env, asked) {
    const can = spawnSync('bash', ['test/deploy/engine.sh', 'can'], { encoding: 'utf8' });
    let why;
    if (can.status !== 0) why = `it can't be had here: ${can.stderr.trim()}`;
    // Making one and the images takes minutes, and the rest takes all of CI's time.
    else if (process.env.CI !== undefined && !asked)
      why = 'CI has no time for it: npm run test:all -- engine';
    if (why !== undefined) {
      leftOut = `left out, what needs a real Docker Engine: ${why}`;
      console.log(`\n== engine: ${leftOut}`);
      return;
    }
    // In short: by hand, `bash test/deploy/try-engine.sh` does more updates under more load.
    const env = { UPDATES: '2', SECONDS_OF_LOAD: '15' };
    await run('engine: the documented ways on a Docker Engine', 'bash', ['test/deploy/try-engine.sh'], {
      env,
    });
  },
  async browser(env) {
    if (!existsSync('test/browser/package.json')) return;
    const cwd = join(root, 'test/browser');
    const installed = await run('browser: install', 'npm', ['ci'], { cwd, counted: false });
    if (installed) await run('browser: the client in Chromium and Firefox', 'npm', ['test'], { cwd, env });
  },
};

/** One file after the other, since these load the machine and watch the clock. */
async function inOrder(name, folder, env) {
  const files = testFiles(folder);
  if (files.length > 0) await tap(name, ['--jobs=1', '--timeout=900'], files, env);
}

/** The functions of test/nodes, which are TypeScript. */
async function importNodes() {
  const outdir = mkdtempSync(join(tmpdir(), 'test-nodes-'));
  try {
    const outfile = join(outdir, 'nodes.mjs');
    const names = ['find', 'postgres', 'process', 'redis'];
    const contents = names.map((name) => `export * from './${name}.ts';`).join('\n');
    await build({
      stdin: { contents, resolveDir: 'test/nodes' },
      outfile,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'warning',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

async function main(chosen) {
  const unknown = chosen.filter((name) => !(name in parts) && !existsSync(name));
  if (unknown.length > 0) throw new Error(`Neither a part nor a file: ${unknown.join(' ')}`);
  const install = spawnSync('bash', ['test/install.sh'], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (install.status !== 0) throw new Error('test/install.sh failed');

  const { startPostgres, startRedis, chromiumPath, firefoxPath, makeFolder } = await importNodes();
  const services = [];
  try {
    folder = await makeFolder('test-all');
    const postgres = await startPostgres();
    services.push(postgres);
    const redis = await startRedis();
    services.push(redis);
    const env = {
      TEST_STACK: 'real',
      TEST_POSTGRES_URL: postgres.url(),
      TEST_REDIS_ADDR: redis.addr,
      TEST_CHROMIUM: chromiumPath(),
      TEST_FIREFOX: firefoxPath(),
    };
    const files = chosen.filter((name) => !(name in parts));
    const names = chosen.length > 0 ? chosen.filter((name) => name in parts) : Object.keys(parts);
    if (files.length > 0) await tap('chosen files, on PostgreSQL and Redis', ['--timeout=900'], files, env);
    for (const name of names) await parts[name](env, chosen.includes(name));
  } finally {
    await Promise.all(services.map((service) => service.stop()));
    await folder?.remove();
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  results.push({ part: 'start', passed: 0, failed: 1, seconds: 0 });
}
if (interrupted) results.push({ part: `ended by ${interrupted}`, passed: 0, failed: 1, seconds: 0 });
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
console.log('');
for (const { part, passed, failed, seconds } of results) {
  console.log(`${String(seconds).padStart(4)} s  ${passed} passed, ${failed} failed  ${part}`);
}
if (leftOut !== undefined) console.log(leftOut);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exit(sum('failed') > 0 || sum('passed') === 0 ? 1 : 0);
