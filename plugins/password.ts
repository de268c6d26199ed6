import { availableParallelism } from 'node:os';
import { compare, hash } from '@node-rs/bcrypt';
import { ChatError } from './errors.js';

const COST = 10;
/** Hashing that waits at most; past it a login is told to come back. */
const WAITING = 64;
/** A hash of nothing anybody knows, so that an unknown user costs as much time as a wrong password. */
export const NOBODY = '$2b$10$enE2exHYWS8NE4vGWdjGIeIn2hMYCQ/vlc7qLiOsxjzx4/LU7WtZW';

/** bcrypt off the main thread, in few threads and with a bounded queue, so that logins slow down and chat doesn't. */
export class Passwords {
  /** Runs of bcrypt since the start. */
  readonly counts = { hashed: 0, compared: 0 };
  private readonly atOnce = Math.max(1, Math.min(4, availableParallelism() - 1));
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** @throws ChatError `overloaded` */
  hash(password: string): Promise<string> {
    return this.queued(() => {
      this.counts.hashed++;
      return hash(password, COST);
    });
  }

  /**
   * Takes equally long whether there is a hash or not.
   * @param stored hash of the user; undefined for an unknown user
   * @throws ChatError `overloaded`
   */
  async matches(password: string, stored: string | undefined): Promise<boolean> {
    const matched = await this.queued(() => {
      this.counts.compared++;
      return compare(password, stored ?? NOBODY).catch(() => false);
    });
    return matched && stored !== undefined;
  }

  private async queued<T>(work: () => Promise<T>): Promise<T> {
    if (this.running < this.atOnce) this.running++;
    else if (this.waiting.length < WAITING) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else
      throw new ChatError('overloaded', 'too many people sign in at this moment, try again', {
        retryAfter: 2,
      });
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }
}
