import { existsSync } from 'node:fs';
import { askServer } from './plugins/admin/socket.js';
import { help } from './plugins/admin/words.js';
import { loadConfig } from './plugins/config.js';

/** Looks after accounts from the command line: at PostgreSQL, or through the running server where the database is embedded. */
async function main(words: string[]): Promise<void> {
  if (words.length === 0 || words.includes('--help') || words.includes('-h')) {
    process.stdout.write(
      `${help(process.env.npm_lifecycle_event === 'admin' ? 'npm run admin --' : 'node dist/admin.js').join('\n')}\n`,
    );
    return;
  }
  if (process.env.NODE_ENV !== 'production' && existsSync('.env')) process.loadEnvFile('.env');
  const config = loadConfig(process.env);
  // What PostgreSQL and Redis take to load need not be waited for.
  const { ok, lines } = config.embedded
    ? await askServer(config.DATA_DIR, words)
    : await (await import('./plugins/admin/direct.js')).atDatabase(config, words);
  (ok ? process.stdout : process.stderr).write(`${lines.join('\n')}\n`);
  process.exitCode = ok ? 0 : 1;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
