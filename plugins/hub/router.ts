import type { FastifyBaseLogger } from 'fastify';
import { type Parcel, type Typing, unpack } from '../bus/parcel.js';
import type { Arrival, Confirmed, Delivery } from '../log/types.js';
import type { Ownership } from './ownership.js';
import type { Receipts } from './receipts.js';
import type { Registry } from './registry.js';
import type { Remote } from './remote.js';
import type { Repair } from './repair.js';

/** What was stored, to the connections that are here and the replicas that have the others; and what those send here. */
export class Router {
  /** Told what other replicas say about presence. */
  onPresence: (presence: { online: number[]; offline: number[] }) => void = () => {};

  constructor(
    private readonly log: FastifyBaseLogger,
    private readonly registry: Registry,
    private readonly remote: Remote,
    private readonly ownership: Ownership,
    private readonly receipts: Receipts,
    private readonly repair: Repair,
    private readonly counts: { delivered: number },
  ) {}

  /** Messages were stored, in this order. */
  onStored(deliveries: readonly Delivery[]): void {
    this.ownership.checkLate();
    for (const { message, users } of deliveries)
      for (const user of users) if (!this.giveTo(user, message)) this.remote.push(user, message);
    this.remote.publish();
  }

  /** Debts are deleted. */
  onSettled(debts: readonly Confirmed[]): void {
    for (const { to, msgId, conversation, informs } of debts) {
      this.registry.of(to)?.onSettled(msgId);
      if (informs !== undefined) this.receipts.informOf({ to: informs, user: to, conversation });
    }
    this.repair.onSettled(debts);
  }

  /** @returns false if the user has no connection here, or one that ends */
  giveTo(user: number, message: Arrival): boolean {
    const connection = this.registry.of(user);
    if (connection === undefined || connection.isClosing) return false;
    this.counts.delivered++;
    try {
      connection.deliver(message);
    } catch (error) {
      // What state it is in isn't known: its client comes back and reads the log. The others get theirs.
      this.log.error({ err: error, user }, 'a message could not be delivered');
      connection.terminate();
    }
    return true;
  }

  /** Takes what another replica published. */
  take(text: string): void {
    try {
      this.onParcel(unpack(text));
    } catch (error) {
      this.log.warn(
        { err: error },
        'what another instance sent could not be read: is it of the same version?',
      );
    }
  }

  private onParcel(parcel: Parcel) {
    this.ownership.checkLate();
    for (const { message, users } of parcel.messages ?? [])
      for (const user of users) this.giveTo(user, message);
    this.receipts.informHere(parcel.receipts ?? []);
    for (const typing of parcel.typing ?? []) this.writeTyping(typing);
    this.ownership.onKicks(parcel.kicks ?? []);
    this.ownership.onKicked(parcel.kicked ?? []);
    for (const user of parcel.looks ?? []) this.registry.of(user)?.fallBehind();
    if (parcel.presence !== undefined) this.onPresence(parcel.presence);
  }

  /** Tells `to` that `user` is typing. */
  async tellTyping(typing: Typing): Promise<void> {
    if (this.writeTyping(typing)) return;
    try {
      await this.remote.send([typing], (list) => ({ typing: list }));
    } catch (error) {
      this.log.debug({ err: error }, 'typing is not told');
    }
  }

  private writeTyping({ to, user, conversation }: Typing): boolean {
    this.registry.of(to)?.sendTyping(conversation, user);
    return this.registry.has(to);
  }
}
