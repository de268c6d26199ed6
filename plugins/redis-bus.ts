import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { createClient, createCluster } from 'redis';
import type { Bus, Owner } from './bus.js';

/** Milliseconds that anything waits for Redis. */
const DEADLINE_MS = 1000;
/** Milliseconds between two beats to oneself; after three missed ones the bus doesn't count as working. */
const BEAT_MS = 500;
/** Milliseconds without any answer after which a connection is given up. */
const SILENCE_MS = 5000;

/** Sets the owner unless a higher number stands, and returns what stood before. A value that isn't ours is overruled. */
const CLAIM = `local before = redis.call('GET', KEYS[1])
if before then
  local number = tonumber(string.match(before, '^(%d+):'))
  if number and number > tonumber(ARGV[1]) then return before end
end
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. ARGV[2], 'PX', ARGV[3])
return before`;
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

/** The few things that we ask of a client, so that a lone server and a cluster look the same. */
interface Link {
  send(key: string, args: string[]): Promise<unknown>;
  /** What stands at each key. */
  get(keys: string[]): Promise<unknown[]>;
  subscribe(channel: string, listener: (text: string) => void): Promise<void>;
  connect(): Promise<unknown>;
  destroy(): void;
}

const socketOptions = {
  connectTimeout: SILENCE_MS,
  socketTimeout: SILENCE_MS,
  // A strategy that gives up would end the client for good.
  reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 1000) * (0.5 + Math.random() / 2),
};

// Our own deadline is one timer for many commands; the client's would be an AbortSignal for each. A cluster's client keeps
// its own: by it, it finds out that a node is gone.
const commandOptions = { timeout: 0 };

function openLink(
  nodes: readonly string[],
  onError: (error: Error) => void,
  onReady: () => void = () => {},
): Link {
  const urls = nodes.map((node) => (node.includes('://') ? node : `redis://${node}`));
  if (urls.length > 1) {
    const cluster = createCluster({
      rootNodes: urls.map((url) => ({ url })),
      defaults: { socket: socketOptions, disableOfflineQueue: true },
    });
    cluster.on('error', onError);
    cluster.on('node-ready', onReady);
    return {
      send: (key, args) => cluster.sendCommand(key, false, args),
      // One command with many keys would cross slots.
      get: (keys) => Promise.all(keys.map((key) => cluster.sendCommand(key, false, ['GET', key]))),
      subscribe: (channel, listener) => cluster.sSubscribe(channel, listener),
      connect: () => cluster.connect(),
      destroy: () => cluster.destroy(),
    };
  }
  const client = createClient({
    url: urls[0] ?? '',
    socket: socketOptions,
    disableOfflineQueue: true,
    commandOptions,
  });
  client.on('error', onError);
  client.on('ready', onReady);
  return {
    send: (_key, args) => client.sendCommand(args),
    get: (keys) => client.sendCommand(['MGET', ...keys]),
    subscribe: (channel, listener) => client.sSubscribe(channel, listener),
    connect: () => client.connect(),
    destroy: () => client.destroy(),
  };
}

function deadline<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Redis didn't answer within ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function toOwner(value: unknown): Owner | undefined {
  if (typeof value !== 'string') return undefined;
  const colon = value.indexOf(':');
  const number = Number(value.slice(0, colon));
  return colon > 0 && Number.isSafeInteger(number) ? { number, replica: value.slice(colon + 1) } : undefined;
}

const ownerKey = (user: number) => `online:${user}`;

/** The bus on Redis: ownership in keys with a life, messages by sharded Pub/Sub, one channel for each replica. */
export class RedisBus implements Bus {
  ok = false;
  private readonly commands: Link;
  private subscriber: Link;
  private listener: { message(text: string): void; up(): void } | undefined;
  private beatTimer: NodeJS.Timeout | undefined;
  private lastBeat = 0;
  private subscribing = false;
  private subscribedAt = 0;
  private closed = false;
  private claimSha: string | undefined;
  private complained = 0;

  /**
   * @param replica name of this replica on the bus
   * @param options nodes: addresses or URLs; namespace: keeps services apart that share a Redis; leaseMs: life of an owner
   */
  constructor(
    readonly replica: string,
    private readonly options: {
      nodes: readonly string[];
      namespace: string;
      leaseMs: number;
      log: FastifyBaseLogger;
    },
  ) {
    this.commands = openLink(options.nodes, this.onError, this.onReady);
    this.subscriber = openLink(options.nodes, this.onError);
  }

  private readonly onError = (error: Error) => {
    if (Date.now() - this.complained < 5000) return;
    this.complained = Date.now();
    this.options.log.warn({ err: error }, 'Redis (REDIS_ADDR) is in trouble');
  };

  /** A connection was lost and is back: it may be to a server that has forgotten everything. */
  private readonly onReady = () => {
    if (this.ok) this.listener?.up();
  };

  private channel(replica: string) {
    return `${this.options.namespace}:${replica}`;
  }

  async connect(): Promise<void> {
    await Promise.all([this.commands.connect(), this.subscriber.connect()]);
  }

  /** Sends a command, unless the bus is known to be away: then it isn't waited for. */
  private send(key: string, args: string[]): Promise<unknown> {
    if (!this.ok) return Promise.reject(new Error('Redis is away'));
    return this.commands.send(key, args);
  }

  async owners(users: readonly number[]): Promise<(Owner | undefined)[]> {
    if (!this.ok) throw new Error('Redis is away');
    // Redis takes a question without keys for an error.
    if (users.length === 0) return [];
    return (await deadline(this.commands.get(users.map(ownerKey)))).map(toOwner);
  }

  async claim(user: number, number: number): Promise<Owner | undefined> {
    const args = ['1', ownerKey(user), String(number), this.replica, String(this.options.leaseMs)];
    const run = async () => {
      if (this.claimSha !== undefined) {
        try {
          return await this.send(ownerKey(user), ['EVALSHA', this.claimSha, ...args]);
        } catch (error) {
          if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
        }
      }
      return this.send(ownerKey(user), ['EVAL', CLAIM, ...args]);
    };
    return toOwner(await deadline(run()));
  }

  async release(connections: readonly { user: number; number: number }[]): Promise<void> {
    await deadline(
      Promise.all(
        connections.map(({ user, number }) =>
          this.send(ownerKey(user), ['EVAL', RELEASE, '1', ownerKey(user), `${number}:${this.replica}`]),
        ),
      ),
    );
  }

  async publish(replica: string, text: string): Promise<boolean> {
    const channel = this.channel(replica);
    return Number(await deadline(this.send(channel, ['SPUBLISH', channel, text]))) > 0;
  }

  async broadcast(text: string): Promise<void> {
    await this.publish('all', text);
  }

  async listen(listener: { message(text: string): void; up(): void }): Promise<void> {
    this.listener = listener;
    this.beatTimer = setInterval(() => this.beat(), BEAT_MS);
    try {
      await this.subscribe();
      await this.probe();
    } catch (error) {
      // It has gone again: the beats go on trying.
      if (error instanceof Error) this.onError(error);
    }
    for (let i = 0; !this.ok && i < DEADLINE_MS / 10; i++) await sleep(10);
  }

  private readonly onMessage = (text: string) => {
    if (text !== BEAT) return this.listener?.message(text);
    this.lastBeat = performance.now();
    if (this.ok) return;
    this.ok = true;
    this.options.log.info('Redis works');
    void this.loadScript();
    this.listener?.up();
  };

  private async loadScript() {
    // In a cluster each node has scripts of its own; there the script travels with every claim.
    if (this.options.nodes.length > 1) return;
    try {
      this.claimSha = String(await deadline(this.send('', ['SCRIPT', 'LOAD', CLAIM])));
    } catch (error) {
      this.options.log.debug({ err: error }, 'script not loaded');
    }
  }

  private async subscribe() {
    await deadline(this.subscriber.subscribe(this.channel(this.replica), this.onMessage));
    await deadline(this.subscriber.subscribe(this.channel('all'), this.onMessage));
  }

  private async probe() {
    const channel = this.channel(this.replica);
    await deadline(this.commands.send(channel, ['SPUBLISH', channel, BEAT]));
  }

  /** Sends oneself a beat. Three missed ones: not working, and a subscription that may be silently gone is made anew. */
  private beat() {
    const silent = performance.now() - this.lastBeat;
    if (silent > 3 * BEAT_MS && this.ok) {
      this.ok = false;
      this.options.log.warn(
        'Redis (REDIS_ADDR) is away: messages between instances are late until it is back',
      );
    }
    this.probe().catch(this.onError);
    // A fresh subscription has its time too: it would be cut before the first beat reaches it.
    const fresh = performance.now() - this.subscribedAt;
    if (Math.min(silent, fresh) > 6 * BEAT_MS && !this.subscribing) void this.resubscribe();
  }

  private async resubscribe() {
    this.subscribing = true;
    try {
      this.subscriber.destroy();
    } catch {
      // it was closed already
    }
    this.subscriber = openLink(this.options.nodes, this.onError);
    const fresh = this.subscriber;
    try {
      await Promise.race([
        fresh.connect(),
        sleep(SILENCE_MS, undefined, { ref: false }).then(() => Promise.reject(new Error('no connection'))),
      ]);
      await this.subscribe();
      await this.probe();
    } catch (error) {
      if (error instanceof Error && !this.closed) this.onError(error);
    }
    this.subscribing = false;
    this.subscribedAt = performance.now();
    if (this.closed) fresh.destroy();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.beatTimer);
    for (const link of [this.commands, this.subscriber]) {
      try {
        link.destroy();
      } catch {
        // it was closed already
      }
    }
  }
}

const BEAT = 'beat';
