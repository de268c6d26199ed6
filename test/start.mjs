// Starts a TypeScript program of the tests by hand, since Node 20 reads none: node test/start.mjs test/bench/bench.ts …
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const [entry] = process.argv.splice(2, 1);
const root = fileURLToPath(new URL('..', import.meta.url));
// Below node_modules, so that the packages that are left out of the bundle are found.
const outfile = join(root, 'node_modules/.cache/start', `${basename(entry, '.ts')}-${process.pid}.mjs`);
await build({
  entryPoints: [resolve(root, entry)],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: 'inline',
  logLevel: 'warning',
});
process.setSourceMapsEnabled(true);
await import(pathToFileURL(outfile).href);
