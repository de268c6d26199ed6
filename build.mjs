// Makes dist/: each server file transpiled to the same place, the migrations, and the web client.
//   node build.mjs           builds if a source is newer than the last build
//   node build.mjs --force   builds in any case
//   node build.mjs --watch   builds and starts the server, again at every change
//   node build.mjs --force --out FOLDER   builds somewhere else, for a test of its own
import { spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { cp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = import.meta.dirname;
const out = process.argv.indexOf('--out');
const dist = out > 0 ? resolve(process.argv[out + 1]) : join(root, 'dist');
const stamp = join(dist, '.built');
const sources = [
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
  const client = join(root, 'static/build.mjs');
  if (existsSync(client)) await (await import(client)).buildClient(join(dist, 'static'));
  await writeFile(stamp, `${started.toISOString()}\n`);
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
else if (process.argv.includes('--force') || (await isStale())) await buildAll();
