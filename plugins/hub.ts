import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import fp from 'fastify-plugin';
import { CLOSE } from '../schemas/close.js';
import { LIMITS } from '../schemas/limits.js';
import { receiptsOf } from '../sql/conversations.js';
import { epochOf } from '../sql/epoch.js';
import { type Debt, openDebts } from '../sql/messages.js';
import { type Bus, namespaceOf } from './bus.js';
import type { Clock } from './clock.js';
import type { Settings } from './config.js';
import type { Connection } from './connection.js';
import type { Db } from './db.js';
import { ExtendedConnection } from './extended.js';
import type { Lanes } from './lanes.js';
import type { Confirmed, Delivery, MessageLog, Send } from './messages.js';
import { weightOf } from './weight.js';
import { type Change, type Parcel, pack, type Typing, unpack } from './wire.js';

declare module 'fastify' {
  interface FastifyInstance {
    hub: Hub;
  }
}

/** Milliseconds between two turns of the one timer that all connections share. */
const TICK_MS = 250;
/** Milliseconds for a missing message to come by itself. */
const GAP_MS = 50;
/** Debts of a user that one look asks for, the newest; users of one question, and milliseconds to the next, so that sends go first. */
const LOOK_ROWS = 64;
const LOOK_USERS = 500;
const LOOK_PAUSE_MS = 10;
/** Receipts that wait to be told; past them the next change tells. */
const CHANGES = 100_000;
/** Bytes of content, about, in one parcel to another replica. */
const PARCEL_BYTES = 262_144;
/** Ownership renewals in one tick, and milliseconds until one that failed is tried again. */
const RENEWALS = 1000;
const CLAIM_AGAIN_MS = 1000;

/** The connections of this replica, and everything that goes to them. */
export class Hub {
  readonly counts = {
    delivered: 0,
    published: 0,
    unreceived: 0,
    repaired: 0,
    opened: 0,
    late: 0,
    overBudget: 0,
  };
  private readonly connections = new Map<number, Connection>();
  /** Those and the ones that are being closed: until their sockets are. */
  private readonly all = new Set<Connection>();
  private dirty: Connection[] = [];
  private readonly toPing = new Set<Connection>();
  private readonly gaps = new Set<Connection>();
  private readonly toPump = new Set<Connection>();
  private remote: { user: number; message: Delivery }[] = [];
  private remoteBytes = 0;
  private publishing = false;
  private changes = new Map<string, Change>();
  private informing = false;
  private ticker: NodeJS.Timeout | undefined;
  private gapTimer: NodeJS.Timeout | undefined;
  private repairTimer: NodeJS.Timeout | undefined;
  private repairing: Promise<void> | undefined;
  private lastTick = performance.now();
  private closed = false;
  /** Told when a user comes or goes here; set by presence. */
  onPresence: (user: number, online: boolean) => void = () => {};
  /** Told what other replicas say about presence. */
  onPresenceParcel: (presence: { online: number[]; offline: number[] }) => void = () => {};

  constructor(
    private readonly config: Settings,
    readonly log: FastifyBaseLogger,
    private readonly db: Db,
    private readonly bus: Bus,
    private readonly messages: MessageLog,
    /** What silences are judged by. */
    readonly clock: Clock,
  ) {
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
      up: () => this.onBusUp(),
    });
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    this.planRepair();
  }

  /** The lanes to the database that pages of the log are read on. */
  get delivery(): Lanes {
    return this.db.delivery;
  }
  get epoch(): string {
    return this.db.epoch;
  }
  /** Debts confirmed but not deleted yet. */
  get settling(): readonly Debt[] {
    return this.messages.settling;
  }
  get size(): number {
    return this.connections.size;
  }
  /** Ids of the users with a connection here, ascending; made once for all who ask. */
  users(): number[] {
    this.sorted ??= [...this.connections.keys()].sort((a, b) => a - b);
    return this.sorted;
  }
  private sorted: number[] | undefined;
  connectionOf(user: number): Connection | undefined {
    return this.connections.get(user);
  }

  append(send: Send): void {
    this.messages.append(send);
  }

  // ---- connections ----

  /** Takes a connection in, and closes the user's older one. @returns false if a newer one is here already */
  add(connection: Connection): boolean {
    const other = this.connections.get(connection.user);
    this.all.add(connection);
    if (other !== undefined && other.number > connection.number) return false;
    this.connections.set(connection.user, connection);
    // Spread, since many may come at once.
    connection.pingedAt -= Math.random() * this.config.HEARTBEAT_SECONDS * 1000;
    this.counts.opened++;
    if (other !== undefined) other.close(CLOSE.replaced);
    else {
      this.sorted = undefined;
      this.onPresence(connection.user, true);
    }
    return true;
  }

  /** Forgets a connection whose socket is closed, and gives its user up. */
  async remove(connection: Connection): Promise<void> {
    this.all.delete(connection);
    this.toPing.delete(connection);
    this.gaps.delete(connection);
    this.toPump.delete(connection);
    if (this.connections.get(connection.user) !== connection) return;
    this.connections.delete(connection.user);
    this.sorted = undefined;
    this.onPresence(connection.user, false);
    try {
      await this.bus.release([connection]);
    } catch {
      // The lease ends by itself.
    }
  }

  /** Makes this connection its user's only one. Where the bus is away that waits until it is back. */
  async claim(connection: Connection): Promise<void> {
    const { user, number } = connection;
    try {
      const before = await this.bus.claim(user, number);
      connection.claimedAt = performance.now();
      connection.suspended = false;
      // It ended meanwhile, and its release may have been faster.
      if (this.connections.get(user) !== connection) await this.bus.release([connection]);
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

  /** What a connection was written has arrived: debts are deleted soon, and senders told that want to know. */
  confirmed(arrived: readonly Confirmed[]): void {
    if (arrived.length > 0) this.messages.confirm(arrived);
  }

  private onSettled(debts: readonly Confirmed[]) {
    for (const { to, msgId, conversation, informs } of debts) {
      this.connections.get(to)?.onSettled(msgId);
      if (informs > 0) this.informOf({ to: informs, user: to, conversation });
    }
    if (this.settledWhileLooking !== undefined)
      for (const debt of debts) this.settledWhileLooking.add(debt.msgId);
  }
  private settledWhileLooking: Set<number> | undefined;

  // ---- delivery ----

  private onStored(deliveries: Delivery[], copies: Delivery[]) {
    this.checkLate();
    for (const message of deliveries) this.route(message.to, message);
    for (const message of copies) this.route(message.from, message);
    if (this.remote.length > 0 && !this.publishing) void this.publish();
  }

  private route(user: number, message: Delivery) {
    if (this.giveTo(user, message)) return;
    // The log has what is dropped here.
    if (this.remoteBytes >= LIMITS.remoteBytes) return;
    this.remote.push({ user, message });
    this.remoteBytes += weightOf(message.content);
  }

  /** @returns false if the user has no connection here, or one that ends */
  private giveTo(user: number, message: Delivery): boolean {
    const connection = this.connections.get(user);
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

  /** Sends what waits to the replicas that have the receivers: one look-up for all, one publish for each replica. */
  private async publish() {
    this.publishing = true;
    while (this.remote.length > 0 && !this.closed) {
      const waiting = this.remote;
      this.remote = [];
      this.remoteBytes = 0;
      try {
        const users = [...new Set(waiting.map(({ user }) => user))];
        const owners = await this.bus.owners(users);
        const replicaOf = new Map(users.map((user, i) => [user, owners[i]?.replica]));
        const parcels = new Map<string, { user: number; message: Delivery }[]>();
        for (const item of waiting) {
          const replica = replicaOf.get(item.user);
          if (replica === undefined) continue;
          // It may have come here while its owner was looked up.
          if (replica === this.bus.replica) {
            this.giveTo(item.user, item.message);
            continue;
          }
          const parcel = parcels.get(replica);
          if (parcel === undefined) parcels.set(replica, [item]);
          else parcel.push(item);
        }
        await Promise.all([...parcels].map(([replica, items]) => this.publishTo(replica, items)));
      } catch (error) {
        this.log.debug({ err: error, messages: waiting.length }, 'not published: repair will deliver');
      }
    }
    this.publishing = false;
  }

  /** Publishes in parcels that no subscriber's buffer is too small for, in order. */
  private async publishTo(replica: string, items: readonly { user: number; message: Delivery }[]) {
    for (let from = 0, to = 0; from < items.length; from = to) {
      for (let bytes = 0; to < items.length && bytes < PARCEL_BYTES; to++)
        bytes += items[to]?.message.content.length ?? 0;
      const messages = items.slice(from, to);
      this.counts.published += messages.length;
      if (!(await this.bus.publish(replica, pack({ messages })))) this.counts.unreceived += messages.length;
    }
  }

  private onParcel(parcel: Parcel) {
    this.checkLate();
    for (const { user, message } of parcel.messages ?? []) this.giveTo(user, message);
    for (const change of parcel.receipts ?? []) if (this.isHere(change.to)) this.informOf(change);
    for (const typing of parcel.typing ?? []) this.writeTyping(typing);
    for (const { user, number } of parcel.kicks ?? []) {
      const connection = this.connections.get(user);
      if (connection !== undefined && connection.number < number) connection.close(CLOSE.replaced);
    }
    if (parcel.looks !== undefined) for (const user of parcel.looks) this.connections.get(user)?.fallBehind();
    if (parcel.presence !== undefined) this.onPresenceParcel(parcel.presence);
  }

  // ---- receipts and typing ----

  /** Tells `to`, soon, how far `user` has received and read. */
  informOf(change: Change): void {
    if (change.to === change.user || this.closed || this.changes.size >= CHANGES) return;
    this.changes.set(`${change.to}:${change.conversation}`, change);
    if (this.informing) return;
    this.informing = true;
    setTimeout(() => void this.inform(), GAP_MS);
  }

  /** Reads how far it is now, so that nobody is told what isn't so, for those who can be told. */
  private async inform() {
    while (this.changes.size > 0 && !this.closed) {
      const changes = [...this.changes.values()];
      this.changes.clear();
      try {
        const here = changes.filter(({ to }) => this.connections.get(to) instanceof ExtendedConnection);
        if (here.length > 0) {
          const states = await this.db.delivery.ask((sql) => receiptsOf(sql, here));
          here.forEach(({ to, user, conversation }, i) => {
            const connection = this.connections.get(to);
            const state = states[i];
            if (connection instanceof ExtendedConnection && state !== undefined)
              connection.sendReceipt(conversation, user, state.delivered, state.read);
          });
        }
        // Whoever has the connection reads for itself: what is read here may be late there.
        const away = changes.filter(({ to }) => !this.isHere(to));
        const replicas = await this.replicasOf(away.map(({ to }) => to));
        await this.sendTo(replicas, away, (list) => ({ receipts: list }));
      } catch (error) {
        // What is lost here is shown again by the next change, or with the conversation.
        this.log.debug({ err: error }, 'receipts are not told');
      }
    }
    this.informing = false;
  }

  private isHere(user: number): boolean {
    const connection = this.connections.get(user);
    return connection !== undefined && connection.state !== 'closing';
  }

  /** Tells `to` that `user` is typing. */
  async tellTyping(typing: Typing): Promise<void> {
    if (this.writeTyping(typing)) return;
    try {
      await this.sendTo(await this.replicasOf([typing.to]), [typing], (list) => ({ typing: list }));
    } catch (error) {
      this.log.debug({ err: error }, 'typing is not told');
    }
  }

  private writeTyping({ to, user, conversation }: Typing): boolean {
    const connection = this.connections.get(to);
    if (connection instanceof ExtendedConnection && connection.hasRoomForNews)
      connection.send({ type: 'typing', conversation_id: conversation, user_id: user });
    return this.isHere(to);
  }

  /** The other replicas that hold these users. */
  private async replicasOf(users: readonly number[]): Promise<Map<number, string>> {
    const found = new Map<number, string>();
    if (users.length === 0) return found;
    const distinct = [...new Set(users)];
    const owners = await this.bus.owners(distinct);
    distinct.forEach((user, i) => {
      const replica = owners[i]?.replica;
      if (replica !== undefined && replica !== this.bus.replica) found.set(user, replica);
    });
    return found;
  }

  private async sendTo<T extends { to: number }>(
    replicas: ReadonlyMap<number, string>,
    items: readonly T[],
    parcelOf: (items: T[]) => Parcel,
  ) {
    const parcels = new Map<string, T[]>();
    for (const item of items) {
      const replica = replicas.get(item.to);
      if (replica === undefined) continue;
      const parcel = parcels.get(replica);
      if (parcel === undefined) parcels.set(replica, [item]);
      else parcel.push(item);
    }
    await Promise.all([...parcels].map(([replica, list]) => this.bus.publish(replica, pack(parcelOf(list)))));
  }

  // ---- timers ----

  /** Writes out at the end of this turn of the event loop what it wrote to the connection. */
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

  private tick() {
    this.checkLate();
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
    const renewal = this.config.LEASE_SECONDS * 500;
    const slow = this.config.SLOW_SECONDS * 1000;
    const at = performance.now();
    let renewals = this.bus.ok ? RENEWALS : 0;
    for (const connection of this.connections.values()) {
      if (now - connection.heardAt > timeout) connection.close(CLOSE.idle);
      else if (connection.isStuck(now, slow)) connection.close(CLOSE.slow);
      else if (now - connection.pingedAt > heartbeat) connection.ping();
      if (renewals > 0 && connection.state === 'ready' && at - connection.claimedAt > renewal) {
        renewals--;
        connection.claimedAt = at;
        void this.claim(connection);
      }
    }
  }

  /** Bytes that wait for clients or for the bus. */
  get bytes(): number {
    let bytes = this.remoteBytes;
    for (const connection of this.all) bytes += connection.bytes;
    return bytes;
  }

  /** The connection that keeps most bytes, if any keeps some. */
  slowest(): Connection | undefined {
    let slowest: Connection | undefined;
    for (const connection of this.all) if (connection.bytes > (slowest?.bytes ?? 0)) slowest = connection;
    return slowest;
  }

  /** After a pause as long as a lease somebody else may have the users: ask before writing to anybody. */
  private checkLate() {
    const now = performance.now();
    const late = now - this.lastTick;
    this.lastTick = now;
    if (late < this.config.LEASE_SECONDS * 1000) return;
    this.counts.late++;
    this.log.warn({ seconds: Math.round(late / 1000) }, 'the process stood still for longer than its lease');
    for (const connection of this.connections.values()) {
      connection.suspended = true;
      connection.fallBehind();
      void this.claim(connection).then(() => connection.pump());
    }
  }

  private onBusUp() {
    for (const connection of this.connections.values()) connection.claimedAt = Number.NEGATIVE_INFINITY;
    void this.repair();
  }

  private planRepair() {
    const ms = this.config.REPAIR_SECONDS * 1000 * (0.75 + Math.random() / 2);
    this.repairTimer = setTimeout(async () => {
      await this.repair();
      if (!this.closed) this.planRepair();
    }, ms);
  }

  /** Looks for debts that a live connection doesn't know of: their publish was lost, or is late. */
  async repair(): Promise<void> {
    this.repairing ??= this.look().finally(() => {
      this.repairing = undefined;
    });
    return this.repairing;
  }

  private async look() {
    const live = [...this.connections.values()].filter((connection) => connection.isLive);
    this.settledWhileLooking = new Set();
    try {
      const epoch = await this.db.delivery.ask(epochOf);
      if (epoch !== this.db.epoch) return this.startNewEpoch(epoch);
      for (let i = 0; i < live.length && !this.closed; i += LOOK_USERS) {
        if (i > 0) await sleep(LOOK_PAUSE_MS);
        await this.lookAt(live.slice(i, i + LOOK_USERS));
      }
    } catch (error) {
      this.log.debug({ err: error }, 'could not look for open debts');
    } finally {
      this.settledWhileLooking = undefined;
    }
  }

  private async lookAt(live: readonly Connection[]) {
    const debts = await this.db.delivery.ask((sql) =>
      openDebts(
        sql,
        live.map((one) => one.user),
        live.map((one) => one.line),
        LOOK_ROWS,
      ),
    );
    const settling = new Set(this.settling.map((debt) => debt.msgId));
    const byUser = new Map<number, typeof debts>();
    for (const debt of debts) {
      if (settling.has(debt.msgId) || this.settledWhileLooking?.has(debt.msgId)) continue;
      const list = byUser.get(debt.to);
      if (list === undefined) byUser.set(debt.to, [debt]);
      else list.push(debt);
    }
    for (const [user, list] of byUser) {
      const connection = this.connections.get(user);
      if (connection === undefined || !connection.isLive || connection.knows(list)) continue;
      this.counts.repaired++;
      connection.fallBehind();
    }
  }

  private startNewEpoch(epoch: string) {
    this.log.warn(
      { was: this.db.epoch, is: epoch },
      'the database has another history now: clients start afresh',
    );
    this.db.epoch = epoch;
    this.messages.forget();
    for (const connection of this.connections.values()) connection.close(CLOSE.shutdown);
    void this.bus.rename(namespaceOf(epoch));
  }

  // ---- end ----

  /** Closes all sockets, spread over a moment so that their clients don't come back as one herd. */
  async drain(): Promise<void> {
    const all = [...this.connections.values()];
    const pause = (this.config.DRAIN_SECONDS * 1000) / Math.max(all.length, 1);
    const started = performance.now();
    for (const [i, connection] of all.entries()) {
      connection.confirm();
      const wait = started + i * pause - performance.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      connection.close(CLOSE.shutdown);
    }
    const patience = performance.now() + 2000;
    while (this.connections.size > 0 && performance.now() < patience)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await this.messages.flush();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.ticker);
    clearTimeout(this.gapTimer);
    clearTimeout(this.repairTimer);
    await this.repairing;
    const left = [...this.connections.values()];
    for (const connection of this.all) connection.socket.terminate();
    if (left.length > 0) await this.bus.release(left).catch(() => {});
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
