import { CLOSE } from '../../schemas/close.js';
import type { Clock } from '../clock.js';
import type { Settings } from '../config.js';
import type { Gapped, Pinging, Pumping, Telling } from '../connection/port.js';
import type { Registry } from './registry.js';

/** Milliseconds between two turns of the one timer that all connections share. */
const TICK_MS = 250;
/** Milliseconds for a missing message to come by itself. */
const GAP_MS = 50;

/** What connections have called at another time, by one timer for all: a timer for each would cost more than what it waits for. */
export class Beat {
  private readonly toPing = new Set<Pinging>();
  private readonly toTell = new Set<Telling>();
  private readonly gaps = new Set<Gapped>();
  private readonly toPump = new Set<Pumping>();
  private ticker: NodeJS.Timeout | undefined;
  private gapTimer: NodeJS.Timeout | undefined;

  /** @param onTick called with every turn */
  constructor(
    private readonly config: Settings,
    private readonly clock: Clock,
    private readonly registry: Registry,
    private readonly onTick: () => void,
  ) {}

  start(): void {
    this.ticker = setInterval(() => this.tick(), TICK_MS);
  }

  pingSoon(one: Pinging): void {
    this.toPing.add(one);
  }

  pumpLater(one: Pumping): void {
    this.toPump.add(one);
  }

  headsSoon(one: Telling): void {
    this.toTell.add(one);
  }

  watchGap(one: Gapped): void {
    this.gaps.add(one);
    this.gapTimer ??= setTimeout(() => {
      this.gapTimer = undefined;
      const late = [...this.gaps];
      this.gaps.clear();
      for (const each of late) each.closeGap();
    }, GAP_MS);
  }

  /** Forgets a connection that is gone. */
  forget(one: Pinging & Pumping & Gapped): void {
    this.toPing.delete(one);
    this.gaps.delete(one);
    this.toPump.delete(one);
  }

  private tick() {
    this.onTick();
    for (const one of this.toPing) {
      if (!one.mayPing) continue;
      this.toPing.delete(one);
      one.requestPong();
    }
    for (const one of this.toTell) {
      if (!one.isGone && !one.mayTellHeads) continue;
      this.toTell.delete(one);
      one.tellHeads();
    }
    const toPump = [...this.toPump];
    this.toPump.clear();
    for (const one of toPump) one.pump();
    const { now } = this.clock;
    const heartbeat = this.config.HEARTBEAT_SECONDS * 1000;
    const timeout = this.config.HEARTBEAT_TIMEOUT_SECONDS * 1000;
    const slow = this.config.SLOW_SECONDS * 1000;
    for (const connection of this.registry.all) {
      if (connection.isExpired) connection.close(CLOSE.expired);
      else if (connection.silentFor > timeout) connection.close(CLOSE.idle);
      else if (connection.isStuck(now, slow)) connection.close(CLOSE.slow);
      else if (connection.unaskedFor > heartbeat) connection.ping();
    }
  }

  close(): void {
    clearInterval(this.ticker);
    clearTimeout(this.gapTimer);
  }
}
