import type { FastifyBaseLogger } from 'fastify';
import { CLOSE } from '../../schemas/close.js';
import type { Bus, Claim, Owner } from '../bus/bus.js';
import { type Kick, type Kicked, pack } from '../bus/parcel.js';
import type { Settings } from '../config.js';
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
  claim: Claim;
  saidAt: number;
  /** From then on the other replica's own lease has told it. */
  until: number;
}

/**
 * Which replicas have which user, for as long as their leases are renewed, and which has the newest connection that is alone of its
 * kind. Times are in milliseconds of `performance.now()`.
 */
export class Ownership {
  private lastLook = performance.now();
  /** When each user who is here was last claimed. */
  private readonly claimedAt = new Map<number, number>();
  /** Users who are here and, as far as is known, on another replica, too. */
  private readonly elsewhere = new Set<number>();
  /** By user and replica. */
  private readonly kicks = new Map<string, Pending>();

  constructor(
    private readonly config: Settings,
    private readonly log: FastifyBaseLogger,
    private readonly bus: Bus,
    private readonly registry: Registry,
    private readonly counts: { late: number },
  ) {}

  /** Whether a user who is here may be on another replica, too. */
  isElsewhere(user: number): boolean {
    return this.elsewhere.has(user);
  }

  /**
   * Claims a user, and ends what the user's newest connection excludes. Where the bus is away that waits until it is back.
   * @param isNew whether other replicas may not know of a connection yet
   */
  async claim(user: number, isNew = true): Promise<void> {
    const claim = { user, alone: this.newestAlone(user) };
    try {
      const before = await this.bus.claim(claim);
      if (this.registry.of(user).length > 0) this.claimedAt.set(user, performance.now());
      // The user left meanwhile, and that may have been faster.
      else await this.bus.release([user]);
      this.resume(user);
      const others = before.filter(({ replica }) => replica !== this.bus.replica);
      this.close(user, others);
      await this.tell(claim, others, isNew);
    } catch (error) {
      this.resume(user);
      if (this.registry.of(user).length > 0)
        this.claimedAt.set(user, performance.now() - this.config.LEASE_SECONDS * 500 + CLAIM_AGAIN_MS);
      this.log.debug({ err: error, user }, 'a user could not be claimed');
    }
  }

  private resume(user: number) {
    for (const connection of this.registry.of(user)) connection.resumed();
  }

  /** The number of a user's newest connection here that is alone of its kind. */
  private newestAlone(user: number): number | undefined {
    const numbers = this.registry.of(user).flatMap(({ alone, number }) => (alone ? [number] : []));
    return numbers.length > 0 ? Math.max(...numbers) : undefined;
  }

  /** Closes the connection of a user that is alone of its kind, where a newer one is elsewhere. */
  private close(user: number, others: readonly { alone?: number | undefined }[]) {
    const newest = Math.max(0, ...others.map(({ alone }) => alone ?? 0));
    for (const connection of this.registry.of(user))
      if (connection.alone && connection.number < newest) connection.close(CLOSE.replaced);
  }

  /** Tells other replicas that have the user of a claim, where that is news or closes something there. */
  private async tell(claim: Claim, others: readonly Owner[], isNew: boolean) {
    const { user, alone = 0 } = claim;
    if (others.length > 0 && this.registry.has(user)) this.elsewhere.add(user);
    else this.elsewhere.delete(user);
    for (const { replica, alone: other = alone } of others)
      if (isNew || other < alone) await this.kick(replica, claim);
  }

  /** Gives users up. */
  async release(users: readonly number[]): Promise<void> {
    for (const user of users) {
      this.claimedAt.delete(user);
      this.elsewhere.delete(user);
    }
    // Where that fails, the lease ends by itself.
    if (users.length > 0) await this.bus.release(users).catch(() => {});
  }

  /** Tells another replica of a claim, and says it again until it answers: a publish may be lost. */
  private async kick(replica: string, claim: Claim) {
    const now = performance.now();
    const until = now + this.config.LEASE_SECONDS * 1000;
    this.kicks.set(`${claim.user}:${replica}`, { replica, claim, saidAt: now, until });
    await this.say(replica, [claim]);
  }

  private async say(replica: string, claims: readonly Claim[]) {
    const kicks = claims.map((claim) => ({ ...claim, replica: this.bus.replica }));
    await this.bus.publish(replica, pack({ kicks }));
  }

  /** Closes what is older than another replica's claims, and answers it. */
  onKicks(kicks: readonly Kick[]): void {
    const [first] = kicks;
    if (first === undefined) return;
    for (const kick of kicks) {
      this.close(kick.user, [kick]);
      if (this.registry.has(kick.user)) this.elsewhere.add(kick.user);
    }
    // All of a parcel are of the replica that sent it.
    const kicked = kicks.map(({ user, alone }) => ({ user, alone, replica: this.bus.replica }));
    void this.bus.publish(first.replica, pack({ kicked })).catch(() => {});
  }

  /** Another replica has done what it was told. */
  onKicked(kicked: readonly Kicked[]): void {
    for (const { user, alone, replica } of kicked) {
      const key = `${user}:${replica}`;
      if (this.kicks.get(key)?.claim.alone === alone) this.kicks.delete(key);
    }
  }

  /** Says again what wasn't answered, some at a time: a replica that died had many, and answers none. */
  private kickAgain(now: number) {
    const due = new Map<string, Claim[]>();
    let left = KICKS;
    for (const [key, kick] of this.kicks) {
      if (now > kick.until) this.kicks.delete(key);
      if (now > kick.until || now - kick.saidAt < KICK_AGAIN_MS) continue;
      if (left-- === 0) break;
      kick.saidAt = now;
      const list = due.get(kick.replica) ?? [];
      list.push(kick.claim);
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
    for (const user of this.registry.everybody()) {
      const claimedAt = this.claimedAt.get(user);
      if (claimedAt !== undefined && now - claimedAt <= this.config.LEASE_SECONDS * 500) continue;
      if (!this.isOpen(user)) continue;
      if (left-- === 0) break;
      this.claimedAt.set(user, now);
      void this.claim(user, claimedAt === undefined);
    }
  }

  /** Whether a user's connections are past their own claims. */
  private isOpen(user: number): boolean {
    return this.registry.of(user).some((connection) => connection.isOpen);
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
    for (const user of this.registry.everybody()) {
      for (const connection of this.registry.of(user)) connection.suspend();
      void this.claim(user);
    }
  }
}
