import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { presentTo } from '../plugins/message.js';
import { ExportQuery } from '../schemas/change.js';
import { ConversationParams } from '../schemas/conversation.js';
import { refusals } from '../schemas/envelope.js';
import { readHistory } from '../sql/messages.js';
import { namesOf } from '../sql/users.js';
import { exported, type Format, HTML, JSON_TEXT } from './exported.js';

/** Messages that are read at once. */
const PAGE = 200;
/** Milliseconds for what was written to be read. */
const READ_MS = 30_000;
/** Exports of one user at a time. */
const AT_ONCE = 2;

const File = Type.Unsafe<Readable>({ type: 'string', description: 'the file' });

/** A conversation as a file, for who sees it: as much of it is read as the client has taken. */
const exports: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.auth.required);
  app.addHook('onRequest', app.limits.asked);
  const running = new Map<number, number>();

  /** Messages of a conversation with the names of who wrote them, page by page, oldest first. */
  async function* pages(user: number, conversation: number) {
    const names = new Map<number, string>();
    for (let after = 0; ; ) {
      const from = after;
      const messages = await within(app.db.requests, (sql) =>
        readHistory(sql, user, conversation, { after: from, limit: PAGE }),
      );
      const unknown = [...new Set(messages.map((message) => message.from))].filter((id) => !names.has(id));
      if (unknown.length > 0)
        for (const [id, name] of await within(app.db.requests, (sql) => namesOf(sql, unknown)))
          names.set(id, name);
      if (messages.length > 0) yield { messages: messages.map((message) => presentTo(user, message)), names };
      const last = messages.at(-1);
      if (last === undefined || messages.length < PAGE) return;
      after = last.seq;
    }
  }

  app.get(
    '/api/conversations/:id/export',
    {
      schema: { params: ConversationParams, querystring: ExportQuery, response: { ...refusals, 200: File } },
    },
    async ({ params: { id }, query: { format = 'json' }, claims: { user_id: user }, headers }, reply) => {
      const conversation = await app.groups.find(user, id);
      const others = running.get(user) ?? 0;
      if (others >= AT_ONCE)
        throw new ChatError('too_many_requests', 'another export is under way', { retryAfterMs: 1000 });
      running.set(user, others + 1);
      const as: Format = format === 'html' ? HTML : JSON_TEXT;
      const words = headers['accept-language']?.startsWith('zh') === true ? 'zh' : 'en';
      const file = Readable.from(
        inTime(exported(as, words, conversation, pages(user, id)), () => file.destroy()),
      );
      file.once('close', () => {
        const left = (running.get(user) ?? 1) - 1;
        if (left > 0) running.set(user, left);
        else running.delete(user);
      });
      return reply
        .type(as.type)
        .headers({
          'content-disposition': `attachment; filename="conversation-${id}.${format}"`,
          'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        })
        .send(file);
    },
  );
};
export default exports;

/** Gives up on who doesn't go on reading. */
async function* inTime(texts: AsyncIterable<string>, giveUp: () => void) {
  for await (const text of texts) {
    const timer = setTimeout(giveUp, READ_MS);
    yield text;
    clearTimeout(timer);
  }
}
