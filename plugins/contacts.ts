import fp from 'fastify-plugin';
import { mayKnow } from '../sql/contacts.js';
import { Cache } from './cache.js';
import { Relations } from './contacts/relations.js';
import { within } from './db/failure.js';
import { ChatError } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    contacts: Contacts;
  }
}

/** Users of whom it is remembered what they were told last, in each of two generations. */
const TOLD = 20_000;

interface Contacts {
  /** Told of a user to whom others may be hidden now, or not any more; set by presence. */
  onChange: (user: number) => void;
  /**
   * Who has blocked a user, and is hidden from them.
   * @throws ChatError `overloaded` where the database can't answer now
   */
  blockersOf(user: number): Promise<ReadonlySet<number>>;
  /** The same where it is known at this moment. Where it isn't, it is asked for, and `onChange` is told. */
  knownBlockersOf(user: number): ReadonlySet<number> | undefined;
  /** With whom a user can say nothing, whichever of the two has blocked the other. @throws ChatError `overloaded` */
  closedTo(user: number): Promise<ReadonlySet<number>>;
  /**
   * Lets pass what is asked of somebody whom one may know: everybody, or, where people find their contacts alone, whom one knows.
   * @param name the whole name that is said of them
   * @throws ChatError `user_not_found`
   */
  require(user: number, other: number, name: string | undefined): Promise<void>;
}

/** Who knows whom and who is kept out, as far as replicas keep it, and the word to clients that it is another now. */
export default fp(
  async (app) => {
    const { config, db, hub, log } = app;
    const relations = new Relations(db.delivery);
    const told = new Cache<number, number>({ entries: TOLD });
    /** Of whom `onChange` is to be told: once, however many want to know. */
    const missing = new Set<number>();
    const find = async (user: number) => {
      missing.add(user);
      try {
        await relations.of(user);
      } catch (error) {
        return log.debug({ err: error }, 'who is hidden is not known');
      } finally {
        missing.delete(user);
      }
      contacts.onChange(user);
    };
    const contacts: Contacts = {
      onChange() {},
      blockersOf: async (user) => (await relations.of(user)).blockers,
      knownBlockersOf(user) {
        const known = relations.kept(user);
        if (known === undefined && !missing.has(user)) void find(user);
        return known?.blockers;
      },
      closedTo: async (user) => (await relations.of(user)).closed,
      async require(user, other, name) {
        if (config.DIRECTORY === 'everyone') return;
        if (!(await within(db.requests, (sql) => mayKnow(sql, user, other, name))))
          throw new ChatError('user_not_found');
      },
    };
    app.decorate('contacts', contacts);
    hub.hiding = contacts;
    app.sessions.listener = {
      forget: (user) => relations.forget(user),
      forgetAll: () => relations.forgetAll(),
      async settle(user) {
        const { version } = await relations.of(user);
        if (told.get(user) !== version) {
          told.set(user, version);
          for (const connection of hub.connectionsOf(user)) connection.sendContacts(version);
        }
        contacts.onChange(user);
      },
    };
  },
  { name: 'contacts', dependencies: ['config', 'db', 'errors', 'hub', 'sessions'] },
);
