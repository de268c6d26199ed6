import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance } from 'fastify';
import auth from './plugins/auth.js';
import clock from './plugins/clock.js';
import config, { type Settings } from './plugins/config.js';
import conversations from './plugins/conversations.js';
import db from './plugins/db.js';
import docs from './plugins/docs.js';
import errors, { ChatError, rawAnswer, sendError, toChatError } from './plugins/errors.js';
import hub from './plugins/hub.js';
import json from './plugins/json.js';
import messages from './plugins/messages.js';
import openings from './plugins/openings.js';
import presence from './plugins/presence.js';
import redis from './plugins/redis.js';
import ui from './plugins/ui.js';
import { validatorCompiler } from './plugins/validator.js';
import ws, { isOurs } from './plugins/ws.js';
import conversationRoutes from './routes/conversations.js';
import healthRoutes from './routes/health.js';
import loginRoutes from './routes/login.js';
import messageRoutes from './routes/messages.js';
import metricsRoutes from './routes/metrics.js';
import registerRoutes from './routes/register.js';
import userRoutes from './routes/users.js';
import wsRoutes from './routes/ws/index.js';

/** Bytes of an HTTP body, milliseconds for a request to arrive and for an idle connection to be kept (longer than a proxy keeps it). */
const BODY_BYTES = 65_536;
const REQUEST_MS = 30_000;
const KEEP_ALIVE_MS = 75_000;

// Node past 24 no longer hands over a socket that can be read again from the start; it reads ignored upgrades itself if it is told
// which are wanted. Its types don't know that yet.
const httpOptions = {
  requireHostHeader: false,
  connectionsCheckingInterval: 1000,
  ...(Number.parseInt(process.versions.node, 10) > 24 && { shouldUpgradeCallback: isOurs }),
};

/**
 * Builds an instance of the service, ready to listen. The only place that does: server, tests and benches alike.
 * @param settings from `loadConfig`
 * @param overrides beside: another instance of this process, to share what can't be opened twice (the embedded database) or
 *   reached from outside (the in-process bus)
 * @throws Error with a sentence for people if the database or Redis can't be used
 */
export async function buildApp(
  settings: Settings,
  overrides: { beside?: FastifyInstance } = {},
): Promise<FastifyInstance> {
  const app = Fastify({
    logger: {
      level: settings.LOG_LEVEL,
      base: { instance: settings.INSTANCE_ID },
      // The query may hold a token.
      serializers: {
        req: (request) => ({
          method: request.method,
          url: request.url.split('?', 1)[0] ?? '',
          remote: request.ip,
        }),
      },
    },
    // A request without Host is refused by us, in the envelope; one that takes too long is looked for often.
    http: httpOptions,
    // What waits at start has a limit of its own (STARTUP_WAIT_SECONDS); Fastify's would cut it short at ten seconds.
    pluginTimeout: 0,
    bodyLimit: BODY_BYTES,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    trustProxy: settings.trustedProxies.length > 0 ? settings.trustedProxies : false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => {
      void sendError(error, request, reply);
    },
    clientErrorHandler: (error, socket) => {
      if (socket.writable && error.code !== 'ECONNRESET')
        socket.end(rawAnswer(toChatError(new RequestError(error.code))));
      else socket.destroy();
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  // A client that says all and then ends its side (`nc -N`) is answered; Node would drop the answer, and has this switch
  // without a document.
  Object.assign(app.server, { httpAllowHalfOpen: true });
  // A client that expects what we don't know is served all the same.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  app.server.on('connect', (_request, socket) => {
    socket.end(rawAnswer(new ChatError('bad_request', 'bad request: this server is no proxy')));
  });

  await app.register(config, { config: settings });
  await app.register(errors);
  await app.register(json);
  await app.register(docs);
  await app.register(clock);
  await app.register(db, overrides);
  await app.register(redis, overrides);
  await app.register(auth);
  await app.register(messages);
  await app.register(hub);
  await app.register(openings);
  await app.register(presence);
  await app.register(conversations);
  await app.register(ws);

  await app.register(registerRoutes);
  await app.register(loginRoutes);
  await app.register(userRoutes);
  await app.register(conversationRoutes);
  await app.register(messageRoutes);
  await app.register(healthRoutes);
  await app.register(metricsRoutes);
  await app.register(wsRoutes);
  await app.register(ui);
  return app;
}

/** What Node's parser refused, before there was a request: the client's fault always. */
class RequestError extends Error {
  readonly statusCode = 400;
  constructor(readonly code: string) {
    super('malformed HTTP');
  }
}
