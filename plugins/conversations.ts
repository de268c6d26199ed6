import fp from 'fastify-plugin';
import { GROUPS, LIMITS } from '../schemas/limits.js';
import { conversationOf, markRead, othersIn } from '../sql/conversations.js';
import { Cache } from './cache.js';
import type { Connection } from './connection/connection.js';
import { within } from './db/failure.js';
import { ChatError } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    conversations: Conversations;
  }
}

interface Conversations {
  /**
   * The others in a conversation, as far as they are told live how far a user is: nobody in one of many.
   * @throws ChatError `conversation_not_found` if there is none, or the asking user isn't in it
   */
  others(user: number, conversation: number): Promise<readonly number[]>;
  /**
   * Who hears that a user types in a conversation; nobody in one of very many.
   * @returns `shown`: only where they have it on their screen, if they say what they have
   * @throws ChatError `conversation_not_found`
   */
  hearTyping(user: number, conversation: number): Promise<{ others: readonly number[]; shown: boolean }>;
  /**
   * Moves how far a user has read, forward only, and tells the others, and the user's devices. A mark as unread is taken away.
   * @param by the connection that says so, which knows
   * @returns how far that is now
   * @throws ChatError `conversation_not_found`
   */
  read(user: number, conversation: number, seq: number, by?: Connection): Promise<number>;
}

/** What sockets and HTTP do with conversations alike. */
export default fp(
  async (app) => {
    // The members of one of two never change, so what was found stays true.
    const pairs = new Cache<string, readonly number[]>({ entries: 20_000 });
    /** The others in a conversation that isn't one of two, if they aren't too many. */
    const othersOf = async (user: number, conversation: number, atMost: number) => {
      const others = await within(app.db.requests, (sql) => othersIn(sql, user, [conversation], atMost));
      return others.map((member) => member.user);
    };
    const conversations: Conversations = {
      async others(user, conversation) {
        const key = `${user}:${conversation}`;
        const known = pairs.get(key);
        if (known !== undefined) return known;
        const found = await within(app.db.requests, (sql) => conversationOf(sql, user, conversation));
        if (found === undefined) throw new ChatError('conversation_not_found');
        const { other } = found;
        if (other === null) return othersOf(user, conversation, LIMITS.toldMembers);
        const others = other === user ? [] : [other];
        pairs.set(key, others);
        return others;
      },
      async hearTyping(user, conversation) {
        const few = await conversations.others(user, conversation);
        if (few.length > 0) return { others: few, shown: false };
        return { others: await othersOf(user, conversation, GROUPS.parked), shown: true };
      },
      async read(user, conversation, seq, by) {
        const others = await conversations.others(user, conversation);
        const now = await within(app.db.requests, (sql) => markRead(sql, user, conversation, seq));
        if (now === undefined) throw new ChatError('conversation_not_found');
        if (now.moved) {
          const paced = others.length > 1;
          for (const to of others) app.hub.informOf({ to, user, conversation, paced });
          app.hub.tellRead(user, conversation, by);
        }
        if (now.unmarked) app.settings.tell(user, conversation);
        return now.read;
      },
    };
    app.decorate('conversations', conversations);
  },
  { name: 'conversations', dependencies: ['db', 'hub', 'settings'] },
);
