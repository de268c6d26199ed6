import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { presentTo } from '../plugins/message.js';
import { UNREAD_AT_MOST } from '../plugins/settings.js';
import {
  ConversationParams,
  ConversationQuery,
  Conversations,
  ReadBody,
  ReadState,
} from '../schemas/conversation.js';
import { answers, ok } from '../schemas/envelope.js';
import { History, HistoryQuery } from '../schemas/message.js';
import { listConversations } from '../sql/conversation-list.js';
import { readHistory } from '../sql/messages.js';

/** A user's conversations, their history, and how far it is read. */
const conversations: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.auth.required);
  app.addHook('onRequest', app.limits.asked);

  app.get(
    '/api/conversations',
    { schema: { querystring: ConversationQuery, response: answers(Conversations) } },
    async ({ query, claims }) => {
      const { cursor, limit = 50 } = query;
      const [hidden, pinned] = [query.hidden === 'true', query.pinned === 'true'];
      const which = { cursor, limit, hidden, pinned, unreadAtMost: UNREAD_AT_MOST };
      const page = await within(app.db.requests, (sql) => listConversations(sql, claims.user_id, which));
      return ok({ conversations: page.conversations, next_cursor: page.next });
    },
  );

  app.get(
    '/api/conversations/:id/messages',
    { schema: { params: ConversationParams, querystring: HistoryQuery, response: answers(History) } },
    async ({ params, query, claims }) => {
      if (query.before !== undefined && query.after !== undefined)
        throw new ChatError('bad_request', 'one of before and after, not both');
      await app.conversations.others(claims.user_id, params.id);
      const { before, after, limit = 50 } = query;
      const found = await within(app.db.requests, (sql) =>
        readHistory(sql, claims.user_id, params.id, { before, after, limit: limit + 1 }),
      );
      const more = found.length > limit;
      const page = more ? (after === undefined ? found.slice(1) : found.slice(0, limit)) : found;
      return ok({
        messages: page.map((message) => presentTo(claims.user_id, message)),
        has_more: more,
      });
    },
  );

  app.post(
    '/api/conversations/:id/read',
    { schema: { params: ConversationParams, body: ReadBody, response: answers(ReadState) } },
    async ({ params, body, claims }) => {
      const read = await app.conversations.read(claims.user_id, params.id, body.seq);
      const { unread, mentions } = await app.settings.state(claims.user_id, params.id);
      return ok({ read_seq: read, unread, mentions });
    },
  );
};
export default conversations;
