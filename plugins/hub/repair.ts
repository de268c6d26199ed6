import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { epochOf } from '../../sql/epoch.js';
import { type OpenDebt, openDebts } from '../../sql/messages.js';
import type { Settings } from '../config.js';
import type { Connection } from '../connection/connection.js';
import type { Db } from '../db/handle.js';
import type { MessageLog } from '../log/log.js';
import type { Confirmed } from '../log/types.js';
import type { Registry } from './registry.js';

/** Debts of a user that one look asks for, the newest; users of one question, and milliseconds to the next, so that sends go first. */
const LOOK_ROWS = 64;
const LOOK_USERS = 500;
const LOOK_PAUSE_MS = 10;
/** Milliseconds for what is still on its way: it is in the log before it is published. */
const LATE_MS = 100;

/** Looks, again and again, for debts that a live connection doesn't know of: their publish was lost, or is late. */
export class Repair {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private settledWhileLooking: Set<number> | undefined;
  private closed = false;

  /** @param onNewEpoch called where the database has another history than before */
  constructor(
    private readonly config: Settings,
    private readonly log: FastifyBaseLogger,
    private readonly db: Db,
    private readonly messages: MessageLog,
    private readonly registry: Registry,
    private readonly counts: { repaired: number },
    private readonly onNewEpoch: (epoch: string) => void,
  ) {}

  /** Plans the next look. */
  start(): void {
    const ms = this.config.REPAIR_SECONDS * 1000 * (0.75 + Math.random() / 2);
    this.timer = setTimeout(async () => {
      await this.now();
      if (!this.closed) this.start();
    }, ms);
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
    const live = [...this.registry.values()].filter((connection) => connection.isLive);
    this.settledWhileLooking = new Set();
    try {
      const epoch = await this.db.delivery.ask(epochOf);
      if (epoch !== this.db.epoch) return this.onNewEpoch(epoch);
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
    if (this.unknown(debts).length === 0) return;
    await sleep(LATE_MS);
    for (const connection of this.unknown(debts)) {
      this.counts.repaired++;
      connection.fallBehind();
    }
  }

  /** The live connections that don't know of debts that are open still. */
  private unknown(debts: readonly OpenDebt[]): Connection[] {
    const settling = new Set(this.messages.settling.map((debt) => debt.msgId));
    const byUser = new Map<number, OpenDebt[]>();
    for (const debt of debts) {
      if (settling.has(debt.msgId) || this.settledWhileLooking?.has(debt.msgId)) continue;
      const list = byUser.get(debt.to);
      if (list === undefined) byUser.set(debt.to, [debt]);
      else list.push(debt);
    }
    return [...byUser].flatMap(([user, list]) => {
      const connection = this.registry.of(user);
      return connection?.isLive && !connection.knows(list) ? [connection] : [];
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.looking;
  }
}
