import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { ChatError } from '../plugins/errors.js';
import { answers, ok } from '../schemas/envelope.js';

const State = Type.Object({
  database: Type.String({ maxLength: 40 }),
  bus: Type.String({ maxLength: 40 }),
});

/** Milliseconds that a balancer waits for an answer at least. */
const PATIENCE_MS = 2000;

/**
 * `/livez` and `/healthz`: the process lives. `/readyz`: it does what people need of it now: messages are stored and connections
 * open. Without its bus it can, late across instances: degraded.
 */
const health: FastifyPluginAsyncTypebox = async (app) => {
  for (const url of ['/livez', '/healthz'])
    app.get(url, { logLevel: 'warn', schema: { response: answers(Type.Object({})) } }, async () => ok({}));

  app.get('/readyz', { logLevel: 'warn', schema: { response: answers(State) } }, async () => {
    if (!app.ws.open) throw new ChatError('overloaded', 'leaving');
    const late = sleep(PATIENCE_MS, false, { ref: false });
    if (!(await Promise.race([app.messages.isReady(), late])))
      throw new ChatError('overloaded', 'the database stores nothing now');
    if (!(await Promise.race([app.openings.isReady(), late])))
      throw new ChatError('overloaded', 'no connection can be opened now');
    return ok({ database: 'ok', bus: app.bus.ok ? 'ok' : 'degraded' });
  });
};
export default health;
