import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { deadline } from '../plugins/db.js';
import { ChatError } from '../plugins/errors.js';
import { answers, ok } from '../schemas/envelope.js';

const State = Type.Object({
  database: Type.String({ maxLength: 40 }),
  bus: Type.String({ maxLength: 40 }),
});

/** `/healthz`: the process lives. `/readyz`: it can serve; without its bus it can, late across instances: degraded. */
const health: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/healthz', { logLevel: 'warn', schema: { response: answers(Type.Object({})) } }, async () =>
    ok({}),
  );

  app.get('/readyz', { logLevel: 'warn', schema: { response: answers(State) } }, async () => {
    if (!app.ws.open) throw new ChatError('overloaded', 'leaving');
    if (!app.messages.works) throw new ChatError('overloaded', 'the database is away');
    try {
      await deadline(app.db.sql`select 1`, 2000);
    } catch {
      throw new ChatError('overloaded', 'the database does not answer');
    }
    return ok({ database: 'ok', bus: app.bus.ok ? 'ok' : 'degraded' });
  });
};
export default health;
