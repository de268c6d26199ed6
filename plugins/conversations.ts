import fp from 'fastify-plugin';
import { LIMITS } from '../schemas/limits.js';
import { conversationOf, countUnread, markRead, othersIn } from '../sql/conversations.js';
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
   * The others in a conversation, as far as they are told live how far a user is: nobody in one of many.
   * @throws ChatError `conversation_not_found` if there is none, or the asking user isn't in it
   */
  others(user: number, conversation: number): Promise<readonly number[]>;
  /**
   * Moves how far a user has read, forward only, and tells the others, and the user's devices.
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
    // The members of one of two never change, so what was found stays true.
    const pairs = new Cache<string, readonly number[]>({ entries: 20_000 });
    const conversations: Conversations = {
      async others(user, conversation) {
        const key = `${user}:${conversation}`;
        const known = pairs.get(key);
        if (known !== undefined) return known;
        const found = await within(app.db.requests, (sql) => conversationOf(sql, user, conversation));
        if (found === undefined) throw new ChatError('conversation_not_found');
        const { other } = found;
        if (other === null) {
          const others = await within(app.db.requests, (sql) =>
            othersIn(sql, user, [conversation], LIMITS.toldMembers),
          );
          return others.map((member) => member.user);
        }
        const others = other === user ? [] : [other];
        pairs.set(key, others);
        return others;
      },
      async read(user, conversation, seq, by) {
        const others = await conversations.others(user, conversation);
        const now = await within(app.db.requests, (sql) => markRead(sql, user, conversation, seq));
        if (now === undefined) throw new ChatError('conversation_not_found');
        if (now.moved) {
          for (const to of others) app.hub.informOf({ to, user, conversation });
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
