/**
 * The fuzz test for as long as one likes, against the built server as a process of its own, on the embedded database:
 *   node test/fuzz.mjs                          ten minutes from a fresh seed
 *   node test/fuzz.mjs --seed 7 --minutes 60
 *   node test/fuzz.mjs --seed 7 --round 1234    one round again
 * Ends with 1 if anything was found, or if the server logged an error or is gone.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '10' },
    round: { type: 'string' },
    connections: { type: 'string', default: '16' },
  },
});
const seed = Number(values.seed);
const end = Date.now() + Number(values.minutes) * 60_000;

const root = fileURLToPath(new URL('..', import.meta.url));
// Below node_modules, so that packages are found from there.
const cache = join(root, 'node_modules/.cache/test');
await mkdir(cache, { recursive: true });
const folder = await mkdtemp(join(cache, 'fuzz-'));
const data = await mkdtemp(join(tmpdir(), 'chat-fuzz-'));
let server;
let failed = true;
try {
  const built = spawn(process.execPath, [join(root, 'build.mjs'), '--force', '--out', folder], {
    stdio: 'inherit',
  });
  if ((await once(built, 'exit'))[0] !== 0) throw new Error('the build failed');
  const outfile = join(folder, 'fuzz.mjs');
  await build({
    entryPoints: [join(root, 'test/fuzz.ts')],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    logLevel: 'warning',
  });
  const { fuzz } = await import(pathToFileURL(outfile).href);

  const log = join(data, 'log');
  const descriptor = openSync(log, 'a');
  server = spawn(process.execPath, ['--enable-source-maps', join(folder, 'server.js')], {
    cwd: data,
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      HOST: '127.0.0.1',
      DATA_DIR: join(data, 'data'),
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', descriptor, descriptor],
  });
  const url = await ready(log);
  const speakers = [];
  for (let i = 0; i < Number(values.connections); i++) speakers.push(await signUp(url, `fuzz-user-${i}`));

  console.log(`seed ${seed}, ${url}`);
  const before = descriptors();
  let told = Date.now();
  const first = values.round === undefined ? 0 : Number(values.round);
  const report = await fuzz({
    port: Number(new URL(url).port),
    seed,
    speakers,
    first,
    goesOn(rounds) {
      if (Date.now() - told > 30_000) {
        told = Date.now();
        console.log(`${rounds} rounds, ${Math.round((end - told) / 1000)} s left`);
      }
      return values.round === undefined ? Date.now() < end : rounds < 1;
    },
  });
  for (const problem of report.problems) console.log(problem);
  const answers = [...report.answers].sort().map(([word, count]) => `${word}: ${count}`);
  console.log(`${report.rounds} rounds; ${answers.join(', ')}`);
  const text = (await readFile(log, 'utf8')).split('\n').slice(1).join('\n').trim();
  if (text !== '') console.log(`the server said:\n${text.slice(0, 10_000)}`);
  const lives = server.exitCode === null && (await fetch(`${url}/readyz`)).status === 200;
  // Those of the last rounds have their deadlines.
  for (let i = 0; lives && descriptors() > before && i < 150; i++) await sleep(100);
  const left = lives ? descriptors() - before : 0;
  if (left > 0) console.log(`${left} descriptors are left open`);
  if (!lives) console.log('the server does not serve any more');
  failed = report.problems.length > 0 || text !== '' || !lives || left > 0;
} finally {
  server?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
  await rm(data, { recursive: true, force: true, maxRetries: 5 });
}
console.log(failed ? `found something with seed ${seed}` : 'nothing found');
process.exit(failed ? 1 : 0);

/** How many the server has open; what other systems than Linux don't show counts as none. */
function descriptors() {
  const folder = `/proc/${server.pid}/fd`;
  return existsSync(folder) ? readdirSync(folder).length : 0;
}

/** Waits for the line with the address. */
async function ready(log) {
  for (let i = 0; i < 600; i++) {
    const text = await readFile(log, 'utf8');
    const found = /open (http:\/\/\S+)/.exec(text);
    if (found) return found[1];
    if (server.exitCode !== null) throw new Error(`the server ended: ${text}`);
    await sleep(100);
  }
  throw new Error('the server did not start within a minute');
}

async function signUp(url, username) {
  const body = JSON.stringify({ username, password: 'correct horse' });
  const headers = { 'content-type': 'application/json' };
  const post = async (path) => (await fetch(url + path, { method: 'POST', headers, body })).json();
  await post('/register');
  return (await post('/login')).data;
}
