import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import fp from 'fastify-plugin';
import { type Bus, MemoryBroker, MemoryBus, namespaceOf } from './bus/bus.js';
import { redisPlace } from './bus/redis-place.js';

declare module 'fastify' {
  interface FastifyInstance {
    bus: Bus;
  }
}

/** Opens the bus: Redis at `REDIS_ADDR`, which is waited for, or the one inside this process. */
export default fp<{ beside?: FastifyInstance | undefined }>(
  async (app, { beside }) => {
    const { config, log } = app;
    // Readable in Redis, on one line, and different at every boot.
    const replica = `${config.INSTANCE_ID.replace(/\s/g, ' ')}.${randomBytes(6).toString('base64url')}`;
    let bus: Bus;
    if (config.redisNodes.length === 0)
      bus = new MemoryBus(replica, beside?.bus instanceof MemoryBus ? beside.bus.broker : new MemoryBroker());
    else {
      // The client takes a good part of a second to load, which an embedded start need not wait for.
      const { RedisBus } = await import('./bus/redis-bus.js');
      const redis = new RedisBus(replica, {
        nodes: config.redisNodes,
        namespace: namespaceOf(app.db.database),
        leaseMs: config.LEASE_SECONDS * 1000,
        log,
        clock: app.clock,
      });
      await reachable();
      const limit = AbortSignal.timeout(Math.max(config.STARTUP_WAIT_SECONDS, 1) * 1000);
      const gaveUp = new Promise<never>((_, reject) =>
        limit.addEventListener('abort', () =>
          reject(
            new Error(
              `Redis at ${config.redisNodes.map(redisPlace).join(', ')} (REDIS_ADDR) answers, but can't be worked with (waited for ${config.STARTUP_WAIT_SECONDS} s).`,
            ),
          ),
        ),
      );
      try {
        await Promise.race([redis.connect(), gaveUp]);
      } catch (error) {
        await redis.close();
        throw error;
      }
      bus = redis;
    }
    app.decorate('bus', bus);
    app.addHook('onClose', () => bus.close());

    /** Waits until one of the servers can be worked with. @throws Error with a sentence */
    async function reachable(): Promise<void> {
      const { examineRedis } = await import('./bus/redis-start.js');
      const end = Date.now() + config.STARTUP_WAIT_SECONDS * 1000;
      for (let pause = 250; ; pause = Math.min(pause * 2, 5000)) {
        const nodes = config.redisNodes;
        const troubles = await Promise.all(nodes.map((node) => examineRedis(node, nodes.length > 1)));
        if (troubles.includes(undefined)) return;
        const worst = troubles.find((trouble) => trouble?.lasting) ?? troubles[0];
        const sentence = worst?.sentence ?? '';
        if (worst?.lasting) throw new Error(sentence);
        if (Date.now() + pause > end)
          throw new Error(`${sentence} (Waited for ${config.STARTUP_WAIT_SECONDS} s.)`);
        log.warn(`${sentence} Next try in ${pause} ms.`);
        await sleep(pause);
      }
    }
  },
  { name: 'redis', dependencies: ['config', 'clock', 'db'] },
);
