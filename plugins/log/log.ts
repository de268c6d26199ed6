import type { BaseLogger } from 'pino';
import { LIMITS } from '../../schemas/limits.js';
import type { Db } from '../db/handle.js';
import { ChatError } from '../errors.js';
import type { Entry } from './entry.js';
import { Health } from './health.js';
import { Held } from './held.js';
import { Intake } from './intake.js';
import { SendQueue } from './queue.js';
import { Repeaters } from './repeaters.js';
import { type Outcome, Store } from './store.js';
import { Teller } from './teller.js';
import type { LogListener, Send } from './types.js';

/** Milliseconds from the start of one batch to the next, unless as many messages wait as make one worthwhile. */
const INTERVAL_MS = 8;
const WORTHWHILE = 64;
/** What each batch leaves of the largest of late. Slow, so that a batch that came sooner by it doesn't make the next ones smaller. */
const FADE = 0.996;
/** Milliseconds that a send may wait in a log that is well. */
const STALE_MS = 5000;

/**
 * The log: gathers sends while a batch is under way, and stores them with the next one. One batch at a time, so the order
 * of sends is the order of the log.
 */
export class MessageLog {
  /** Counts since the start, for metrics and for tests that guard the cost of a message. */
  readonly counts = { batches: 0, messages: 0, statements: 0 };
  private readonly queue = new SendQueue();
  /** Since when a send waits that isn't answered yet, in milliseconds of `performance.now()`. */
  private waitingSince: number | undefined;
  private running = false;
  private startedAt = Number.NEGATIVE_INFINITY;
  private endWait: (() => void) | undefined;
  /**
   * As many waiting messages as there is no use in waiting for more of: as the largest batch of late had. Where everybody waits
   * for an answer before they write again, nobody is left to wait for.
   */
  private worthwhile = 1;
  private idle: Promise<void> = Promise.resolve();
  private closed = false;
  private readonly repeaters = new Repeaters();
  private readonly health: Health;
  private readonly store: Store;
  private readonly held: Held;
  private readonly intake: Intake;
  private readonly teller: Teller;

  constructor(
    private readonly db: Db,
    private readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>,
    /** Whether only contacts may begin a conversation. */
    acquainted: boolean,
  ) {
    this.teller = new Teller(log);
    this.health = new Health(
      db,
      log,
      () => this.refuseAll(),
      () => this.start(),
    );
    this.store = new Store(db.log, this.health, log, this.counts, acquainted);
    this.held = new Held(db.held, this.store, (outcome) => this.tell(outcome));
    this.intake = new Intake(db.log, this.held, this.teller, this.counts);
  }

  /** Hears of what is stored and settled. */
  set listener(listener: LogListener) {
    this.teller.listener = listener;
  }
  get listener(): LogListener {
    return this.teller.listener;
  }

  /** Stores a message, soon; its sender hears. Refused at once where nothing can be stored now. */
  append(send: Send): void {
    const { sender, clientId } = send;
    if (this.health.isDown || this.closed) return sender.onFailed(clientId, new ChatError('unavailable'));
    if (this.waitingBytes >= LIMITS.waitingBytes)
      return sender.onFailed(clientId, new ChatError('overloaded'));
    this.queue.push(send);
    this.waitingSince ??= performance.now();
    if (this.queue.size >= this.worthwhile) this.endWait?.();
    this.start();
  }

  /** Finishes what was asked so far. */
  async flush(): Promise<void> {
    this.start();
    while (this.running) await this.idle;
    await this.held.idle;
  }

  async close(): Promise<void> {
    await this.flush();
    this.closed = true;
    this.health.close();
  }

  // ---- one batch after the other ----

  private start() {
    if (this.running || this.closed) return;
    this.running = true;
    this.idle = this.run();
  }

  private async run() {
    try {
      await new Promise(setImmediate);
      while (!this.health.isDown && this.queue.size > 0) {
        await this.interval();
        const batch = this.queue.take();
        this.startedAt = performance.now();
        this.worthwhile = Math.min(WORTHWHILE, Math.max(batch.length, this.worthwhile * FADE));
        await this.storeBatch(batch);
      }
    } catch (error) {
      this.log.error({ err: error }, 'the log stumbled');
    }
    this.running = false;
    if (this.health.isDown) this.health.probe();
    else if (this.queue.size > 0) this.start();
  }

  /** Lets a batch gather for a moment: the cost of one is mostly its own, not that of its messages. */
  private async interval() {
    const ms = this.startedAt + INTERVAL_MS - performance.now();
    if (ms <= 0 || this.queue.size >= this.worthwhile || this.closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.endWait = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.endWait = undefined;
  }

  /** Folds what is asked twice, answers what was stored before, and stores the rest. */
  private async storeBatch(batch: readonly Send[]) {
    let entries: Entry[];
    let outsiders: Entry[];
    try {
      ({ entries, outsiders } = await this.intake.entries(batch));
    } catch (error) {
      this.health.goDown(error);
      for (const { sender, clientId } of batch)
        this.teller.failed(sender, clientId, new ChatError('unavailable'));
      return;
    }
    const repeated = new Set(entries.filter(({ from }) => this.repeaters.has(from)));
    const fresh = repeated.size === 0 ? entries : entries.filter((entry) => !repeated.has(entry));
    const lanes = this.db.log;
    if (fresh.length > 0) this.tell(await this.store.write(fresh, { lanes }));
    // Of whoever repeats ids each is looked up before it is stored: in a batch with others it would make all of that fail.
    if (repeated.size > 0) this.tell(await this.store.write([...repeated], { lanes, look: true }));
    if (outsiders.length > 0)
      this.tell(await this.store.write(outsiders, { lanes, look: true, refusal: 'conversation_not_found' }));
    this.waitingSince = this.queue.size === 0 ? undefined : performance.now();
  }

  private tell(outcome: Outcome) {
    for (const { again } of outcome.arrivals) if (!again) this.counts.messages++;
    for (const user of outcome.repeaters) this.repeaters.add(user);
    for (const { entry } of outcome.failed)
      if ('conversation' in entry.target) this.intake.forgetMember({ user: entry.from, ...entry.target });
    this.held.add(outcome.locked);
    this.teller.outcome(outcome);
  }

  // ---- how it is ----

  /** Nothing can be stored: what waits is answered now, what comes is answered at once, until it can again. */
  private refuseAll() {
    this.waitingSince = undefined;
    for (const { sender, clientId } of this.queue.takeAll())
      this.teller.failed(sender, clientId, new ChatError('unavailable'));
  }

  /** Whether messages can be stored now: asked of the database where it hasn't shown it lately. */
  async isReady(): Promise<boolean> {
    if (this.waitingSince !== undefined && performance.now() - this.waitingSince > STALE_MS) return false;
    return this.health.isReady(this.running);
  }

  private get waitingBytes(): number {
    return this.queue.bytes + this.held.bytes;
  }

  /** Bytes that messages take here: those that wait, and whom they are for. */
  get bytes(): number {
    return this.waitingBytes + this.store.bytes;
  }

  /** Whether messages can be stored now, as far as is known. */
  get works(): boolean {
    return !this.health.isDown;
  }
}
