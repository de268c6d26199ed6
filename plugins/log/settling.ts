import type { Confirmed } from './types.js';

/** Debts that one statement deletes at most: beside a batch some more than come with one like it, so that none has to wait. */
const DEBTS = 1000;

/** Debts that are known to have arrived, and wait to be deleted: with a batch, or by themselves. */
export class Settling {
  /** In the order in which they were confirmed. */
  readonly debts: Confirmed[] = [];

  add(debts: readonly Confirmed[]): void {
    for (const debt of debts) this.debts.push(debt);
  }

  /** The next, to be deleted with a batch of so many messages. */
  beside(messages: number): readonly Confirmed[] {
    return this.debts.slice(0, Math.min(2 * messages + 100, DEBTS));
  }

  /** The next, to be deleted by themselves. */
  alone(): readonly Confirmed[] {
    return this.debts.slice(0, DEBTS);
  }

  /** Whether there are so many that they can't wait for batches. */
  get areMany(): boolean {
    return this.debts.length >= 4 * DEBTS;
  }

  /** The first so many are gone. */
  drop(count: number): void {
    this.debts.splice(0, count);
  }
}
