// The fault run is TypeScript, and Node 20 reads none: bundled here, then started. What it runs against is built first.
//   npm run fault -- --seed 7 --faults 200 --minutes 15 --schedule mixed --clients 30 --rate 100
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
process.chdir(root);
execFileSync(process.execPath, ['build.mjs'], { stdio: 'inherit' });
// Below node_modules, so that the packages that are left out of the bundle are found.
const outfile = join(root, 'node_modules/.cache/fault/cli.mjs');
await build({
  entryPoints: [fileURLToPath(new URL('./cli.ts', import.meta.url))],
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
