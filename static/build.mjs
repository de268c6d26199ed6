// Builds the web client: hashed script and style, the page that names them, the service worker that keeps them, and
// a .br and .gz beside everything that shrinks. Nothing is compressed while serving.
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { build } from 'esbuild';
import { targets } from './browsers.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const compressible = new Set(['.html', '.js', '.css', '.svg', '.webmanifest', '.json']);

const isTable = (path) => path.endsWith('/emoji.txt');

/** @param {string} outDir an empty or missing folder, or one that an earlier build made */
export async function buildClient(outDir) {
  await rm(outDir, { recursive: true, force: true });
  const assets = join(outDir, 'assets');
  await mkdir(assets, { recursive: true });

  const options = {
    outdir: assets,
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    format: 'esm',
    target: targets,
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
  };
  // What is opened later comes in files of its own, beside one with what those and the first share.
  const [app, rest] = await Promise.all([
    build({
      ...options,
      entryPoints: { app: join(here, 'app/main.tsx') },
      splitting: true,
      chunkNames: '[name]-[hash]',
    }),
    build({ ...options, entryPoints: { boot: join(here, 'boot.ts'), style: join(here, 'style/index.css') } }),
  ]);
  const outputs = { ...app.metafile.outputs, ...rest.metafile.outputs };
  const names = new Map();
  let first = '';
  for (const [file, { entryPoint, imports }] of Object.entries(outputs)) {
    if (!entryPoint) continue;
    const name = basename(file);
    names.set(name.replace(/-[^-.]+\./, '.'), name);
    // So that none waits for the one that names it.
    for (const { path, kind } of imports.filter(() => entryPoint.endsWith('main.tsx')))
      if (kind === 'import-statement')
        first += `<link rel="modulepreload" href="/assets/${basename(path)}" />`;
  }

  await cp(join(here, 'icons'), join(outDir, 'icons'), { recursive: true });
  await cp(join(here, 'manifest.webmanifest'), join(outDir, 'manifest.webmanifest'));
  const template = (await readFile(join(here, 'index.html'), 'utf8'))
    .replace('{{first}}', first)
    .replaceAll(/\{\{(\w+\.\w+)\}\}/g, (_, name) => `/assets/${names.get(name) ?? name}`);
  const kept = ['/icons/icon.svg', '/icons/dot.svg'];
  const icons = await Promise.all(kept.map((path) => readFile(join(outDir, path))));
  // The hashes in its names are what a page is made of.
  const version = hash(template, ...icons).slice(0, 16);
  await writeFile(join(outDir, 'index.html'), template.replace('{{version}}', version));
  await writeFile(join(outDir, 'version'), version);

  // Each with its hash: what the worker keeps is of one build, whoever answers.
  const shell = {};
  // The table of emoji is fetched by whoever asks for it.
  const shellFiles = Object.entries(outputs).filter(([, { inputs }]) => !Object.keys(inputs).some(isTable));
  for (const path of ['/', ...shellFiles.map(([file]) => `/assets/${basename(file)}`), ...kept])
    shell[path] = hash(await readFile(join(outDir, path === '/' ? 'index.html' : path)));
  await build({
    entryPoints: [join(here, 'sw.ts')],
    outfile: join(outDir, 'sw.js'),
    bundle: true,
    minify: true,
    format: 'iife',
    target: targets,
    define: { SHELL: JSON.stringify(shell), VERSION: JSON.stringify(version) },
    logLevel: 'warning',
  });

  const files = await readdir(outDir, { recursive: true, withFileTypes: true });
  await Promise.all(
    files
      .filter((file) => file.isFile() && compressible.has(extname(file.name)))
      .map((file) => compress(join(file.parentPath, file.name))),
  );
  return {
    files: files
      .filter((file) => file.isFile())
      .map((file) => relative(outDir, join(file.parentPath, file.name))),
  };
}

function hash(...parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest('hex');
}

async function compress(file) {
  const bytes = await readFile(file);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  const [br, gz] = await Promise.all([
    promisify(brotliCompress)(bytes, { params }),
    promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }),
  ]);
  await Promise.all([writeFile(`${file}.br`, br), writeFile(`${file}.gz`, gz)]);
}
