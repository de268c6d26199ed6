import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { GROUPS } from '../../schemas/limits.js';
import { lookAtBatches, type Moved, pruneBatches } from '../../sql/batches.js';
import { mentioningIn } from '../../sql/heads.js';
import type { Bus } from '../bus/bus.js';
import type { Settings } from '../config.js';
import type { Connection } from '../connection/connection.js';
import type { Db } from '../db/handle.js';
import { type Crowds, newestOf } from './crowds.js';
import type { Feed } from './feed.js';
import type { Registry } from './registry.js';

/** Milliseconds from look to look while the bus is away, and so nothing comes from other replicas. */
const ALONE_MS = 250;
/** Milliseconds for what is still on its way over the bus: it is in the log before it is published. */
const LATE_MS = 100;
/** Minutes that batches are kept, milliseconds from one pruning to the next, and rows that one statement deletes. */
const KEPT_MINUTES = 10;
const PRUNE_MS = 60_000;
const PRUNE_ROWS = 5000;
/** Looks in which each connection once reads the log, whatever the batches say: a version before this one writes none. */
const SWEEP_LOOKS = 150;
/** Connections that read the log at once where all have to, and milliseconds to the next ones. */
const SWEEP_CONNECTIONS = 100;
const SWEEP_PAUSE_MS = 50;
/** Milliseconds after which what a look saw is known to a standby that loses nothing: what was undone by itself, too, and had no commit. */
const SETTLED_MS = 1000;

/** Transactions that needn't be looked at, at most: where the database is away for long, what is more is looked at. */
const GIVEN = 10_000;

/** Looks, again and again, for messages that a connection doesn't know of: their publish was lost, or is late. */
export class Repair {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private next: Promise<void> | undefined;
  /** When the next look is due while the bus works. */
  private due = 0;
  /** What the last look could see. */
  private snapshot: string | undefined;
  /** What an earlier one could, and one that came long enough after it to take its place. */
  private settled: string | undefined;
  private settling: { snapshot: string; at: number } | undefined;
  /** Transactions of this replica since the last look: what they stored was given to everybody here. */
  private readonly own = new Set<number>();
  private prunedAt = performance.now();
  private sweep: Iterator<Connection> | undefined;
  private sweepDue = 0;
  private closed = false;

  constructor(
    private readonly config: Settings,
    private readonly log: FastifyBaseLogger,
    private readonly db: Db,
    private readonly bus: Bus,
    private readonly registry: Registry,
    private readonly crowds: Crowds,
    private readonly feed: Pick<Feed, 'heard'>,
    private readonly counts: { repaired: number },
  ) {}

  /** Looks for the first time, to know where later looks go on, and plans them. */
  async start(): Promise<void> {
    await this.now();
    this.plan();
  }

  /** @param took milliseconds that the look before took: they count as time passed, up to half of it */
  private plan(took = 0) {
    if (this.closed) return;
    const spread = 0.75 + Math.random() / 2;
    const ms = ALONE_MS * spread;
    // The bus may go while the next look is far off.
    this.timer = setTimeout(
      async () => {
        const began = performance.now();
        if (!this.bus.ok || began >= this.due) {
          await this.now();
          this.due = performance.now() + this.config.REPAIR_SECONDS * 1000 * spread;
        }
        this.plan(performance.now() - began);
      },
      Math.max(ms / 2, ms - took),
    );
  }

  /** What these transactions have stored was given to everybody who is here. */
  given(xids: readonly number[]): void {
    if (this.own.size < GIVEN) for (const xid of xids) this.own.add(xid);
  }

  /** Looks for all that is there at this moment: a look that is under way may have begun before it, so another follows. */
  now(): Promise<void> {
    this.next ??= this.looking.then(() => {
      this.next = undefined;
      this.looking = this.look();
      return this.looking;
    });
    return this.next;
  }

  private async look() {
    try {
      const { delivery, history } = this.db;
      const own = [...this.own];
      const { snapshot, isPart, isUndone, moved } = await delivery.ask(async (sql) => {
        await history.prove(sql);
        return lookAtBatches(sql, this.snapshot, this.settled, own);
      });
      if (isUndone) history.lose();
      if (isPart) await this.sweepAll();
      else this.sweepSome();
      await this.mend(moved);
      // Only now: what a look that failed had found is found again.
      this.snapshot = snapshot;
      for (const xid of own) this.own.delete(xid);
      this.settle(snapshot);
      await this.prune();
    } catch (error) {
      this.log.debug({ err: error }, 'could not look for what was stored');
    }
  }

  private settle(snapshot: string) {
    const now = performance.now();
    if (this.settling !== undefined && now - this.settling.at < SETTLED_MS) return;
    this.settled = this.settling?.snapshot;
    this.settling = { snapshot, at: now };
  }

  /** Has whoever lacks something of these conversations read the log. */
  private async mend(moved: readonly Moved[]) {
    for (const { conversation, change } of moved)
      if (change > 0) this.feed.heard({ conversation, first: change, last: change });
    const isAll = this.lacking(moved).size === 0 && moved.every((one) => this.untold(one).length === 0);
    if (isAll) return this.settleAll(moved);
    if (this.bus.ok) await sleep(LATE_MS);
    for (const connection of this.lacking(moved)) {
      // One that reads the log goes on with that.
      if (connection.isLive) this.counts.repaired++;
      connection.fallBehind();
    }
    for (const one of moved) await this.tellEnd(one);
    this.settleAll(moved);
  }

  private settleAll(moved: readonly Moved[]) {
    for (const { conversation, end } of moved) this.crowds.settle(conversation, end);
  }

  /** The connections that were never told of the end of a conversation that is parked for them, or not of all before it. */
  private untold({ conversation, end, members, size }: Moved): Connection[] {
    if (size === 0 || this.crowds.knows(conversation, end)) return [];
    const place = { conversation, seq: end, size };
    return members.flatMap((member) =>
      this.registry.of(member).filter((connection) => connection.lacksHead(place)),
    );
  }

  /** Tells them, and who was mentioned meanwhile. */
  private async tellEnd(moved: Moved) {
    const untold = this.untold(moved);
    if (untold.length === 0) return;
    const { conversation, end: seq, at } = moved;
    const mentioning = await this.db.delivery.ask((sql) =>
      mentioningIn(sql, conversation, Math.max(0, seq - GROUPS.behind), seq),
    );
    this.counts.repaired += untold.length;
    for (const connection of untold)
      connection.noteHead({ conversation, seq, at, mention: newestOf(mentioning, connection.user) }, 0);
  }

  /** The connections that don't have all of these conversations. */
  private lacking(moved: readonly Moved[]): Set<Connection> {
    const lacking = new Set<Connection>();
    for (const { conversation, end, members, many } of moved)
      for (const member of members)
        for (const connection of this.registry.of(member))
          if (connection.lacks(conversation, end, many)) lacking.add(connection);
    return lacking;
  }

  /** Has the next few connections read the log, so that each does now and then. */
  private sweepSome() {
    this.sweepDue += this.registry.all.size / SWEEP_LOOKS;
    for (; this.sweepDue >= 1; this.sweepDue--) {
      this.sweep ??= this.registry.all.values();
      const next = this.sweep.next();
      if (next.done === true) this.sweep = undefined;
      else next.value.fallBehind();
    }
  }

  private async sweepAll() {
    let left = SWEEP_CONNECTIONS;
    for (const connection of this.registry.all) {
      if (left-- === 0) {
        await sleep(SWEEP_PAUSE_MS);
        left = SWEEP_CONNECTIONS;
      }
      connection.fallBehind();
    }
  }

  private async prune() {
    if (performance.now() - this.prunedAt < PRUNE_MS) return;
    this.prunedAt = performance.now();
    const some = () => this.db.delivery.ask((sql) => pruneBatches(sql, KEPT_MINUTES, PRUNE_ROWS));
    while (!this.closed && (await some()));
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.next;
    await this.looking;
  }
}
