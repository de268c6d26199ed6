import type { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { FastifyRequest } from 'fastify';
import { HTTP } from '../../schemas/limits.js';
import { ChatError } from '../errors.js';
import type { Result, Task } from './password-worker.js';

/** A hash of nothing anybody knows, so that an unknown user costs as much time as a wrong password. */
export const NOBODY = '$2b$10$enE2exHYWS8NE4vGWdjGIeIn2hMYCQ/vlc7qLiOsxjzx4/LU7WtZW';

/** Who waits for a run, as long as the socket is there. */
interface Asker {
  address: string;
  socket: Socket;
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
/** Who is there goes before who may have left, then by turns. */
const order = (a: Waiting, b: Waiting) => Number(isLeaving(a)) - Number(isLeaving(b)) || a.round - b.round;

export const askerOf = ({ ip, raw }: FastifyRequest): Asker => ({ address: ip, socket: raw.socket });

/**
 * bcrypt in a few threads of low priority and with a bounded queue, so that logins slow down and chat doesn't. Addresses take
 * turns in it, and nothing is run for who has gone.
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
   * @param stored hash of the user; undefined for an unknown user
   * @throws ChatError `overloaded`, as `hash`
   */
  async matches(password: string, stored: string | undefined, asker?: Asker): Promise<boolean> {
    const matched = await this.queued({ password, hash: stored ?? NOBODY }, asker);
    this.counts.compared++;
    return matched === true && stored !== undefined;
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
        new ChatError('overloaded', 'too many people sign in at this moment, try again', { retryAfter: 2 }),
      );
    this.waiting.push({ asker, round: Math.max(this.round, before) + 1, start, refuse });
    if (this.waiting.length > HTTP.waitingPasswords) this.take(-1)?.refuse();
  }

  private startNext() {
    this.dropGone();
    const next = this.take(0);
    if (next === undefined) return;
    this.round = next.round;
    this.running++;
    next.start();
  }

  /** Takes the first or, with -1, the last in the order. */
  private take(place: 0 | -1): Waiting | undefined {
    const taken = this.waiting.toSorted(order).at(place);
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
