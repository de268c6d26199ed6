import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { openDesk } from './admin/socket.js';
import { versions } from './admin/versions.js';
import { runVerb } from './admin/words.js';
import { within } from './db/failure.js';

/**
 * Does what `npm run admin` asks where the database is embedded, which only this process can open: over a socket in the data folder.
 */
export default fp<{ beside?: FastifyInstance | undefined }>(
  async (app, { beside }) => {
    const { accounts, bus, config, db, log, messages } = app;
    // Beside another instance of this process it is that one's.
    if (!config.embedded || beside !== undefined) return;
    const desk = {
      accounts,
      ask: <T>(question: Parameters<typeof within<T>>[1]) => within(db.requests, question),
      async state() {
        const works = await messages.isReady();
        const database = works ? 'works' : 'stores nothing now';
        return {
          works: works && bus.ok,
          lines: [...versions(), `database: ${db.engine} ${database}`, 'bus: none is needed'],
        };
      },
    };
    let close: (() => Promise<void>) | undefined;
    app.addHook('onReady', async () => {
      try {
        close = await openDesk(config.DATA_DIR, (words) => runVerb(words, desk));
      } catch (error) {
        log.warn({ err: error }, `npm run admin can't be used: ${config.DATA_DIR} takes no socket`);
      }
    });
    app.addHook('onClose', () => close?.());
  },
  { name: 'admin', dependencies: ['accounts', 'config', 'db', 'messages', 'redis'] },
);
