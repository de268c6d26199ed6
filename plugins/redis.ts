import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { type Bus, MemoryBroker, MemoryBus, namespaceOf } from './bus.js';

declare module 'fastify' {
  interface FastifyInstance {
    bus: Bus;
  }
}

/** Opens the bus: Redis at `REDIS_ADDR`, which is waited for, or the one inside this process. */
export default fp<{ beside?: FastifyInstance | undefined }>(
  async (app, { beside }) => {
    const { config, log } = app;
    // Readable in Redis, and different at every boot.
    const replica = `${config.INSTANCE_ID}.${randomBytes(6).toString('base64url')}`;
    let bus: Bus;
    if (config.redisNodes.length === 0)
      bus = new MemoryBus(replica, beside?.bus instanceof MemoryBus ? beside.bus.broker : new MemoryBroker());
    else {
      // The client takes a good part of a second to load, which an embedded start need not wait for.
      const { RedisBus } = await import('./redis-bus.js');
      const redis = new RedisBus(replica, {
        nodes: config.redisNodes,
        namespace: namespaceOf(app.db.epoch),
        leaseMs: config.LEASE_SECONDS * 1000,
        log,
        clock: app.clock,
      });
      const notice = setInterval(() => log.warn(`still waiting for Redis (REDIS_ADDR)`), 5000);
      const limit = AbortSignal.timeout(Math.max(config.STARTUP_WAIT_SECONDS, 1) * 1000);
      const gaveUp = new Promise<never>((_, reject) =>
        limit.addEventListener('abort', () =>
          reject(
            new Error(
              `Redis at ${config.redisNodes.join(', ')} can't be reached (waited for ${config.STARTUP_WAIT_SECONDS} s). Check the setting REDIS_ADDR.`,
            ),
          ),
        ),
      );
      try {
        await Promise.race([redis.connect(), gaveUp]);
      } catch (error) {
        await redis.close();
        throw error;
      } finally {
        clearInterval(notice);
      }
      bus = redis;
    }
    app.decorate('bus', bus);
    app.addHook('onClose', () => bus.close());
  },
  { name: 'redis', dependencies: ['config', 'clock', 'db'] },
);
