import type { FastifyBaseLogger } from 'fastify';
import fp from 'fastify-plugin';
import { CLOSE } from '../schemas/close.js';
import type { Debt } from '../sql/messages.js';
import { type Bus, namespaceOf } from './bus.js';
import type { Clock } from './clock.js';
import type { Settings } from './config.js';
import type { Connection } from './connection.js';
import type { Db } from './db.js';
import type { Asker } from './lanes.js';
import type { Confirmed, Delivery, MessageLog, Send } from './messages.js';
import { Ownership } from './ownership.js';
import type { Port } from './port.js';
import { Receipts } from './receipts.js';
import { Registry } from './registry.js';
import { Remote } from './remote.js';
import { Repair } from './repair.js';
import { type Change, type Parcel, type Typing, unpack } from './wire.js';

declare module 'fastify' {
  interface FastifyInstance {
    hub: Hub;
  }
}

/** Milliseconds between two turns of the one timer that all connections share. */
const TICK_MS = 250;
/** Milliseconds for a missing message to come by itself. */
const GAP_MS = 50;
/** Milliseconds that a replica waits at its end for clients to hang up. */
const FAREWELL_MS = 2000;

/** The way of stored messages to the connections of this replica, and what those connections ask for. */
export class Hub implements Port {
  readonly counts = {
    delivered: 0,
    published: 0,
    unreceived: 0,
    repaired: 0,
    opened: 0,
    late: 0,
    overBudget: 0,
  };
  readonly registry = new Registry();
  private readonly remote: Remote;
  private readonly ownership: Ownership;
  private readonly receipts: Receipts;
  private readonly repairs: Repair;
  private dirty: Connection[] = [];
  private readonly toPing = new Set<Connection>();
  private readonly gaps = new Set<Connection>();
  private readonly toPump = new Set<Connection>();
  private ticker: NodeJS.Timeout | undefined;
  private gapTimer: NodeJS.Timeout | undefined;
  /** Told what other replicas say about presence. */
  onPresenceParcel: (presence: { online: number[]; offline: number[] }) => void = () => {};

  constructor(
    private readonly config: Settings,
    readonly log: FastifyBaseLogger,
    private readonly db: Db,
    private readonly bus: Bus,
    private readonly messages: MessageLog,
    readonly clock: Clock,
  ) {
    const { counts, registry } = this;
    this.remote = new Remote(log, bus, counts, (user, message) => this.giveTo(user, message));
    this.ownership = new Ownership(config, log, bus, registry, counts);
    this.receipts = new Receipts(log, db, registry, this.remote);
    this.repairs = new Repair(config, log, db, messages, registry, counts, (epoch) =>
      this.startNewEpoch(epoch),
    );
    messages.listener = {
      onStored: (deliveries, copies) => this.onStored(deliveries, copies),
      onSettled: (debts) => this.onSettled(debts),
    };
  }

  async start(): Promise<void> {
    await this.bus.listen({
      message: (text) => {
        try {
          this.onParcel(unpack(text));
        } catch (error) {
          this.log.warn(
            { err: error },
            'what another instance sent could not be read: is it of the same version?',
          );
        }
      },
      up: () => {
        this.ownership.renewAll();
        void this.repair();
      },
    });
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    this.repairs.start();
  }

  // ---- what connections ask for ----

  get delivery(): Asker {
    return this.db.delivery;
  }

  get epoch(): string {
    return this.db.epoch;
  }

  get settling(): readonly Debt[] {
    return this.messages.settling;
  }

  users(): number[] {
    return this.registry.users();
  }

  append(send: Send): void {
    this.messages.append(send);
  }

  confirmed(arrived: readonly Confirmed[]): void {
    if (arrived.length > 0) this.messages.confirm(arrived);
  }

  informOf(change: Change): void {
    this.receipts.informOf(change);
  }

  flushSoon(connection: Connection): void {
    if (this.dirty.push(connection) === 1) queueMicrotask(() => this.flush());
  }

  private flush() {
    const { dirty } = this;
    this.dirty = [];
    for (const connection of dirty) connection.flush();
  }

  pingSoon(connection: Connection): void {
    this.toPing.add(connection);
  }

  pumpLater(connection: Connection): void {
    this.toPump.add(connection);
  }

  watchGap(connection: Connection): void {
    this.gaps.add(connection);
    this.gapTimer ??= setTimeout(() => {
      this.gapTimer = undefined;
      const late = [...this.gaps];
      this.gaps.clear();
      for (const each of late) each.closeGap();
    }, GAP_MS);
  }

  // ---- connections come and go ----

  get size(): number {
    return this.registry.size;
  }

  connectionOf(user: number): Connection | undefined {
    return this.registry.of(user);
  }

  /** Takes a connection in, and closes the user's older one. @returns false if a newer one is here already */
  add(connection: Connection): boolean {
    const other = this.registry.of(connection.user);
    if (!this.registry.add(connection)) return false;
    // Spread, since many may come at once.
    connection.pingedAt -= Math.random() * this.config.HEARTBEAT_SECONDS * 1000;
    this.counts.opened++;
    other?.close(CLOSE.replaced);
    return true;
  }

  /** Makes this connection its user's only one. Where the bus is away that waits until it is back. */
  claim(connection: Connection): Promise<void> {
    return this.ownership.claim(connection);
  }

  /** Forgets a connection whose socket is closed, and gives its user up. */
  async remove(connection: Connection): Promise<void> {
    this.toPing.delete(connection);
    this.gaps.delete(connection);
    this.toPump.delete(connection);
    if (this.registry.remove(connection)) await this.ownership.release([connection]);
  }

  // ---- delivery ----

  private onStored(deliveries: Delivery[], copies: Delivery[]) {
    this.ownership.checkLate();
    for (const message of deliveries) this.route(message.to, message);
    for (const message of copies) this.route(message.from, message);
    this.remote.publish();
  }

  private route(user: number, message: Delivery) {
    if (!this.giveTo(user, message)) this.remote.push(user, message);
  }

  /** @returns false if the user has no connection here, or one that ends */
  private giveTo(user: number, message: Delivery): boolean {
    const connection = this.registry.of(user);
    if (connection === undefined || connection.state === 'closing') return false;
    this.counts.delivered++;
    try {
      if (user === message.from && user !== message.to) connection.deliverCopy(message);
      else connection.deliver(message);
    } catch (error) {
      // What state it is in isn't known: its client comes back and reads the log. The others get theirs.
      this.log.error({ err: error, user }, 'a message could not be delivered');
      connection.socket.terminate();
    }
    return true;
  }

  private onSettled(debts: readonly Confirmed[]) {
    for (const { to, msgId, conversation, informs } of debts) {
      this.registry.of(to)?.onSettled(msgId);
      if (informs > 0) this.informOf({ to: informs, user: to, conversation });
    }
    this.repairs.onSettled(debts);
  }

  private onParcel(parcel: Parcel) {
    this.ownership.checkLate();
    for (const { user, message } of parcel.messages ?? []) this.giveTo(user, message);
    this.receipts.informHere(parcel.receipts ?? []);
    for (const typing of parcel.typing ?? []) this.writeTyping(typing);
    for (const { user, number } of parcel.kicks ?? []) {
      const connection = this.registry.of(user);
      if (connection !== undefined && connection.number < number) connection.close(CLOSE.replaced);
    }
    for (const user of parcel.looks ?? []) this.registry.of(user)?.fallBehind();
    if (parcel.presence !== undefined) this.onPresenceParcel(parcel.presence);
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

  /** Looks for what live connections don't know of. */
  repair(): Promise<void> {
    return this.repairs.now();
  }

  private startNewEpoch(epoch: string) {
    this.log.warn(
      { was: this.db.epoch, is: epoch },
      'the database has another history now: clients start afresh',
    );
    this.db.epoch = epoch;
    this.messages.forget();
    for (const connection of this.registry.values()) connection.close(CLOSE.shutdown);
    void this.bus.rename(namespaceOf(epoch));
  }

  // ---- time ----

  private tick() {
    this.ownership.checkLate();
    for (const connection of this.toPing) {
      if (!connection.mayPing) continue;
      this.toPing.delete(connection);
      connection.confirm();
    }
    for (const connection of this.toPump) connection.pump();
    this.toPump.clear();
    const { now } = this.clock;
    const heartbeat = this.config.HEARTBEAT_SECONDS * 1000;
    const timeout = this.config.HEARTBEAT_TIMEOUT_SECONDS * 1000;
    const slow = this.config.SLOW_SECONDS * 1000;
    for (const connection of this.registry.values()) {
      if (now - connection.heardAt > timeout) connection.close(CLOSE.idle);
      else if (connection.isStuck(now, slow)) connection.close(CLOSE.slow);
      else if (now - connection.pingedAt > heartbeat) connection.ping();
    }
    this.ownership.renew();
  }

  /** Bytes that wait for clients or for the bus. */
  get bytes(): number {
    let { bytes } = this.remote;
    for (const connection of this.registry.all) bytes += connection.bytes;
    return bytes;
  }

  /** The connection that keeps most bytes, if any keeps some. */
  slowest(): Connection | undefined {
    let slowest: Connection | undefined;
    for (const connection of this.registry.all)
      if (connection.bytes > (slowest?.bytes ?? 0)) slowest = connection;
    return slowest;
  }

  // ---- end ----

  /** Closes all sockets, spread over a moment so that their clients don't come back as one herd. */
  async drain(): Promise<void> {
    const all = [...this.registry.values()];
    const pause = (this.config.DRAIN_SECONDS * 1000) / Math.max(all.length, 1);
    const started = performance.now();
    for (const [i, connection] of all.entries()) {
      connection.confirm();
      const wait = started + i * pause - performance.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      connection.close(CLOSE.shutdown);
    }
    const patience = performance.now() + FAREWELL_MS;
    while (this.registry.size > 0 && performance.now() < patience)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await this.messages.flush();
  }

  async close(): Promise<void> {
    this.remote.close();
    this.receipts.close();
    clearInterval(this.ticker);
    clearTimeout(this.gapTimer);
    await this.repairs.close();
    const left = [...this.registry.values()];
    for (const connection of this.registry.all) connection.socket.terminate();
    await this.ownership.release(left);
  }
}

/** Decorates the instance with the hub. */
export default fp(
  async (app) => {
    const hub = new Hub(app.config, app.log, app.db, app.bus, app.messages, app.clock);
    app.decorate('hub', hub);
    app.addHook('onReady', () => hub.start());
    app.addHook('onClose', () => hub.close());
  },
  { name: 'hub', dependencies: ['config', 'clock', 'db', 'redis', 'messages'] },
);
