import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { CLOSE } from '../../schemas/close.js';
import type { Bus } from '../bus/bus.js';
import type { Typing } from '../bus/parcel.js';
import type { Clock } from '../clock.js';
import type { Settings } from '../config.js';
import type { Connection } from '../connection/connection.js';
import type { ExtendedConnection } from '../connection/extended.js';
import { Frames } from '../connection/frames.js';
import { Outlets } from '../connection/outlet.js';
import type { Arrived, Change, Gapped, Pinging, Port, Pumping, Reader, Telling } from '../connection/port.js';
import type { Db } from '../db/handle.js';
import type { MessageLog } from '../log/log.js';
import { LogReader } from '../log/reader.js';
import { Beat } from './beat.js';
import { Crowds } from './crowds.js';
import { Feed } from './feed.js';
import { Moves } from './moves.js';
import { Ownership } from './ownership.js';
import { type Hiding, Receipts } from './receipts.js';
import { Registry } from './registry.js';
import { Remote } from './remote.js';
import { Repair } from './repair.js';
import { Router } from './router.js';

/** Milliseconds that a replica waits at its end for clients to hang up. */
const FAREWELL_MS = 2000;

/** The connections of this replica: what comes to them, and what they ask for. */
export class Hub implements Port {
  readonly counts = {
    delivered: 0,
    told: 0,
    published: 0,
    unreceived: 0,
    repaired: 0,
    opened: 0,
    moved: 0,
    late: 0,
    overBudget: 0,
  };
  readonly registry = new Registry();
  readonly turn = new Outlets();
  readonly frames = new Frames();
  readonly reader: Reader;
  readonly router: Router;
  readonly feed: Feed;
  private readonly beat: Beat;
  private readonly crowds: Crowds;
  private readonly remote: Remote;
  private readonly ownership: Ownership;
  private readonly receipts: Receipts;
  private readonly moves: Moves;
  private readonly repairs: Repair;

  constructor(
    private readonly config: Settings,
    readonly log: FastifyBaseLogger,
    private readonly db: Db,
    private readonly bus: Bus,
    private readonly messages: MessageLog,
    readonly clock: Clock,
  ) {
    const { counts, registry } = this;
    this.reader = new LogReader(db);
    this.remote = new Remote(log, bus, counts, (user, message) => this.router.giveTo(user, message, []));
    this.ownership = new Ownership(config, log, bus, registry, counts);
    this.receipts = new Receipts(log, db, registry, this.ownership, this.remote);
    this.moves = new Moves(log, db, counts, (change) => this.receipts.informOf(change));
    this.crowds = new Crowds(log, db, registry, (connection, message) =>
      this.router.give(connection, message),
    );
    const { remote, ownership, receipts, crowds } = this;
    this.feed = new Feed(log, db, bus, registry, ownership, remote, counts);
    this.repairs = new Repair(config, log, db, bus, registry, crowds, this.feed, counts);
    this.router = new Router(
      log,
      bus.replica,
      registry,
      remote,
      ownership,
      receipts,
      crowds,
      counts,
      db.history,
    );
    this.router.onRing = (ring) => this.feed.heard(ring);
    this.router.onGiven = (xids) => this.repairs.given(xids);
    this.beat = new Beat(config, clock, registry, () => {
      ownership.checkLate();
      ownership.renew();
      crowds.tell(clock.now);
    });
    messages.listener = this.router;
    void db.history.over.then((error) => this.giveUp(error));
  }

  async start(): Promise<void> {
    await this.bus.listen({
      message: (text) => this.router.take(text),
      up: () => {
        this.ownership.renewAll();
        void this.repair();
      },
    });
    this.beat.start();
    await this.repairs.start();
  }

  // ---- what connections ask for ----

  get epoch(): string {
    return this.db.epoch;
  }

  users(): number[] {
    return this.registry.users();
  }

  confirmed(arrived: Arrived): void {
    this.moves.add(arrived);
  }

  informOf(change: Change): void {
    this.receipts.informOf(change);
  }

  pingSoon(one: Pinging): void {
    this.beat.pingSoon(one);
  }

  pumpLater(one: Pumping): void {
    this.beat.pumpLater(one);
  }

  headsSoon(one: Telling): void {
    this.beat.headsSoon(one);
  }

  watchGap(one: Gapped): void {
    this.beat.watchGap(one);
  }

  // ---- connections come and go ----

  /** Connections whose sockets aren't closed yet. */
  get size(): number {
    return this.registry.all.size;
  }

  /** Whether a user has a connection here. */
  isHere(user: number): boolean {
    return this.registry.of(user).length > 0;
  }

  connectionsOf(user: number): readonly Connection[] {
    return this.registry.of(user);
  }

  /** Takes a connection in, and closes those that it replaces. @returns false if one that is here replaces it */
  add(connection: Connection): boolean {
    const replaced = this.registry.add(connection);
    if (replaced === undefined) return false;
    this.crowds.place(connection);
    // Spread, since many may come at once.
    connection.pingEarlier(Math.random() * this.config.HEARTBEAT_SECONDS * 1000);
    this.counts.opened++;
    for (const other of replaced) other.close(CLOSE.replaced);
    return true;
  }

  /** Tells other replicas of a connection, and ends what it excludes. Where the bus is away that waits until it is back. */
  claim(connection: Connection): Promise<void> {
    return this.ownership.claim(connection.user);
  }

  /** Notes at once what a user's plain client has confirmed here. */
  noted(user: number): Promise<void> {
    return this.moves.noted(user);
  }

  /** Forgets a connection whose socket is closed, and gives its user up with the last one. */
  async remove(connection: Connection): Promise<void> {
    this.beat.forget(connection);
    this.crowds.forget(connection);
    if (this.registry.remove(connection)) await this.ownership.release([connection.user]);
  }

  // ---- what else is asked of it ----

  /** Says of whom nothing is told to whom. */
  set hiding(hiding: Hiding) {
    this.receipts.hiding = hiding;
  }

  /** The client of a connection shows these conversations from now on, and no others. */
  show(connection: ExtendedConnection, conversations: readonly number[]): void {
    connection.show(conversations);
    this.crowds.place(connection);
  }

  /** A user has read more of a conversation: their devices are told, but for the one that said so. */
  tellRead(user: number, conversation: number, by: Connection | undefined): void {
    const others = this.registry.of(user).some((connection) => connection !== by);
    if (others || by === undefined || this.ownership.isElsewhere(user))
      this.informOf({ to: user, user, conversation });
  }

  /** Tells each `to` that `user` is typing. */
  tellTyping(all: readonly Typing[]): Promise<void> {
    return this.router.tellTyping(all);
  }

  /** Looks for what live connections don't know of. */
  repair(): Promise<void> {
    return this.repairs.now();
  }

  /** Bytes that wait for clients or for the bus. */
  get bytes(): number {
    let bytes = this.remote.bytes + this.feed.bytes;
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

  /** The database has another history: nothing that is known here counts, and its clients go elsewhere, or come back to a fresh start. */
  private async giveUp(error: Error) {
    this.log.fatal(error.message);
    this.moves.forget();
    // What is in doubt is answered before.
    await Promise.race([this.messages.flush(), sleep(FAREWELL_MS, undefined, { ref: false })]);
    for (const connection of this.registry.all) connection.close(CLOSE.shutdown);
  }

  // ---- end ----

  /** Closes all sockets, spread over a moment so that their clients don't come back as one herd. */
  async drain(): Promise<void> {
    const all = [...this.registry.all];
    const pause = (this.config.DRAIN_SECONDS * 1000) / Math.max(all.length, 1);
    const started = performance.now();
    for (const [i, connection] of all.entries()) {
      connection.requestPong();
      const wait = started + i * pause - performance.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      connection.close(CLOSE.shutdown);
    }
    const patience = performance.now() + FAREWELL_MS;
    while (this.size > 0 && performance.now() < patience)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await this.messages.flush();
    await this.moves.flush();
  }

  async close(): Promise<void> {
    this.remote.close();
    await this.moves.close();
    this.receipts.close();
    this.beat.close();
    await this.repairs.close();
    await this.feed.close();
    const left = [...this.registry.everybody()];
    for (const connection of this.registry.all) connection.terminate();
    await this.ownership.release(left);
  }
}
