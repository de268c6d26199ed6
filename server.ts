import { existsSync } from 'node:fs';
import { buildApp } from './app.js';
import { redisPlace } from './plugins/bus/redis-place.js';
import { ConfigError, loadConfig, misspelled } from './plugins/config.js';
import { OtherHistoryError } from './plugins/db/history.js';
import { runTask } from './plugins/db/open.js';

/**
 * Milliseconds for kept connections to be used once more, and closed by that answer. A proxy lets go of those that it doesn't
 * use (deploy/nginx.conf); cut here, one could be just carrying a request that may not be sent twice.
 */
const LINGER_MS = 500;
const PROXY_LINGER_MS = 6000;

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Says why the server can't run, without a stack trace, and leaves. */
function refuse(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'EADDRINUSE') return 'another program has this port';
  if (code === 'EACCES') return 'only root may take it, or a higher number';
  if (code === 'EADDRNOTAVAIL') return 'this machine has no such address';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'there is no such name';
  return error instanceof Error ? error.message : String(error);
}

const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host);

/** As PID 1 of a container a signal that nobody handles is ignored. Nothing has begun that an end could leave half done. */
const leaveEarly = () => {
  process.stderr.write('asked to leave before it was ready\n');
  process.exit(0);
};

async function main() {
  for (const signal of SIGNALS) process.once(signal, leaveEarly);
  if (process.env.NODE_ENV !== 'production' && existsSync('.env')) process.loadEnvFile('.env');
  for (const sentence of misspelled(process.env)) process.stderr.write(`${sentence}\n`);
  const config = loadConfig(process.env, process.argv.slice(2));
  if (config.task !== undefined) {
    // Standard output has nothing but the answer.
    const log = (...words: unknown[]) => process.stderr.write(`${words.at(-1)}\n`);
    for (const line of await runTask(config.task, config, { info: log, warn: log }))
      process.stdout.write(`${line}\n`);
    process.exit(0);
  }
  const app = await buildApp(config);
  await app.ready();
  const url = await app.listen({ port: config.PORT, host: config.HOST }).catch(async (error: unknown) => {
    await app.close();
    throw new Error(
      `Can't listen on ${bracketed(config.HOST)}:${config.PORT} (HOST, PORT): ${reason(error)}`,
    );
  });
  if (config.HOST === 'localhost') await app.sockets.listenBeside(config.HOST);
  const { port } = new URL(url);
  const host = config.HOST === '0.0.0.0' || config.HOST === '::' ? 'localhost' : bracketed(config.HOST);
  const bus =
    config.redisNodes.length > 0 ? `Redis ${config.redisNodes.map(redisPlace).join(', ')}` : 'no Redis';
  const data = config.embedded ? `, data in ${config.DATA_DIR}` : '';
  process.stdout.write(
    `chat-server is ready: open http://${host}:${port} (${app.db.engine}${data}; ${bus})\n`,
  );
  const first = await app.accounts.firstInvite();
  if (first !== undefined)
    process.stdout.write(
      `nobody has an account yet: the first one, an admin's, is made at http://${host}:${port}${first.path} (for a day, and once)\n`,
    );

  const leave = (end: () => void) => {
    setTimeout(() => {
      app.log.error('leaving took too long');
      process.exit(1);
    }, config.SHUTDOWN_SECONDS * 1000).unref();
    app.ws
      .leave(config.trustedProxies.length > 0 ? PROXY_LINGER_MS : LINGER_MS)
      .then(() => app.close())
      .then(end, refuse);
  };

  let asked = false;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (asked) process.exit(1);
      asked = true;
      app.log.info({ signal }, 'leaving');
      leave(() => process.exit(0));
    });
    // Not before: a signal that nobody listens for in between is lost.
    process.off(signal, leaveEarly);
  }
  // Whoever watches over this process starts it again.
  void app.db.dead.then((error) => {
    // An embedded database that died stays dead.
    if (!(error instanceof OtherHistoryError)) refuse(`The embedded database has stopped: ${error.message}`);
    if (!asked) leave(() => refuse(error));
  });
  process.on('unhandledRejection', (error) => app.log.error({ err: error }, 'a promise was forgotten'));
}

main().catch((error: unknown) => refuse(error instanceof ConfigError ? error.message : error));
