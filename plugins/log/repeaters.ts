/** Users that are remembered, and milliseconds for which each is. */
const MANY = 1000;
const AGE_MS = 60_000;

/** Users who said again, of late, what was stored already. */
export class Repeaters {
  /** Until when, in milliseconds of `performance.now()`; the oldest first. */
  private readonly until = new Map<number, number>();

  add(user: number): void {
    this.until.delete(user);
    this.until.set(user, performance.now() + AGE_MS);
    if (this.until.size <= MANY) return;
    for (const oldest of this.until.keys()) {
      this.until.delete(oldest);
      break;
    }
  }

  has(user: number): boolean {
    const until = this.until.get(user);
    if (until === undefined) return false;
    if (performance.now() < until) return true;
    this.until.delete(user);
    return false;
  }
}
