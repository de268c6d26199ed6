import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { ChatError } from './errors.js';
import type { Result, Task } from './password-worker.js';

/** Hashing that waits at most; past it a login is told to come back. */
const WAITING = 64;
/** A hash of nothing anybody knows, so that an unknown user costs as much time as a wrong password. */
export const NOBODY = '$2b$10$enE2exHYWS8NE4vGWdjGIeIn2hMYCQ/vlc7qLiOsxjzx4/LU7WtZW';

/** bcrypt in a few threads of low priority and with a bounded queue, so that logins slow down and chat doesn't. */
export class Passwords {
  /** Runs of bcrypt since the start. */
  readonly counts = { hashed: 0, compared: 0 };
  private readonly atOnce = Math.max(1, Math.min(4, availableParallelism() - 1));
  private readonly idle: Worker[] = [];
  private running = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly workers = new Set<Worker>();
  private closed = false;

  /** @throws ChatError `overloaded` */
  async hash(password: string): Promise<string> {
    const result = await this.queued({ password });
    this.counts.hashed++;
    return String(result);
  }

  /**
   * Takes equally long whether there is a hash or not.
   * @param stored hash of the user; undefined for an unknown user
   * @throws ChatError `overloaded`
   */
  async matches(password: string, stored: string | undefined): Promise<boolean> {
    const matched = await this.queued({ password, hash: stored ?? NOBODY });
    this.counts.compared++;
    return matched === true && stored !== undefined;
  }

  private async queued(task: Task): Promise<Result> {
    if (this.running < this.atOnce) this.running++;
    else if (this.waiting.length < WAITING) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else
      throw new ChatError('overloaded', 'too many people sign in at this moment, try again', {
        retryAfter: 2,
      });
    try {
      return await this.run(task);
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }

  private async run(task: Task): Promise<Result> {
    if (this.closed) throw new ChatError('unavailable');
    const worker = this.idle.pop() ?? this.open();
    const result = await new Promise<Result>((resolve, reject) => {
      const ended = () => reject(new ChatError('unavailable'));
      worker.once('exit', ended);
      worker.once('message', (answer: Result) => {
        worker.off('exit', ended);
        resolve(answer);
      });
      worker.postMessage(task);
    });
    this.idle.push(worker);
    return result;
  }

  private open(): Worker {
    const worker = new Worker(new URL('./password-worker.js', import.meta.url), { name: 'passwords' });
    // Its end follows, and tells whoever waits.
    worker.on('error', () => {});
    worker.on('exit', () => {
      this.workers.delete(worker);
      const place = this.idle.indexOf(worker);
      if (place >= 0) this.idle.splice(place, 1);
    });
    this.workers.add(worker);
    return worker;
  }

  async close(): Promise<void> {
    this.closed = true;
    await Promise.all([...this.workers].map((worker) => worker.terminate()));
  }
}
