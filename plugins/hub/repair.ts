import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { lookAtBatches, type Moved, pruneBatches } from '../../sql/batches.js';
import { epochOf } from '../../sql/epoch.js';
import { openDebts } from '../../sql/messages.js';
import type { Bus } from '../bus/bus.js';
import type { Settings } from '../config.js';
import type { Connection } from '../connection/connection.js';
import type { Db } from '../db/handle.js';
import type { MessageLog } from '../log/log.js';
import type { Confirmed } from '../log/types.js';
import type { Registry } from './registry.js';

/** Milliseconds from look to look while the bus is away, and so nothing comes from other replicas. */
const ALONE_MS = 250;
/** Milliseconds for what is still on its way: it is in the log before it is published. */
const LATE_MS = 100;
/** Debts of a user that one look asks for, the newest. */
const LOOK_ROWS = 64;
/** Minutes that batches are kept, milliseconds from one pruning to the next, and rows that one statement deletes. */
const KEPT_MINUTES = 10;
const PRUNE_MS = 60_000;
const PRUNE_ROWS = 5000;
/** Looks in which each connection once reads the log, whatever the batches say: a version before this one writes none. */
const SWEEP_LOOKS = 150;
/** Connections that read the log at once where all have to, and milliseconds to the next ones. */
const SWEEP_CONNECTIONS = 100;
const SWEEP_PAUSE_MS = 50;

/** Looks, again and again, for messages that a connection doesn't know of: their publish was lost, or is late. */
export class Repair {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private settledWhileLooking: Set<number> | undefined;
  /** What the last look could see. */
  private snapshot: string | undefined;
  private prunedAt = performance.now();
  private sweep: Iterator<Connection> | undefined;
  private sweepDue = 0;
  private closed = false;

  /** @param onNewEpoch called where the database has another history than before */
  constructor(
    private readonly config: Settings,
    private readonly log: FastifyBaseLogger,
    private readonly db: Db,
    private readonly bus: Bus,
    private readonly messages: MessageLog,
    private readonly registry: Registry,
    private readonly counts: { repaired: number },
    private readonly onNewEpoch: (epoch: string) => void,
  ) {}

  /** Looks for the first time, to know where later looks go on, and plans them. */
  async start(): Promise<void> {
    await this.now();
    this.plan();
  }

  private plan() {
    if (this.closed) return;
    const ms = this.bus.ok ? this.config.REPAIR_SECONDS * 1000 : ALONE_MS;
    this.timer = setTimeout(
      async () => {
        await this.now();
        this.plan();
      },
      ms * (0.75 + Math.random() / 2),
    );
  }

  /** Looks now, or waits for the look that is under way. */
  async now(): Promise<void> {
    this.looking ??= this.look().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  /** Debts are deleted: a look that is under way may still have read them. */
  onSettled(debts: readonly Confirmed[]): void {
    if (this.settledWhileLooking !== undefined)
      for (const debt of debts) this.settledWhileLooking.add(debt.msgId);
  }

  private async look() {
    this.settledWhileLooking = new Set();
    try {
      const epoch = await this.db.delivery.ask(epochOf);
      if (epoch !== this.db.epoch) {
        this.snapshot = undefined;
        this.onNewEpoch(epoch);
        return;
      }
      const { snapshot, pruned, moved } = await this.db.delivery.ask((sql) =>
        lookAtBatches(sql, this.snapshot),
      );
      if (pruned) await this.sweepAll();
      else this.sweepSome();
      await this.mend(moved);
      // Only now: what a look that failed had found is found again.
      this.snapshot = snapshot;
      await this.prune();
    } catch (error) {
      this.log.debug({ err: error }, 'could not look for what was stored');
    } finally {
      this.settledWhileLooking = undefined;
    }
  }

  /** Has whoever lacks something of these conversations read the log. */
  private async mend(moved: readonly Moved[]) {
    if (this.lacking(moved).size === 0) return;
    await sleep(LATE_MS);
    const lacking = this.lacking(moved);
    for (const connection of await this.unknowing(lacking)) {
      // One that reads the log goes on with that.
      if (connection.isLive) this.counts.repaired++;
      connection.fallBehind();
    }
  }

  /** The connections that may not have all of these conversations, with those that they may not have. */
  private lacking(moved: readonly Moved[]): Map<Connection, Moved[]> {
    const lacking = new Map<Connection, Moved[]>();
    for (const each of moved)
      for (const member of each.members)
        for (const connection of this.registry.of(member)) {
          if (!connection.mayLack(each.conversation, each.end)) continue;
          const list = lacking.get(connection);
          if (list === undefined) lacking.set(connection, [each]);
          else list.push(each);
        }
    return lacking;
  }

  /** Of these the ones that do lack something. A plain client has no positions: what it lacks is a debt that it wasn't written. */
  private async unknowing(lacking: ReadonlyMap<Connection, Moved[]>): Promise<Connection[]> {
    const plain = [...lacking.keys()].filter((connection) => connection.knowsByDebts);
    if (plain.length === 0) return [...lacking.keys()];
    const debts = await this.db.delivery.ask((sql) =>
      openDebts(
        sql,
        plain.map(({ user }) => user),
        plain.map(({ line }) => line),
        LOOK_ROWS,
      ),
    );
    const settling = new Set(this.messages.settling.map((debt) => debt.msgId));
    return [...lacking].flatMap(([connection, conversations]) => {
      if (!connection.knowsByDebts) return [connection];
      const open = debts.filter(
        ({ to, conversation, seq, msgId }) =>
          to === connection.user &&
          conversations.some((each) => each.conversation === conversation && seq <= each.end) &&
          !settling.has(msgId) &&
          !this.settledWhileLooking?.has(msgId),
      );
      return open.length > 0 && !connection.knows(open) ? [connection] : [];
    });
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
    await this.looking;
  }
}
