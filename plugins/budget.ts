import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    budget: Budget;
  }
}

interface Budget {
  /** Bytes that wait: for clients to read them, for the log, for the bus, to be handled; and those that are remembered. */
  readonly bytes: number;
  /** Connections closed since the start because too much waited. */
  readonly closed: number;
}

/** Milliseconds between two looks. */
const LOOK_MS = 250;

/** Keeps all that waits within `MEMORY_BUDGET`: past it, whoever reads least is closed, then the next. */
export default fp(
  async (app) => {
    const { hub, messages, changes, sockets } = app;
    const atMost = app.config.MEMORY_BUDGET * 1_048_576;
    const budget = {
      closed: 0,
      get bytes() {
        return messages.bytes + changes.bytes + hub.bytes + sockets.unsent().bytes;
      },
    };
    const keep = () => {
      while (budget.bytes > atMost) {
        const request = sockets.unsent().most;
        const connection = hub.slowest();
        if (request !== undefined && request.bytes >= (connection?.bytes ?? 0)) request.cut();
        else if (connection !== undefined) connection.cut();
        else return;
        budget.closed++;
      }
    };
    const timer = setInterval(keep, LOOK_MS).unref();
    app.addHook('onClose', async () => clearInterval(timer));
    app.decorate('budget', budget);
  },
  { name: 'budget', dependencies: ['changes', 'config', 'hub', 'messages', 'sockets'] },
);
