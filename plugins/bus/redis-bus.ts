// biome-ignore-all lint/style/noExcessiveLinesPerFile: one contract over a client library whose connections, scripts and errors go through the same few calls.
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { createClient, createCluster } from 'redis';
import type { Clock } from '../clock.js';
import type { Bus, Claim, Owner } from './bus.js';
import { CLAIM, RELEASE, type Script, toOwners } from './redis-claims.js';

/** Milliseconds that anything waits for Redis. */
const DEADLINE_MS = 1000;
/** Milliseconds between two beats to oneself; after three missed ones the bus doesn't count as working. */
const BEAT_MS = 500;
/** Milliseconds without a sign that it works after which a connection is made anew, and that a new one may take. */
const SILENCE_MS = 3000;
const CONNECT_MS = 5000;

/** Users whose claims one command carries: it keeps everybody else waiting for a millisecond. */
const TOGETHER = 100;

/** The few things that we ask of a client, so that a lone server and a cluster look the same. */
interface Link {
  send(key: string, args: string[]): Promise<unknown>;
  /** How many keys one command may name: of a cluster's each may be elsewhere. */
  readonly together: number;
  /** What stands at each key. */
  get(keys: string[]): Promise<unknown[]>;
  subscribe(channel: string, listener: (text: string) => void): Promise<void>;
  connect(): Promise<unknown>;
  destroy(): void;
}

/** Made anew for each client, which writes its address into them. */
const socketOptions = () => ({
  connectTimeout: CONNECT_MS,
  // A strategy that gives up would end the client for good.
  reconnectStrategy: (retries: number) => Math.min(50 * 2 ** retries, 1000) * (0.5 + Math.random() / 2),
});

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
      // It has many connections, and finds out by itself which one is silent.
      defaults: { socket: { ...socketOptions(), socketTimeout: CONNECT_MS }, disableOfflineQueue: true },
    });
    cluster.on('error', onError);
    cluster.on('node-ready', onReady);
    return {
      send: (key, args) => cluster.sendCommand(key, false, args),
      together: 1,
      get: (keys) => Promise.all(keys.map((key) => cluster.sendCommand(key, false, ['GET', key]))),
      subscribe: (channel, listener) => cluster.sSubscribe(channel, listener),
      connect: () => cluster.connect(),
      destroy: () => cluster.destroy(),
    };
  }
  const client = createClient({
    url: urls[0] ?? '',
    socket: socketOptions(),
    disableOfflineQueue: true,
    commandOptions,
  });
  client.on('error', onError);
  client.on('ready', onReady);
  return {
    send: (_key, args) => client.sendCommand(args),
    together: TOGETHER,
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

/** A claim that waits for its answer. */
interface Claiming {
  claim: Claim;
  resolve(owners: Owner[]): void;
  reject(error: unknown): void;
}

const inParts = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));

/** A beat, on the channel of who sends it. */
const BEAT = 'beat';

/** What doesn't live any more is closed without a word. */
function destroy(link: Link): void {
  try {
    link.destroy();
  } catch {
    // it was closed already
  }
}

/**
 * The bus on Redis: ownership in keys with a life, messages by sharded Pub/Sub, one channel for each replica. It works if what is
 * published to oneself comes back and what is written stands, both within the last few beats.
 */
export class RedisBus implements Bus {
  ok = false;
  private commands: Link;
  private subscriber: Link;
  private readonly namespace: string;
  private listener: { message(text: string): void; up(): void } | undefined;
  private beatTimer: NodeJS.Timeout | undefined;
  /** By the clock: when the last beat came back, when the last claim was written, and when each link was made. */
  private heardAt = Number.NEGATIVE_INFINITY;
  private writtenAt = Number.NEGATIVE_INFINITY;
  private subscribedAt = 0;
  private connectedAt = 0;
  private subscribing = false;
  private connecting = false;
  private closed = false;
  private complained = 0;
  /** What this turn of the event loop claims. */
  private readonly claims: Claiming[] = [];

  /**
   * @param replica name of this replica on the bus
   * @param options nodes: addresses or URLs; namespace: keeps installations apart that share a Redis; leaseMs: life of an owner
   */
  constructor(
    readonly replica: string,
    private readonly options: {
      nodes: readonly string[];
      namespace: string;
      leaseMs: number;
      log: FastifyBaseLogger;
      clock: Clock;
    },
  ) {
    this.namespace = options.namespace;
    this.commands = openLink(options.nodes, this.onBroken, this.onReady);
    this.subscriber = openLink(options.nodes, this.onBroken);
  }

  /** A connection broke: the bus is away until the next beat says otherwise. A cluster goes on with its other nodes. */
  private readonly onBroken = (error: Error) => {
    if (this.options.nodes.length === 1) this.heardAt = Number.NEGATIVE_INFINITY;
    this.judge();
    this.onError(error);
  };

  private readonly onError = (error: Error) => {
    if (this.closed || Date.now() - this.complained < 5000) return;
    this.complained = Date.now();
    this.options.log.warn({ err: error }, 'Redis (REDIS_ADDR) is in trouble');
  };

  /** A connection was lost and is back: it may be to a server that has forgotten everything. */
  private readonly onReady = () => {
    if (this.ok) this.listener?.up();
  };

  private channel(replica: string) {
    return `${this.namespace}:${replica}`;
  }

  private ownerKey(user: number | 'beat') {
    return `${this.namespace}:online:${user === 'beat' ? `beat.${this.replica}` : user}`;
  }

  async connect(): Promise<void> {
    await Promise.all([this.commands.connect(), this.subscriber.connect()]);
  }

  /** Sends a command, unless the bus is known to be away: then it isn't waited for. */
  private send(key: string, args: string[]): Promise<unknown> {
    if (!this.ok) return Promise.reject(new Error('Redis is away'));
    return this.commands.send(key, args);
  }

  async owners(users: readonly number[]): Promise<Owner[][]> {
    if (!this.ok) throw new Error('Redis is away');
    // Redis takes a question without keys for an error.
    if (users.length === 0) return [];
    const values = await deadline(this.commands.get(users.map((user) => this.ownerKey(user))));
    return values.map((value) => (typeof value === 'string' ? toOwners(value.split('\n')) : []));
  }

  claim(claim: Claim): Promise<Owner[]> {
    if (!this.ok) return Promise.reject(new Error('Redis is away'));
    return new Promise((resolve, reject) => {
      // What one turn of the event loop claims goes together: a command costs both ends more than what it says.
      if (this.claims.length === 0) setImmediate(() => this.claimAll());
      this.claims.push({ claim, resolve, reject });
    });
  }

  private claimAll() {
    for (const some of inParts(this.claims.splice(0), this.commands.together)) void this.claimSome(some);
  }

  private async claimSome(some: readonly Claiming[]) {
    try {
      const keys = some.map(({ claim }) => this.ownerKey(claim.user));
      const answers = await deadline(
        this.take(
          keys,
          some.map(({ claim }) => claim.alone ?? 0),
        ),
      );
      for (const [i, { resolve }] of some.entries())
        resolve(toOwners(Array.isArray(answers) ? answers[i] : []));
    } catch (error) {
      for (const { reject } of some) reject(error);
    }
  }

  private take(keys: readonly string[], alone: readonly number[]): Promise<unknown> {
    return this.run(CLAIM, keys, [this.replica, String(this.options.leaseMs), ...alone.map(String)]);
  }

  private async run(
    { text, sha }: Script,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<unknown> {
    const [key = ''] = keys;
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.commands.send(key, ['EVALSHA', sha, ...rest]);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    }
    return this.commands.send(key, ['EVAL', text, ...rest]);
  }

  async release(users: readonly number[]): Promise<void> {
    if (!this.ok) throw new Error('Redis is away');
    const keys = users.map((user) => this.ownerKey(user));
    const parts = inParts(keys, this.commands.together);
    await deadline(Promise.all(parts.map((part) => this.run(RELEASE, part, [this.replica]))));
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
    this.heardAt = this.options.clock.now;
    this.judge();
  };

  /** Whether both ways work, as far as is known now. */
  private judge() {
    const works = this.options.clock.now - Math.min(this.heardAt, this.writtenAt) <= 3 * BEAT_MS;
    if (works === this.ok) return;
    this.ok = works;
    if (works) {
      this.options.log.info('Redis works');
      this.listener?.up();
    } else
      this.options.log.warn(
        'Redis (REDIS_ADDR) is away or refuses what is asked: messages between instances are late until it works',
      );
  }

  private async subscribe() {
    await deadline(this.subscriber.subscribe(this.channel(this.replica), this.onMessage));
    await deadline(this.subscriber.subscribe(this.channel('all'), this.onMessage));
  }

  /** Does what delivery leans on, for oneself: claims, looks an owner up, publishes. */
  private async probe() {
    const channel = this.channel(this.replica);
    const key = this.ownerKey('beat');
    const publish = this.commands.send(channel, ['SPUBLISH', channel, BEAT]);
    await deadline(Promise.all([this.take([key], [0]), this.commands.get([key]), publish]));
    this.writtenAt = this.options.clock.now;
    this.judge();
  }

  /** Sends oneself a beat, and makes anew what has been silent for too long: it may be gone, or lead to the wrong server. */
  private beat() {
    this.judge();
    this.probe().catch(this.onError);
    const { now } = this.options.clock;
    const silent = (since: number, made: number) => now - Math.max(since, made) > SILENCE_MS;
    if (silent(this.heardAt, this.subscribedAt) && !this.subscribing) void this.resubscribe();
    // A cluster's client follows its nodes by itself.
    if (silent(this.writtenAt, this.connectedAt) && !this.connecting && this.options.nodes.length === 1)
      void this.reconnect();
  }

  private async resubscribe() {
    this.subscribing = true;
    destroy(this.subscriber);
    const fresh = openLink(this.options.nodes, this.onBroken);
    this.subscriber = fresh;
    try {
      await inTime(fresh.connect());
      await this.subscribe();
      await this.probe();
    } catch (error) {
      if (error instanceof Error) this.onError(error);
    }
    this.subscribing = false;
    this.subscribedAt = this.options.clock.now;
    if (this.closed) destroy(fresh);
  }

  private async reconnect() {
    this.connecting = true;
    destroy(this.commands);
    const fresh = openLink(this.options.nodes, this.onBroken, this.onReady);
    this.commands = fresh;
    try {
      await inTime(fresh.connect());
      await this.probe();
    } catch (error) {
      if (error instanceof Error) this.onError(error);
    }
    this.connecting = false;
    this.connectedAt = this.options.clock.now;
    if (this.closed) destroy(fresh);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.beatTimer);
    destroy(this.commands);
    destroy(this.subscriber);
  }
}

/** A client that can't connect goes on trying; we begin anew. */
const inTime = (connecting: Promise<unknown>) =>
  Promise.race([
    connecting,
    sleep(CONNECT_MS, undefined, { ref: false }).then(() => Promise.reject(new Error('no connection'))),
  ]);
