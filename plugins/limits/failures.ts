import { RATES } from '../../schemas/limits.js';
import { Cache } from '../cache.js';
import type { Clock } from '../clock.js';

/** What failures are counted for. */
export interface Counted {
  key: string;
  /** Failures that make nobody wait. */
  free: number;
}

/** Doublings after which the wait doesn't grow any more. */
const DOUBLINGS = Math.ceil(Math.log2(RATES.longestWaitMs / RATES.firstWaitMs));

/** The failures of late, and how long each makes whoever comes next wait. */
export class Failures {
  /** When they were, by the clock, oldest first. */
  private readonly times = new Cache<string, number[]>({
    entries: RATES.countedFailures,
    ageMs: RATES.failuresMs,
  });

  /** @param mostFree as many as are free for anything */
  constructor(
    private readonly clock: Pick<Clock, 'now'>,
    private readonly mostFree: number,
  ) {}

  /** How many there were of late. */
  count(key: string): number {
    const times = this.times.get(key);
    if (times === undefined) return 0;
    const first = times.findIndex((time) => this.clock.now - time < RATES.failuresMs);
    if (first !== 0) times.splice(0, first < 0 ? times.length : first);
    return times.length;
  }

  /** Milliseconds until the next try; 0 if it may be now. */
  wait({ key, free }: Counted): number {
    const count = this.count(key);
    const last = this.times.get(key)?.at(-1);
    if (count < free || last === undefined) return 0;
    const ms = Math.min(RATES.firstWaitMs * 2 ** (count - free), RATES.longestWaitMs);
    return Math.max(0, last + ms - this.clock.now);
  }

  add(key: string): void {
    const times = this.times.get(key) ?? [];
    times.push(this.clock.now);
    if (times.length > this.mostFree + DOUBLINGS) times.shift();
    this.times.set(key, times);
  }

  /** What was added last was none. */
  takeBack(key: string): void {
    const times = this.times.get(key);
    times?.pop();
    if (times?.length === 0) this.times.delete(key);
  }
}
