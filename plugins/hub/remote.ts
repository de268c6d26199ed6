import type { FastifyBaseLogger } from 'fastify';
import { LIMITS } from '../../schemas/limits.js';
import type { Bus } from '../bus/bus.js';
import type { Crowded } from '../bus/crowded.js';
import { type Parcel, pack } from '../bus/parcel.js';
import type { Arrival } from '../log/types.js';
import { weightOf } from '../weight.js';

/** Bytes of content, about, in one parcel to another replica. */
const PARCEL_BYTES = 262_144;

interface Item {
  user: number;
  message: Arrival;
  /** Whether the user's connections here have it. */
  given: boolean;
}

/** What goes to the replicas that have the receivers. Any of it may be lost: the log has what is. */
export class Remote {
  /** Bytes that wait. */
  bytes = 0;
  private waiting: Item[] = [];
  private crowded: Crowded['messages'][number][] = [];
  private publishing = false;
  private closed = false;

  /** @param giveHere for whoever came here while their owner was looked up */
  constructor(
    private readonly log: FastifyBaseLogger,
    private readonly bus: Bus,
    private readonly counts: { published: number; unreceived: number },
    private readonly giveHere: (user: number, message: Arrival) => void,
  ) {}

  /** Takes a message for a user who may be elsewhere; `publish` sends it. @param given whether connections here have it */
  push(user: number, message: Arrival, given: boolean): void {
    if (this.bytes >= LIMITS.remoteBytes) return;
    this.waiting.push({ user, message, given });
    this.bytes += weightOf(message);
  }

  /** The same of a message to so many that all replicas get it. @param version of who is in its conversation */
  pushToAll(message: Arrival, version: number | undefined): void {
    if (this.bytes >= LIMITS.remoteBytes) return;
    this.crowded.push({ message, version });
    this.bytes += weightOf(message);
  }

  /** Sends what waits: one look-up for all, one publish for each replica. */
  publish(): void {
    if (this.isWaiting && !this.publishing) void this.publishAll();
  }

  private get isWaiting(): boolean {
    return this.waiting.length > 0 || this.crowded.length > 0;
  }

  private async publishAll() {
    this.publishing = true;
    while (this.isWaiting && !this.closed) {
      const { waiting, crowded } = this;
      this.waiting = [];
      this.crowded = [];
      this.bytes = 0;
      try {
        await this.publishToAll(crowded);
        if (waiting.length === 0) continue;
        const parcels = await this.byReplica(waiting, ({ user }) => user);
        for (const { user, message, given } of parcels.get(this.bus.replica) ?? [])
          if (!given) this.giveHere(user, message);
        parcels.delete(this.bus.replica);
        await Promise.all([...parcels].map(([replica, items]) => this.publishTo(replica, items)));
      } catch (error) {
        this.log.debug({ err: error, messages: waiting.length }, 'not published: repair will deliver');
      }
    }
    this.publishing = false;
  }

  /** The same to all. */
  private async publishToAll(items: Crowded['messages']) {
    for (const messages of parcelsOf(items))
      await this.bus.broadcast(pack({ crowded: { by: this.bus.replica, messages } }));
  }

  /** Publishes in parcels that no subscriber's buffer is too small for, in order. */
  private async publishTo(replica: string, items: readonly Item[]) {
    for (const some of parcelsOf(items)) {
      this.counts.published += some.length;
      if (!(await this.bus.publish(replica, pack({ messages: deliveries(some) }))))
        this.counts.unreceived += some.length;
    }
  }

  /**
   * Sends each of these to the other replicas that have its user.
   * @returns those that a replica wasn't there to receive
   * @throws where the bus is away
   */
  async send<T extends { to: number }>(items: readonly T[], parcelOf: (items: T[]) => Parcel): Promise<T[]> {
    if (items.length === 0) return [];
    const parcels = await this.byReplica(items, ({ to }) => to);
    parcels.delete(this.bus.replica);
    const unheard = await Promise.all(
      [...parcels].map(async ([replica, list]) =>
        (await this.bus.publish(replica, pack(parcelOf(list)))) ? [] : list,
      ),
    );
    return unheard.flat();
  }

  /** Items, in their order, by the replicas that have their users: one look-up for all. Left out are those whom none has. */
  private async byReplica<T>(items: readonly T[], userOf: (item: T) => number): Promise<Map<string, T[]>> {
    const users = [...new Set(items.map(userOf))];
    const owners = await this.bus.owners(users);
    const ownersOf = new Map(users.map((user, i) => [user, owners[i] ?? []]));
    const parcels = new Map<string, T[]>();
    for (const item of items)
      for (const { replica } of ownersOf.get(userOf(item)) ?? []) {
        const parcel = parcels.get(replica);
        if (parcel === undefined) parcels.set(replica, [item]);
        else parcel.push(item);
      }
    return parcels;
  }

  close(): void {
    this.closed = true;
  }
}

/** These in parts of so many bytes, about. */
function* parcelsOf<T extends { message: Arrival }>(items: readonly T[]): Generator<readonly T[]> {
  for (let from = 0, to = 0; from < items.length; from = to) {
    for (let bytes = 0; to < items.length && bytes < PARCEL_BYTES; to++)
      bytes += items[to]?.message.content.length ?? 0;
    yield items.slice(from, to);
  }
}

/** Each message once, with all its users, who stand one after the other. */
function deliveries(items: readonly Item[]) {
  const list: { message: Arrival; users: number[] }[] = [];
  for (const { user, message } of items) {
    const last = list.at(-1);
    if (last?.message === message) last.users.push(user);
    else list.push({ message, users: [user] });
  }
  return list;
}
