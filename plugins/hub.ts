import fp from 'fastify-plugin';
import { Hub } from './hub/hub.js';

declare module 'fastify' {
  interface FastifyInstance {
    hub: Hub;
  }
}

/** Decorates the instance with the hub. */
export default fp(
  async (app) => {
    const hub = new Hub(app.config, app.log, app.db, app.bus, app.messages, app.clock);
    app.decorate('hub', hub);
    app.addHook('onReady', () => hub.start());
    app.addHook('onClose', () => hub.close());
  },
  { name: 'hub', dependencies: ['config', 'clock', 'db', 'redis', 'messages'] },
);
