import fp from 'fastify-plugin';
import { openDebts } from '../sql/messages.js';
import { drawConnections, type Opening } from '../sql/users.js';
import { within } from './db/failure.js';
import { gathered } from './gathered.js';

declare module 'fastify' {
  interface FastifyInstance {
    openings: Openings;
  }
}

/** Milliseconds that what the last opening found is believed. */
const BELIEVED_MS = 2000;
/** No user has it. */
const NOBODY = 0;

interface Openings {
  /**
   * Numbers a connection for a user.
   * @returns undefined if there is no such user
   * @throws ChatError `overloaded`
   */
  draw(user: number): Promise<Opening | undefined>;
  /**
   * Whether something waits for a user that was stored since the connection was numbered.
   * @throws ChatError `overloaded`
   */
  owes(user: number): Promise<boolean | undefined>;
  /** Whether connections can be opened now: tried where none has been lately. */
  isReady(): Promise<boolean>;
}

/** What the database is asked at the opening of a connection: once for all that open at a moment. */
export default fp(
  async (app) => {
    let provenAt = Number.NEGATIVE_INFINITY;
    const proven = async <T>(answer: Promise<T>): Promise<T> => {
      try {
        const found = await answer;
        provenAt = performance.now();
        return found;
      } catch (error) {
        provenAt = Number.NEGATIVE_INFINITY;
        throw error;
      }
    };
    const draw = gathered((users) => proven(within(app.db.delivery, (sql) => drawConnections(sql, users))));
    const owes = gathered(async (users) => {
      const lines = users.map((user) => app.hub.connectionsOf(user)[0]?.line ?? 0);
      const debts = await proven(within(app.db.delivery, (sql) => openDebts(sql, users, lines, 1)));
      return new Map(debts.map((debt) => [debt.to, true]));
    });
    app.decorate('openings', {
      draw,
      owes,
      async isReady() {
        if (performance.now() - provenAt < BELIEVED_MS) return true;
        return draw(NOBODY).then(
          () => true,
          () => false,
        );
      },
    });
  },
  { name: 'openings', dependencies: ['db', 'hub'] },
);
