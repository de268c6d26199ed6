import { signal } from '@preact/signals';
import { keep, kept } from './settings.js';

// A computer's clock may be wrong by days. What is compared with the server's times is told by the server's clock.
const place = 'chat.clock';
/** A difference that a slow line makes is none. */
const worthwhile = 5_000;

/** Milliseconds that the server's clock is ahead of ours. The last one known holds until it is heard of again. */
export const ahead = signal(Number(kept(place)) || 0);

/** @param serverTime what the server's clock shows now */
export function learnTime(serverTime: string): void {
  const found = Date.parse(serverTime) - Date.now();
  const fresh = Math.abs(found) < worthwhile ? 0 : found;
  if (Math.abs(fresh - ahead.peek()) < worthwhile) return;
  ahead.value = fresh;
  keep(place, fresh === 0 ? null : String(fresh));
}

/** What the server's clock shows, in milliseconds as of `Date.now()`. */
export const now = (): number => Date.now() + ahead.peek();
