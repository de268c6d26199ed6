import type { FastifyBaseLogger } from 'fastify';
import { CLOSE } from '../schemas/close.js';
import type { Bus } from './bus.js';
import type { Settings } from './config.js';
import type { Connection } from './connection.js';
import type { Registry } from './registry.js';
import { pack } from './wire.js';

/** Renewals in one turn, and milliseconds until one that failed is tried again. */
const RENEWALS = 1000;
const CLAIM_AGAIN_MS = 1000;

/** Who has which user among all replicas: the connection with the highest number, for as long as its lease is renewed. */
export class Ownership {
  private lastLook = performance.now();

  constructor(
    private readonly config: Settings,
    private readonly log: FastifyBaseLogger,
    private readonly bus: Bus,
    private readonly registry: Registry,
    private readonly counts: { late: number },
  ) {}

  /** Makes a connection its user's only one. Where the bus is away that waits until it is back. */
  async claim(connection: Connection): Promise<void> {
    const { user, number } = connection;
    try {
      const before = await this.bus.claim(user, number);
      connection.claimedAt = performance.now();
      connection.suspended = false;
      // It ended meanwhile, and its release may have been faster.
      if (this.registry.of(user) !== connection) await this.bus.release([connection]);
      if (before === undefined || before.number === number) return;
      if (before.number > number) return connection.close(CLOSE.replaced);
      if (before.replica !== this.bus.replica)
        await this.bus.publish(before.replica, pack({ kicks: [{ user, number }] }));
    } catch (error) {
      connection.suspended = false;
      connection.claimedAt = performance.now() - this.config.LEASE_SECONDS * 500 + CLAIM_AGAIN_MS;
      this.log.debug({ err: error, user }, 'a user could not be claimed');
    }
  }

  /** Gives users up. */
  async release(connections: Connection[]): Promise<void> {
    // Where that fails, the lease ends by itself.
    if (connections.length > 0) await this.bus.release(connections).catch(() => {});
  }

  /** Renews leases before they end, some at a time. */
  renew(): void {
    if (!this.bus.ok) return;
    const now = performance.now();
    let left = RENEWALS;
    for (const connection of this.registry.values()) {
      if (connection.state !== 'ready' || now - connection.claimedAt <= this.config.LEASE_SECONDS * 500)
        continue;
      if (left-- === 0) return;
      connection.claimedAt = now;
      void this.claim(connection);
    }
  }

  /** The bus was away: somebody else may have the users. They are claimed again, one turn after the other. */
  renewAll(): void {
    for (const connection of this.registry.values()) connection.claimedAt = Number.NEGATIVE_INFINITY;
  }

  /** After a pause as long as a lease somebody else may have the users: ask before writing to anybody. */
  checkLate(): void {
    const now = performance.now();
    const late = now - this.lastLook;
    this.lastLook = now;
    if (late < this.config.LEASE_SECONDS * 1000) return;
    this.counts.late++;
    this.log.warn({ seconds: Math.round(late / 1000) }, 'the process stood still for longer than its lease');
    for (const connection of this.registry.values()) {
      connection.suspended = true;
      connection.fallBehind();
      void this.claim(connection).then(() => connection.pump());
    }
  }
}
