import { existsSync } from 'node:fs';
import { buildApp } from './app.js';
import { ConfigError, loadConfig } from './plugins/config.js';

/** Milliseconds for a proxy's kept connections to be used once more, and closed by that answer. */
const LINGER_MS = 500;

/** Says why the server can't run, without a stack trace, and leaves. */
function refuse(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'EADDRINUSE') return 'another program has this port';
  return error instanceof Error ? error.message : String(error);
}

async function main() {
  if (process.env.NODE_ENV !== 'production' && existsSync('.env')) process.loadEnvFile('.env');
  const config = loadConfig(process.env, process.argv.slice(2));
  const app = await buildApp(config);
  await app.ready();
  const url = await app.listen({ port: config.PORT, host: config.HOST }).catch(async (error: unknown) => {
    await app.close();
    throw new Error(`Can't listen on ${config.HOST}:${config.PORT} (HOST, PORT): ${reason(error)}`);
  });
  const { port } = new URL(url);
  const host = config.HOST === '0.0.0.0' || config.HOST === '::' ? 'localhost' : config.HOST;
  const bus = config.redisNodes.length > 0 ? `Redis ${config.redisNodes.join(', ')}` : 'no Redis';
  const data = config.embedded ? `, data in ${config.DATA_DIR}` : '';
  process.stdout.write(
    `chat-server is ready: open http://${host}:${port} (${app.db.engine}${data}; ${bus})\n`,
  );

  // An embedded database that died stays dead: whoever watches over this process starts it again.
  void app.db.dead.then((error) => refuse(`The embedded database has stopped: ${error.message}`));

  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (asked) process.exit(1);
      asked = true;
      app.log.info({ signal }, 'leaving');
      setTimeout(() => {
        app.log.error('leaving took too long');
        process.exit(1);
      }, config.SHUTDOWN_SECONDS * 1000).unref();
      app.ws
        .leave(LINGER_MS)
        .then(() => app.close())
        .then(() => process.exit(0), refuse);
    });
  process.on('unhandledRejection', (error) => app.log.error({ err: error }, 'a promise was forgotten'));
}

main().catch((error: unknown) => refuse(error instanceof ConfigError ? error.message : error));
