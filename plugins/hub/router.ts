import type { FastifyBaseLogger } from 'fastify';
import { SIZE } from '../../schemas/size.js';
import { markOf } from '../bus/crowded.js';
import { type Failed, type Own, type Parcel, type Ring, type Typing, unpack } from '../bus/parcel.js';
import type { Connection } from '../connection/connection.js';
import type { History } from '../db/history.js';
import type { Arrival, Delivery, Sender } from '../log/types.js';
import type { Crowds } from './crowds.js';
import type { Ownership } from './ownership.js';
import type { Receipts } from './receipts.js';
import type { Registry } from './registry.js';
import type { Remote } from './remote.js';

/** What was stored, to the connections that are here and the replicas that have the others; and what those send here. */
export class Router {
  /** Told what other replicas say about presence. */
  onPresence: (presence: { online: number[]; offline: number[] }) => void = () => {};
  /** Told who failed at the doors of other replicas. */
  onFailed: (failed: Failed) => void = () => {};

  /** Told which transactions have stored what everybody here was given, or other replicas sent. */
  onGiven: (xids: readonly number[]) => void = () => {};

  /** Told of changed messages. */
  onRing: (ring: Ring) => void = () => {};

  /** What this replica has sent to all begins so. */
  private readonly own: string;

  /** Told who has set something for themselves. */
  onOwn: (own: readonly Own[]) => void = () => {};

  /** Told of users who aren't what they were. */
  onUsers: (users: readonly number[]) => void = () => {};

  constructor(
    private readonly log: FastifyBaseLogger,
    replica: string,
    private readonly registry: Registry,
    private readonly remote: Remote,
    private readonly ownership: Ownership,
    private readonly receipts: Receipts,
    private readonly crowds: Crowds,
    private readonly counts: { delivered: number },
    private readonly history: Pick<History, 'saw' | 'heard' | 'isOver'>,
  ) {
    this.own = markOf(replica);
  }

  /** Messages were stored, in this order. */
  onStored(deliveries: readonly Delivery[]): void {
    this.ownership.checkLate();
    const xids: number[] = [];
    for (const { message, senders } of deliveries) {
      this.history.saw(message);
      if (message.xid !== undefined && message.xid !== xids.at(-1)) xids.push(message.xid);
      if (((message.size ?? 0) & SIZE.quiet) !== 0) {
        this.crowds.onStored(message, senders);
        this.remote.pushToAll(message, message.version);
        continue;
      }
      for (const user of message.members) {
        const isHere = this.giveTo(user, message, senders);
        if (!isHere || this.ownership.isElsewhere(user)) this.remote.push(user, message, isHere);
      }
    }
    this.remote.publish();
    this.onGiven(xids);
  }

  /**
   * Gives a message to the user's connections here, but for those that sent it and are told of that.
   * @returns false if there is none, or only such as end
   */
  giveTo(user: number, message: Arrival, senders: readonly Sender[]): boolean {
    let isHere = false;
    for (const connection of this.registry.of(user)) {
      if (connection.isClosing) continue;
      isHere = true;
      const isSender = user === message.from && senders.includes(connection);
      if (!isSender || !connection.isToldOf(message)) this.give(connection, message);
    }
    return isHere;
  }

  /** Gives a message to a connection that isn't to miss it, whatever becomes of the others. */
  give(connection: Connection, message: Arrival): void {
    this.counts.delivered++;
    try {
      connection.deliver(message);
    } catch (error) {
      // What state it is in isn't known: its client comes back and reads the log. The others get theirs.
      this.log.error({ err: error, user: connection.user }, 'a message could not be delivered');
      connection.terminate();
    }
  }

  /** Takes what another replica published. */
  take(text: string): void {
    if (text.startsWith(this.own)) return;
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
    // Others may know the other history already, and mean other people.
    if (this.history.isOver) return;
    this.ownership.checkLate();
    for (const { message, users } of parcel.messages ?? []) {
      this.history.heard(message);
      for (const user of users) this.giveTo(user, message, []);
    }
    for (const { message, version } of parcel.crowded?.messages ?? []) {
      this.history.heard(message);
      this.crowds.onHeard(message, version);
    }
    this.receipts.informHere(parcel.receipts ?? []);
    for (const typing of parcel.typing ?? []) this.writeTyping(typing);
    if (parcel.own !== undefined) this.onOwn(parcel.own);
    this.ownership.onKicks(parcel.kicks ?? []);
    this.ownership.onKicked(parcel.kicked ?? []);
    if (parcel.presence !== undefined) this.onPresence(parcel.presence);
    if (parcel.failed !== undefined) this.onFailed(parcel.failed);
    if (parcel.users !== undefined) this.onUsers(parcel.users);
    for (const ring of parcel.rings ?? []) this.onRing(ring);
  }

  /** Tells each `to` that `user` is typing. */
  async tellTyping(all: readonly Typing[]): Promise<void> {
    for (const typing of all) this.writeTyping(typing);
    const away = all.filter(({ to }) => !this.registry.has(to) || this.ownership.isElsewhere(to));
    try {
      await this.remote.send(away, (list) => ({ typing: list }));
    } catch (error) {
      this.log.debug({ err: error }, 'typing is not told');
    }
  }

  /** Tells other replicas that users have set something for themselves. */
  async tellOwn(all: readonly Own[]): Promise<void> {
    const away = all.filter(({ to }) => !this.registry.has(to) || this.ownership.isElsewhere(to));
    try {
      await this.remote.send(away, (own) => ({ own }));
    } catch (error) {
      this.log.debug({ err: error }, 'own settings are not told: their devices ask when they come back');
    }
  }

  private writeTyping({ to, user, conversation, shown = false }: Typing) {
    for (const connection of this.registry.of(to)) connection.sendTyping(conversation, user, shown);
  }
}
