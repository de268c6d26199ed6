import type { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { HTTP } from '../../schemas/limits.js';
import { ChatError } from '../errors.js';
import type { Result, Task } from './password-worker.js';

/** A hash of nothing anybody knows, so that an unknown user costs as much time as a wrong password. */
export const NOBODY = '$2b$10$enE2exHYWS8NE4vGWdjGIeIn2hMYCQ/vlc7qLiOsxjzx4/LU7WtZW';

/** What a hash looks like: whatever else stands there fits no password, and isn't to be told by how soon that is known. */
const HASH = /^\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}$/;

/** Who waits for a run, as long as the socket is there. */
export interface Asker {
  address: string;
  socket: Socket;
  /** The lower it is the sooner it is their turn, whoever else waits. It may change while they do. */
  standing(): number;
}

interface Waiting {
  asker: Asker | undefined;
  /** Addresses take turns: the place of this run among those of its address, and of that among all. */
  round: number;
  start(): void;
  refuse(): void;
}

/** Of whom a run may be done for nothing: a client that hung up looks like one that only has nothing more to say. */
const isLeaving = ({ asker }: Waiting) => asker?.socket.readableEnded === true;
const isGone = ({ asker }: Waiting) => asker?.socket.destroyed === true;
/** Who is there goes before who may have left, then by standing, then by turns. */
function isBefore(a: Waiting, b: Waiting): boolean {
  const [left, otherLeft] = [isLeaving(a), isLeaving(b)];
  if (left !== otherLeft) return otherLeft;
  const [standing, other] = [a.asker?.standing() ?? 0, b.asker?.standing() ?? 0];
  return standing === other ? a.round < b.round : standing < other;
}

/**
 * bcrypt in a few threads of low priority and with a bounded queue, so that logins slow down and chat doesn't. In it whoever is known
 * goes before who may be guessing, addresses take turns, and nothing is run for who has gone.
 */
export class Passwords {
  /** Runs of bcrypt since the start. */
  readonly counts = { hashed: 0, compared: 0 };
  private readonly atOnce = Math.max(1, Math.min(4, availableParallelism() - 1));
  private readonly idle: Worker[] = [];
  private running = 0;
  private waiting: Waiting[] = [];
  private round = 0;
  private readonly workers = new Set<Worker>();
  private closed = false;

  /** @throws ChatError `overloaded`, which nobody hears if it is for an asker who has gone */
  async hash(password: string, asker?: Asker): Promise<string> {
    const result = await this.queued({ password }, asker);
    this.counts.hashed++;
    return String(result);
  }

  /**
   * Takes equally long whether there is a hash or not.
   * @param stored what the user has for a hash; undefined for an unknown user
   * @throws ChatError `overloaded`, as `hash`
   */
  async matches(password: string, stored: string | undefined, asker?: Asker): Promise<boolean> {
    const isHash = stored !== undefined && HASH.test(stored);
    const matched = await this.queued({ password, hash: isHash ? stored : NOBODY }, asker);
    this.counts.compared++;
    return matched === true && isHash;
  }

  private async queued(task: Task, asker: Asker | undefined): Promise<Result> {
    if (this.running < this.atOnce) this.running++;
    else await new Promise<void>((start, reject) => this.wait(asker, start, reject));
    try {
      return await this.run(task);
    } finally {
      this.running--;
      this.startNext();
    }
  }

  /** Queues; of too many the last in the order is refused, be it this one or another. */
  private wait(asker: Asker | undefined, start: () => void, reject: (error: ChatError) => void) {
    this.dropGone();
    const before = this.waiting.findLast((other) => other.asker?.address === asker?.address)?.round ?? 0;
    const refuse = () =>
      reject(
        new ChatError('overloaded', 'too many people sign in at this moment, try again', {
          retryAfterMs: 2000,
        }),
      );
    this.waiting.push({ asker, round: Math.max(this.round, before) + 1, start, refuse });
    if (this.waiting.length > HTTP.waitingPasswords) this.take('last')?.refuse();
  }

  private startNext() {
    this.dropGone();
    const next = this.take('first');
    if (next === undefined) return;
    this.round = Math.max(this.round, next.round);
    this.running++;
    next.start();
  }

  /** Takes who is first or last in the order; of those in the same place who came first or last. */
  private take(place: 'first' | 'last'): Waiting | undefined {
    let taken = this.waiting[0];
    for (const one of this.waiting)
      if (taken !== undefined && (place === 'first' ? isBefore(one, taken) : !isBefore(one, taken)))
        taken = one;
    this.waiting = this.waiting.filter((one) => one !== taken);
    return taken;
  }

  private dropGone() {
    for (const one of this.waiting) if (isGone(one)) one.refuse();
    this.waiting = this.waiting.filter((one) => !isGone(one));
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
    const worker = new Worker(new URL(`./password-worker${extname(import.meta.url)}`, import.meta.url), {
      name: 'passwords',
    });
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
