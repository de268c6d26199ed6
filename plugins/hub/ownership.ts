import type { FastifyBaseLogger } from 'fastify';
import { CLOSE } from '../../schemas/close.js';
import type { Bus } from '../bus/bus.js';
import { type Kick, pack } from '../bus/parcel.js';
import type { Settings } from '../config.js';
import type { Connection } from '../connection/connection.js';
import type { Registry } from './registry.js';

/** Renewals in one turn, and milliseconds until one that failed is tried again. */
const RENEWALS = 1000;
const CLAIM_AGAIN_MS = 1000;
/** Kicks said again in one turn, and milliseconds until one that wasn't answered is. */
const KICKS = 1000;
const KICK_AGAIN_MS = 1000;

/** A kick on its way to another replica. */
interface Pending {
  replica: string;
  number: number;
  saidAt: number;
  /** From then on the other replica's own lease has told it. */
  until: number;
}

/**
 * Who has which user among all replicas: the connection with the highest number, for as long as its lease is renewed. Times are in
 * milliseconds of `performance.now()`.
 */
export class Ownership {
  private lastLook = performance.now();
  /** When each connection was last claimed. */
  private readonly claimedAt = new Map<Connection, number>();
  /** By user. */
  private readonly kicks = new Map<number, Pending>();

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
      this.note(connection, performance.now());
      connection.resumed();
      // It ended meanwhile, and its release may have been faster.
      if (this.registry.of(user) !== connection) await this.bus.release([connection]);
      if (before === undefined || before.number === number) return;
      if (before.number > number) return connection.close(CLOSE.replaced);
      if (before.replica !== this.bus.replica) await this.kick(before.replica, user, number);
    } catch (error) {
      connection.resumed();
      this.note(connection, performance.now() - this.config.LEASE_SECONDS * 500 + CLAIM_AGAIN_MS);
      this.log.debug({ err: error, user }, 'a user could not be claimed');
    }
  }

  private note(connection: Connection, at: number) {
    if (this.registry.all.has(connection)) this.claimedAt.set(connection, at);
  }

  /** Gives users up. */
  async release(connections: readonly Connection[]): Promise<void> {
    // Where that fails, the lease ends by itself.
    if (connections.length > 0) await this.bus.release(connections).catch(() => {});
  }

  /** Forgets a connection that is gone. */
  forget(connection: Connection): void {
    this.claimedAt.delete(connection);
  }

  /** Has another replica close its older connection of a user, and says it again until it answers: a publish may be lost. */
  private async kick(replica: string, user: number, number: number) {
    const now = performance.now();
    this.kicks.set(user, { replica, number, saidAt: now, until: now + this.config.LEASE_SECONDS * 1000 });
    await this.say(replica, [{ user, number }]);
  }

  private async say(replica: string, newer: readonly { user: number; number: number }[]) {
    const kicks = newer.map((each) => ({ ...each, replica: this.bus.replica }));
    await this.bus.publish(replica, pack({ kicks }));
  }

  /** Closes what is older than what another replica says, and answers it. */
  onKicks(kicks: readonly Kick[]): void {
    const [first] = kicks;
    if (first === undefined) return;
    for (const { user, number } of kicks) {
      const connection = this.registry.of(user);
      if (connection !== undefined && connection.number < number) connection.close(CLOSE.replaced);
    }
    // All of a parcel are of the replica that sent it.
    const kicked = kicks.map(({ user, number }) => ({ user, number }));
    void this.bus.publish(first.replica, pack({ kicked })).catch(() => {});
  }

  /** Another replica has done what it was told. */
  onKicked(kicked: readonly { user: number; number: number }[]): void {
    for (const { user, number } of kicked)
      if (this.kicks.get(user)?.number === number) this.kicks.delete(user);
  }

  /** Says again what wasn't answered, some at a time: a replica that died had many, and answers none. */
  private kickAgain(now: number) {
    const due = new Map<string, { user: number; number: number }[]>();
    let left = KICKS;
    for (const [user, kick] of this.kicks) {
      if (now > kick.until) this.kicks.delete(user);
      if (now > kick.until || now - kick.saidAt < KICK_AGAIN_MS) continue;
      if (left-- === 0) break;
      kick.saidAt = now;
      const list = due.get(kick.replica) ?? [];
      list.push({ user, number: kick.number });
      due.set(kick.replica, list);
    }
    for (const [replica, list] of due) this.say(replica, list).catch(() => {});
  }

  /** Renews leases before they end, some at a time. */
  renew(): void {
    if (!this.bus.ok) return;
    const now = performance.now();
    this.kickAgain(now);
    let left = RENEWALS;
    for (const connection of this.registry.values()) {
      const claimedAt = this.claimedAt.get(connection) ?? Number.NEGATIVE_INFINITY;
      if (!connection.isOpen || now - claimedAt <= this.config.LEASE_SECONDS * 500) continue;
      if (left-- === 0) return;
      this.claimedAt.set(connection, now);
      void this.claim(connection);
    }
  }

  /** The bus was away: somebody else may have the users. They are claimed again, one turn after the other. */
  renewAll(): void {
    this.claimedAt.clear();
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
      connection.suspend();
      void this.claim(connection);
    }
  }
}
