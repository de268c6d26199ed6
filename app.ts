import cookie from '@fastify/cookie';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance } from 'fastify';
import accounts from './plugins/accounts.js';
import admin from './plugins/admin.js';
import auth from './plugins/auth.js';
import budget from './plugins/budget.js';
import changes from './plugins/changes.js';
import clock from './plugins/clock.js';
import config, { type Settings } from './plugins/config.js';
import contacts from './plugins/contacts.js';
import conversations from './plugins/conversations.js';
import db from './plugins/db.js';
import docs from './plugins/docs.js';
import errors, { sendError } from './plugins/errors.js';
import factor from './plugins/factor.js';
import groups from './plugins/groups.js';
import hub from './plugins/hub.js';
import json from './plugins/json.js';
import limits from './plugins/limits.js';
import messages from './plugins/messages.js';
import openings from './plugins/openings.js';
import presence from './plugins/presence.js';
import redis from './plugins/redis.js';
import search from './plugins/search.js';
import { serializerCompiler } from './plugins/serializer.js';
import sessions from './plugins/sessions.js';
import ownSettings from './plugins/settings.js';
import sockets, { Sockets } from './plugins/sockets.js';
import tokens from './plugins/tokens.js';
import ui from './plugins/ui.js';
import { validatorCompiler } from './plugins/validator.js';
import ws from './plugins/ws.js';
import adminRoutes from './routes/admin.js';
import changeRoutes from './routes/changes.js';
import contactRoutes from './routes/contacts.js';
import conversationRoutes from './routes/conversations.js';
import exportRoutes from './routes/export.js';
import factorRoutes from './routes/factor.js';
import groupRoutes from './routes/groups.js';
import healthRoutes from './routes/health.js';
import keptRoutes from './routes/kept.js';
import loginRoutes from './routes/login.js';
import messageRoutes from './routes/messages.js';
import metricsRoutes from './routes/metrics.js';
import registerRoutes from './routes/register.js';
import searchRoutes from './routes/search.js';
import sessionRoutes from './routes/sessions.js';
import settingsRoutes from './routes/settings.js';
import userRoutes from './routes/users.js';
import wsRoutes from './routes/ws/index.js';
import { HTTP } from './schemas/limits.js';

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
  const connections = new Sockets(settings);
  const app = Fastify({
    serverFactory: (handler) => connections.serve(handler),
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
    // What waits at start has a limit of its own (STARTUP_WAIT_SECONDS); Fastify's would cut it short at ten seconds.
    pluginTimeout: 0,
    bodyLimit: HTTP.bodyBytes,
    trustProxy: settings.trustedProxies.length > 0 ? settings.trustedProxies : false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => {
      void sendError(error, request, reply);
    },
    clientErrorHandler: (error, socket) => connections.broken(error, socket),
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);

  await app.register(config, { config: settings });
  await app.register(sockets, { sockets: connections });
  await app.register(errors);
  await app.register(json);
  await app.register(cookie);
  await app.register(docs);
  await app.register(clock);
  await app.register(db, overrides);
  await app.register(redis, overrides);
  await app.register(tokens);
  await app.register(messages);
  await app.register(hub);
  await app.register(changes);
  await app.register(budget);
  await app.register(openings);
  await app.register(sessions);
  await app.register(contacts);
  await app.register(presence);
  await app.register(limits);
  await app.register(auth);
  await app.register(accounts);
  await app.register(factor);
  await app.register(admin, overrides);
  await app.register(ownSettings);
  await app.register(conversations);
  await app.register(groups);
  await app.register(search);
  await app.register(ws);

  await app.register(registerRoutes);
  await app.register(loginRoutes);
  await app.register(sessionRoutes);
  await app.register(factorRoutes);
  await app.register(userRoutes);
  await app.register(adminRoutes);
  await app.register(contactRoutes);
  await app.register(conversationRoutes);
  await app.register(groupRoutes);
  await app.register(settingsRoutes);
  await app.register(messageRoutes);
  await app.register(changeRoutes);
  await app.register(keptRoutes);
  await app.register(exportRoutes);
  await app.register(searchRoutes);
  await app.register(healthRoutes);
  await app.register(metricsRoutes);
  await app.register(wsRoutes);
  await app.register(ui);
  return app;
}
