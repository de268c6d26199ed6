/** Growing waits with full jitter: a crowd that lost its server doesn't come back as one. Never zero. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(30_000, 700 * 2 ** Math.min(attempt, 10));
  return Math.round(300 + random() * ceiling);
}
