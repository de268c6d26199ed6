import fp from 'fastify-plugin';
import { MessageLog } from './log/log.js';

declare module 'fastify' {
  interface FastifyInstance {
    messages: MessageLog;
  }
}

/** Decorates the instance with the log. */
export default fp(
  async (app) => {
    const messages = new MessageLog(app.db, app.log, app.config.DIRECTORY === 'contacts');
    app.decorate('messages', messages);
    app.addHook('onClose', () => messages.close());
  },
  { name: 'messages', dependencies: ['config', 'db'] },
);
