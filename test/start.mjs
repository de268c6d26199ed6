// Starts a TypeScript program of the tests, since Node 20 reads none: bundled here, then started. What it runs against is
// built first.
//   node test/start.mjs test/bench/bench.ts …
import { execFileSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const [entry] = process.argv.splice(2, 1);
const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
execFileSync(process.execPath, ['build.mjs'], { stdio: 'inherit' });
// Below node_modules, so that the packages that are left out of the bundle are found.
const outfile = join(root, 'node_modules/.cache/start', `${basename(entry, '.ts')}-${process.pid}.mjs`);
await build({
  entryPoints: [entry],
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
