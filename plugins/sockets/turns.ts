/** Requests that begin in one turn of the event loop. */
const EACH_TURN = 8;

/**
 * Lets a few requests begin in each turn of the event loop, in the order they came. However many arrive at once, what is ready on
 * other sockets is read between them: a flood of requests waits for itself, and messages hardly for it.
 */
export class Turns {
  private left = EACH_TURN;
  private planned = false;
  private readonly waiting: (() => void)[] = [];

  /** Calls `begin` at once, or in one of the next turns. */
  take(begin: () => void): void {
    this.plan();
    if (this.left === 0) this.waiting.push(begin);
    else {
      this.left--;
      begin();
    }
  }

  private plan() {
    if (this.planned) return;
    this.planned = true;
    setImmediate(() => this.turn());
  }

  private turn() {
    this.planned = false;
    const now = this.waiting.splice(0, EACH_TURN);
    this.left = EACH_TURN - now.length;
    if (now.length > 0) this.plan();
    for (const begin of now) begin();
  }
}
