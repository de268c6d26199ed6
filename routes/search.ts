import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ChatError } from '../plugins/errors.js';
import { answers, ok } from '../schemas/envelope.js';
import { Found, SearchQuery } from '../schemas/search.js';

/** @throws ChatError `bad_request` for a time that there isn't */
function checkTime(name: string, time: string | undefined): void {
  if (time !== undefined && Number.isNaN(Date.parse(time)))
    throw new ChatError('bad_request', `${name} must be a time that there is`);
}

/** `GET /api/search`: people, conversations and messages. */
const search: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/api/search',
    {
      onRequest: [app.auth.required, app.limits.asked],
      schema: { querystring: SearchQuery, response: answers(Found) },
    },
    async ({ query, claims }) => {
      const { query: said, conversation_id, from, before, after, cursor, limit = 20 } = query;
      if (said.includes('\0')) throw new ChatError('query_too_short');
      checkTime('before', before);
      checkTime('after', after);
      return ok(
        await app.searching.find({
          user: claims.user_id,
          query: said,
          conversation: conversation_id,
          from,
          before,
          after,
          cursor,
          limit,
        }),
      );
    },
  );
};
export default search;
