import fp from 'fastify-plugin';
import { conversationOf, countUnread, markRead } from '../sql/conversations.js';
import { Cache } from './cache.js';
import type { Connection } from './connection/connection.js';
import { within } from './db/failure.js';
import { ChatError } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    conversations: Conversations;
  }
}

/** Where counting unread messages stops. */
export const UNREAD_AT_MOST = 1000;

interface Conversations {
  /**
   * The other user of a conversation.
   * @throws ChatError `conversation_not_found` if there is none, or the asking user isn't in it
   */
  other(user: number, conversation: number): Promise<number>;
  /**
   * Moves how far a user has read, forward only, and tells the other, and the user's devices.
   * @param by the connection that says so, which knows
   * @returns how far that is now
   * @throws ChatError `conversation_not_found`
   */
  read(user: number, conversation: number, seq: number, by?: Connection): Promise<number>;
  unread(user: number, conversation: number): Promise<number>;
}

/** What sockets and HTTP do with conversations alike. */
export default fp(
  async (app) => {
    // Members never change, so what was found stays true.
    const others = new Cache<string, number>({ entries: 20_000 });
    const conversations: Conversations = {
      async other(user, conversation) {
        const key = `${user}:${conversation}`;
        const known = others.get(key);
        if (known !== undefined) return known;
        const found = await within(app.db.requests, (sql) => conversationOf(sql, user, conversation));
        if (found === undefined) throw new ChatError('conversation_not_found');
        others.set(key, found.other);
        return found.other;
      },
      async read(user, conversation, seq, by) {
        const to = await conversations.other(user, conversation);
        const now = await within(app.db.requests, (sql) => markRead(sql, user, conversation, seq));
        if (now === undefined) throw new ChatError('conversation_not_found');
        if (now.moved) {
          if (to !== user) app.hub.informOf({ to, user, conversation });
          app.hub.tellRead(user, conversation, by);
        }
        return now.read;
      },
      unread: (user, conversation) =>
        within(app.db.requests, (sql) => countUnread(sql, user, conversation, UNREAD_AT_MOST)),
    };
    app.decorate('conversations', conversations);
  },
  { name: 'conversations', dependencies: ['db', 'hub'] },
);
