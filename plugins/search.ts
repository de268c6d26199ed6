import fp from 'fastify-plugin';
import { SEARCH } from '../schemas/limits.js';
import type { Found, FoundMessage } from '../schemas/search.js';
import { nameKey } from '../schemas/user.js';
import { searchFound } from '../sql/contacts.js';
import { type Narrowed, titlesOf } from '../sql/search.js';
import { searchUsers } from '../sql/users.js';
import { within } from './db/failure.js';
import { excerptOf } from './search/excerpt.js';
import { Indexer } from './search/indexer.js';
import { Query } from './search/query.js';
import { type Hit, Search } from './search/searcher.js';

declare module 'fastify' {
  interface FastifyInstance {
    searching: Searching;
  }
}

/** What somebody asks for. */
interface Asked extends Narrowed {
  query: string;
  cursor?: number | undefined;
  limit: number;
}

interface Searching {
  readonly indexer: Pick<Indexer, 'indexed' | 'rest' | 'spentMs' | 'reach' | 'behind' | 'close'>;
  /**
   * People, conversations and messages that a user may see.
   * @throws ChatError `query_too_short`, `query_too_long`; `conversation_not_found`
   */
  find(asked: Asked): Promise<Found>;
}

const present = (hit: Hit, query: Query): FoundMessage => ({
  conversation_id: hit.conversation,
  seq: hit.seq,
  msg_id: hit.msg_id,
  from_user_id: hit.from_user_id,
  ...(hit.to_user_id !== null && { to_user_id: hit.to_user_id }),
  created_at: hit.created_at.toISOString(),
  exact: hit.exact,
  excerpt: excerptOf(hit.content, query),
});

/** Follows the log to index it, and searches. */
export default fp(
  async (app) => {
    const { db, config } = app;
    const indexer = new Indexer(db.requests, app.log);
    app.addHook('onReady', async () => indexer.start());
    app.addHook('onClose', () => indexer.close());

    async function named(user: number, said: string, query: Query) {
      const beginning = said.trim();
      const isName = nameKey(beginning) !== '';
      const [users, titles] = await Promise.all([
        isName
          ? within(db.requests, (sql) =>
              config.DIRECTORY === 'everyone'
                ? searchUsers(sql, beginning, SEARCH.people)
                : searchFound(sql, user, beginning, SEARCH.people),
            )
          : [],
        within(db.requests, (sql) => titlesOf(sql, user, SEARCH.titles)),
      ]);
      const conversations = titles.filter(({ title }) => query.matches(title) !== undefined);
      return { users, conversations: conversations.slice(0, SEARCH.conversations) };
    }

    app.decorate('searching', {
      indexer,
      async find({ query: said, cursor, limit, ...by }) {
        const query = Query.of(said);
        const { user, conversation, from, before, after } = by;
        if (conversation !== undefined) await app.conversations.others(user, conversation);
        const isOpen = [cursor, conversation, from, before, after].every((value) => value === undefined);
        const { users, conversations } = isOpen
          ? await named(user, said, query)
          : { users: [], conversations: [] };
        const { hits, next, back } = await new Search(db.requests, query, by, limit).run(cursor);
        const messages = hits.map((hit) => present(hit, query));
        return {
          users,
          conversations,
          messages: [...messages.filter(({ exact }) => exact), ...messages.filter(({ exact }) => !exact)],
          next_cursor: next ?? null,
          back_to: back === undefined ? null : new Date(back).toISOString(),
          indexed: indexer.reach,
        };
      },
    });
  },
  { name: 'search', dependencies: ['config', 'db', 'conversations'] },
);
