import fp from 'fastify-plugin';
import { CHANGES, GROUPS } from '../schemas/limits.js';
import type { ChangedMessage, NewChange } from '../sql/changes.js';
import { ChangeLog } from './changes/log.js';

declare module 'fastify' {
  interface FastifyInstance {
    changes: Changes;
  }
}

/** What people do to messages. */
interface Changes extends Pick<ChangeLog, 'append' | 'bytes' | 'counts'> {
  /**
   * Makes a change.
   * @returns the message as it is then, as who asks sees it
   * @throws ChatError: why it isn't made
   */
  make(change: NewChange): Promise<ChangedMessage>;
}

/** Decorates the instance with the log of changes, and has its hub tell of them. */
export default fp(
  async (app) => {
    const { db, log, config, hub } = app;
    const bounds = {
      editMinutes: config.EDIT_MINUTES,
      kinds: CHANGES.kinds,
      pins: CHANGES.pins,
      all: GROUPS.mentionAll,
    };
    const changes = new ChangeLog(db, log, bounds, (ring) => hub.feed.stored(ring));
    app.decorate('changes', {
      counts: changes.counts,
      get bytes() {
        return changes.bytes;
      },
      append: (change) => changes.append(change),
      make: (change) =>
        new Promise((resolve, reject) => changes.append({ ...change, done: resolve, failed: reject })),
    });
    app.addHook('onClose', () => changes.close());
  },
  { name: 'changes', dependencies: ['config', 'db', 'hub'] },
);
