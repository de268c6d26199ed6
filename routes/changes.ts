import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { presentTo } from '../plugins/message.js';
import {
  Changes,
  ChangesQuery,
  EditBody,
  MessageParams,
  ReactionParams,
  Reactions,
  ReactionsQuery,
  RepliesQuery,
} from '../schemas/change.js';
import { ConversationParams } from '../schemas/conversation.js';
import { answers, ok } from '../schemas/envelope.js';
import { CHANGES } from '../schemas/limits.js';
import { History, Message } from '../schemas/message.js';
import { messagesAt, type NewChange, readChangesAfter } from '../sql/changes.js';
import { listReactions, readReplies } from '../sql/reactions.js';
import { asBeside, checkedContent, checkedEmoji, trimmed } from './ws/content.js';

/** What is done to messages: edits, deletions, reactions, pins; and what has changed. */
const changes: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.auth.required);
  app.addHook('onRequest', app.limits.asked);
  const { requests } = app.db;
  const one = answers(Message);

  /** Makes a change, and answers with the message as it is then. */
  const make = async (
    user: number,
    { id, seq }: { id: number; seq: number },
    what: Pick<NewChange, 'kind' | 'content' | 'beside' | 'emoji' | 'base'>,
  ) => {
    app.limits.send(user, what.content ?? '');
    const message = await app.changes.make({ ...what, actor: user, conversation: id, seq });
    return ok(presentTo(user, message));
  };

  app.get(
    '/api/conversations/:id/messages/:seq',
    { schema: { params: MessageParams, response: one } },
    async ({ params: { id, seq }, claims: { user_id: user } }) => {
      await app.conversations.others(user, id);
      const [message] = await within(requests, (sql) => messagesAt(sql, [{ user, conversation: id, seq }]));
      if (message === undefined) throw new ChatError('message_not_found');
      return ok(presentTo(user, message));
    },
  );

  app.patch(
    '/api/conversations/:id/messages/:seq',
    { schema: { params: MessageParams, body: EditBody, response: one } },
    async ({ params, body, claims }) => {
      const content = checkedContent(body.content, trimmed);
      return make(claims.user_id, params, { kind: 'edit', content, base: body.base, beside: asBeside(body) });
    },
  );

  app.delete(
    '/api/conversations/:id/messages/:seq',
    { schema: { params: MessageParams, response: one } },
    async ({ params, claims }) => make(claims.user_id, params, { kind: 'delete' }),
  );

  app.put(
    '/api/conversations/:id/messages/:seq/reactions/:emoji',
    { schema: { params: ReactionParams, response: one } },
    async ({ params, claims }) =>
      make(claims.user_id, params, { kind: 'react', emoji: checkedEmoji(params.emoji) }),
  );

  app.delete(
    '/api/conversations/:id/messages/:seq/reactions/:emoji',
    { schema: { params: ReactionParams, response: one } },
    async ({ params, claims }) =>
      make(claims.user_id, params, { kind: 'unreact', emoji: checkedEmoji(params.emoji) }),
  );

  app.get(
    '/api/conversations/:id/messages/:seq/reactions',
    { schema: { params: MessageParams, querystring: ReactionsQuery, response: answers(Reactions) } },
    async ({ params: { id, seq }, query: { emoji, cursor, limit = 50 }, claims: { user_id: user } }) => {
      await app.conversations.others(user, id);
      const rows = await within(requests, (sql) =>
        listReactions(sql, user, { conversation: id, seq }, { emoji, cursor, limit: limit + 1 }),
      );
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return ok({
        reactions: page.map(({ user: by, emoji: kind, at }) => ({
          user: by,
          emoji: kind,
          at: at.toISOString(),
        })),
        next_cursor: rows.length > limit && last !== undefined ? `${last.user.user_id}.${last.emoji}` : null,
      });
    },
  );

  app.get(
    '/api/conversations/:id/messages/:seq/replies',
    { schema: { params: MessageParams, querystring: RepliesQuery, response: answers(History) } },
    async ({ params: { id, seq }, query: { after = 0, limit = 50 }, claims: { user_id: user } }) => {
      await app.conversations.others(user, id);
      const rows = await within(requests, (sql) =>
        readReplies(sql, user, { conversation: id, seq }, after, limit + 1),
      );
      const messages = rows.slice(0, limit).map((message) => presentTo(user, message));
      return ok({ messages, has_more: rows.length > limit });
    },
  );

  app.get(
    '/api/conversations/:id/changes',
    { schema: { params: ConversationParams, querystring: ChangesQuery, response: answers(Changes) } },
    async ({ params: { id }, query: { after = 0, limit = 50 }, claims: { user_id: user } }) => {
      await app.conversations.others(user, id);
      const { messages, change, changedAt, more } = await within(requests, (sql) =>
        readChangesAfter(sql, user, { conversation: id, after }, limit, CHANGES.walk),
      );
      return ok({
        messages: messages.map((message) => presentTo(user, message)),
        change,
        ...(changedAt !== undefined && { changed_at: changedAt }),
        has_more: more,
      });
    },
  );
};
export default changes;
