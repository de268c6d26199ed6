// Makes dist/: each server file transpiled to the same place, the migrations, and the web client.
//   node build.mjs           builds if a source is newer than the last build
//   node build.mjs --force   builds in any case
//   node build.mjs --once    builds if there is no build yet: a server may be running from one
//   node build.mjs --watch   builds and starts the server, again at every change
//   node build.mjs --force --out FOLDER   builds somewhere else, for a test of its own
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

// Said in a sentence, before what follows fails in ways that don't say it.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19) || major === 21 || (major === 22 && minor < 12)) {
  console.error(
    `Node ${process.versions.node} is too old for chat-server: it needs 20.19, 22.12 or newer (https://nodejs.org).`,
  );
  process.exit(1);
}

const root = import.meta.dirname;
const out = process.argv.indexOf('--out');
const dist = out > 0 ? resolve(process.argv[out + 1]) : join(root, 'dist');
const stamp = join(dist, '.built');
const sources = [
  'admin.ts',
  'app.ts',
  'server.ts',
  'plugins',
  'routes',
  'schemas',
  'sql',
  'static',
  'build.mjs',
  'package-lock.json',
];

async function files(path) {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

const sourceFiles = async () => (await Promise.all(sources.map((name) => files(join(root, name))))).flat();

async function isStale() {
  if (!existsSync(stamp)) return true;
  const built = (await stat(stamp)).mtimeMs;
  const times = await Promise.all((await sourceFiles()).map(async (file) => (await stat(file)).mtimeMs));
  return times.some((time) => time > built);
}

async function buildAll() {
  const started = new Date();
  await rm(dist, { recursive: true, force: true });
  const entryPoints = (await sourceFiles()).filter(
    (file) => file.endsWith('.ts') && !file.startsWith(join(root, 'static')),
  );
  await build({
    entryPoints,
    outdir: dist,
    outbase: root,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: true,
    logLevel: 'warning',
  });
  await cp(join(root, 'sql/migrations'), join(dist, 'sql/migrations'), { recursive: true });
  await cp(await emptyDatabase(), join(dist, 'empty-db'), { recursive: true });
  const client = join(root, 'static/build.mjs');
  if (existsSync(client)) await (await import(client)).buildClient(join(dist, 'static'));
  await writeFile(stamp, `${started.toISOString()}\n`);
}

/** The empty database that new ones are copied from: made once for each version of the engine, and kept with the packages. */
async function emptyDatabase() {
  const maker = join(dist, 'plugins/db/embedded-new.js');
  const engine = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  const hash = createHash('sha256').update(await readFile(maker));
  for (const file of ['package.json', 'dist/pglite.wasm', 'dist/initdb.wasm'])
    hash.update(await readFile(join(engine, '../..', file)));
  const cache = join(root, 'node_modules/.cache/chat-server');
  const folder = join(cache, `empty-db-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(join(cache, 'draft-'));
  // In a process of its own, since it takes some hundred MB.
  const made = join(draft, 'db');
  const code = `import(${JSON.stringify(pathToFileURL(maker).href)}).then((m) => m.makeEmpty(${JSON.stringify(made)}))`;
  const making = spawn(process.execPath, ['--liftoff-only', '--max-semi-space-size=4', '-e', code], {
    stdio: 'inherit',
  });
  const [status] = await once(making, 'exit');
  if (status !== 0) throw new Error(`making the empty database ended with ${status}`);
  // Read by whoever runs the server, who needn't be who built it.
  for (const path of ['', ...(await readdir(made, { recursive: true }))]) {
    const { mode } = await stat(join(made, path));
    await chmod(join(made, path), mode & 0o100 ? 0o755 : 0o644);
  }
  await rename(made, folder).catch((error) => {
    if (!existsSync(folder)) throw error; // another build was faster
  });
  await rm(draft, { recursive: true, force: true });
  return folder;
}

async function runAndWatch() {
  let server;
  let timer;
  const restart = async () => {
    if (server) {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await ended;
    }
    try {
      await buildAll();
      server = spawn(process.execPath, ['--enable-source-maps', join(dist, 'server.js')], {
        stdio: 'inherit',
      });
    } catch {
      server = undefined; // esbuild has said why; the next change tries again
    }
  };
  let queue = restart();
  for (const name of sources) {
    watch(join(root, name), { recursive: true }, () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        queue = queue.then(restart);
      }, 100);
    });
  }
}

if (process.argv.includes('--watch')) await runAndWatch();
else if (process.argv.includes('--once')) {
  if (!existsSync(stamp)) await buildAll();
} else if (process.argv.includes('--force') || (await isStale())) await buildAll();
