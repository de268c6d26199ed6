import { RATES } from '../../schemas/limits.js';

/** Milliseconds that one thing costs, and one byte of it: as if it took that long. */
export interface Price {
  each: number;
  byte: number;
}

/** @returns the price at which so many a second can be had */
export const priceOf = (perSecond: number, bytesPerSecond = Number.POSITIVE_INFINITY): Price => ({
  each: 1000 / perSecond,
  byte: 1000 / bytesPerSecond,
});

/**
 * What somebody may have steadily, and some seconds' worth of it at once: all that was taken is worked off one after the other, and
 * two moments say until when.
 */
export class Allowance {
  private until = 0;
  private bytesUntil = 0;

  /** @returns milliseconds until as much may be taken; not more than 0 if it may now */
  wait(price: Price, bytes: number, now: number): number {
    const until = Math.max(this.until, now) + price.each;
    const bytesUntil = Math.max(this.bytesUntil, now) + bytes * price.byte;
    return Math.max(until, bytesUntil) - now - RATES.burstMs;
  }

  /** Takes it, whether it may be taken or not. */
  take(price: Price, bytes: number, now: number): void {
    this.until = Math.max(this.until, now) + price.each;
    this.bytesUntil = Math.max(this.bytesUntil, now) + bytes * price.byte;
  }
}
