import fp from 'fastify-plugin';
import { type Beginning, type Begun, beginPlain } from '../sql/cursors.js';
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
   * Begins a plain connection.
   * @returns undefined if its user has a newer plain connection
   * @throws ChatError `overloaded`
   */
  begin(beginning: Beginning): Promise<Begun | undefined>;
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
    const draw = gathered((users: number[]) =>
      proven(within(app.db.delivery, (sql) => drawConnections(sql, users))),
    );
    const begin = gathered(async (beginnings: Beginning[]) => {
      const newest = new Map<number, Beginning>();
      for (const one of beginnings)
        if (one.number > (newest.get(one.user)?.number ?? 0)) newest.set(one.user, one);
      const begun = await proven(within(app.db.delivery, (sql) => beginPlain(sql, [...newest.values()])));
      return new Map(
        [...newest].flatMap(([user, one]) => {
          const how = begun.get(user);
          return how === undefined ? [] : [[one, how] as const];
        }),
      );
    });
    app.decorate('openings', {
      draw,
      begin,
      async isReady() {
        if (performance.now() - provenAt < BELIEVED_MS) return true;
        return draw(NOBODY).then(
          () => true,
          () => false,
        );
      },
    });
  },
  { name: 'openings', dependencies: ['db'] },
);
