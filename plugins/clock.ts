import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    clock: Clock;
  }
}

/** Milliseconds between two steps, and the most that one step counts. */
export const STEP_MS = 100;
const MOST_MS = 2 * STEP_MS;

/**
 * Time as far as this process ran in it. After a pause (a suspended machine, a long collection) what came meanwhile still lies
 * unread in the sockets: whoever judges a silence by this clock judges it after the mail is read.
 */
export class Clock {
  /** Milliseconds; of use only beside another reading of the same clock. */
  now = 0;
  private readAt = performance.now();
  private readonly timer = setInterval(() => this.step(), STEP_MS).unref();

  private step() {
    const at = performance.now();
    this.now += Math.min(at - this.readAt, MOST_MS);
    this.readAt = at;
  }

  close(): void {
    clearInterval(this.timer);
  }
}

/** Decorates the instance with its clock. */
export default fp(
  async (app) => {
    const clock = new Clock();
    app.decorate('clock', clock);
    app.addHook('onClose', async () => clock.close());
  },
  { name: 'clock' },
);
