import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { presentTo } from '../plugins/message.js';
import { MessageParams, Pins, Saved, SavedParams, SavedQuery } from '../schemas/change.js';
import { ConversationParams } from '../schemas/conversation.js';
import { answers, ok } from '../schemas/envelope.js';
import { CHANGES } from '../schemas/limits.js';
import { Message } from '../schemas/message.js';
import { listPins, listSaved, save, unsave } from '../sql/kept.js';

/** What is pinned in a conversation, for all in it, and what one has saved for oneself. */
const kept: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.auth.required);
  app.addHook('onRequest', app.limits.asked);
  const { requests } = app.db;
  const nothing = answers(Type.Object({}));

  for (const [method, kind] of [
    ['PUT', 'pin'],
    ['DELETE', 'unpin'],
  ] as const)
    app.route({
      method,
      url: '/api/conversations/:id/pins/:seq',
      schema: { params: MessageParams, response: answers(Message) },
      handler: async ({ params: { id, seq }, claims: { user_id: actor } }) => {
        app.limits.send(actor, '');
        return ok(presentTo(actor, await app.changes.make({ kind, actor, conversation: id, seq })));
      },
    });

  app.get(
    '/api/conversations/:id/pins',
    { schema: { params: ConversationParams, response: answers(Pins) } },
    async ({ params: { id }, claims: { user_id: user } }) => {
      await app.conversations.others(user, id);
      const pins = await within(requests, (sql) => listPins(sql, user, id, CHANGES.pins));
      return ok({
        pins: pins.map(({ message, by, at }) => ({
          message: presentTo(user, message),
          user_id: by,
          at: at.toISOString(),
        })),
      });
    },
  );

  app.put(
    '/api/saved/:conversation_id/:seq',
    { schema: { params: SavedParams, response: nothing } },
    async ({ params: { conversation_id: conversation, seq }, claims }) => {
      const why = await within(requests, (sql) =>
        save(sql, claims.user_id, { conversation, seq }, CHANGES.saved),
      );
      if (why !== undefined) throw new ChatError(why);
      return ok({});
    },
  );

  app.delete(
    '/api/saved/:conversation_id/:seq',
    { schema: { params: SavedParams, response: nothing } },
    async ({ params: { conversation_id: conversation, seq }, claims }) => {
      await within(requests, (sql) => unsave(sql, claims.user_id, { conversation, seq }));
      return ok({});
    },
  );

  app.get(
    '/api/saved',
    { schema: { querystring: SavedQuery, response: answers(Saved) } },
    async ({ query: { cursor, limit = 50 }, claims: { user_id: user } }) => {
      const rows = await within(requests, (sql) => listSaved(sql, user, cursor, limit + 1));
      const page = rows.slice(0, limit);
      return ok({
        saved: page.map(({ message, at }) => ({ message: presentTo(user, message), at: at.toISOString() })),
        next_cursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
      });
    },
  );
};
export default kept;
