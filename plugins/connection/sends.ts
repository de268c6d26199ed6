/** Sends of one connection that may wait for the log before no further frame is handled. */
const MANY = 1000;

/** Sends of one client that the log hasn't answered yet. They are answered in their order, but for those that wait for a lock. */
export class Sends {
  private waiting = 0;
  private answers = 0;
  /** Who waits until so many are answered. */
  private awaiting: { answers: number; resolve: () => void }[] | undefined;

  /** Whether one more may be passed to the log. */
  get hasRoom(): boolean {
    return this.waiting < MANY;
  }

  /** Whether none waits for an answer. */
  get isEmpty(): boolean {
    return this.waiting === 0;
  }

  /** One was passed to the log. */
  add(): void {
    this.waiting++;
  }

  /** One was answered by the log. @returns whether there is room again after there was none */
  answer(): boolean {
    this.waiting--;
    this.answers++;
    while (this.awaiting?.[0] !== undefined && this.awaiting[0].answers <= this.answers)
      this.awaiting.shift()?.resolve();
    return this.waiting === MANY / 2;
  }

  /** Waits until as many are answered, stored or refused, as wait for an answer now; undefined if none does. */
  answered(): Promise<void> | undefined {
    if (this.waiting === 0) return undefined;
    return new Promise((resolve) => {
      this.awaiting ??= [];
      this.awaiting.push({ answers: this.answers + this.waiting, resolve });
    });
  }
}
