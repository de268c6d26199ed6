import { setTimeout as sleep } from 'node:timers/promises';
import type { BaseLogger } from 'pino';
import { LIMITS } from '../../schemas/limits.js';
import { findHeld } from '../../sql/append.js';
import {
  type ChangeBounds,
  type ChangedMessage,
  type ChangeOutcome,
  changeMessages,
  messagesAt,
} from '../../sql/changes.js';
import type { Ring } from '../bus/parcel.js';
import { codeOf, gaveWay, isRefusal } from '../db/failure.js';
import type { Db } from '../db/handle.js';
import { OtherHistoryError } from '../db/history.js';
import type { Asker } from '../db/lanes.js';
import { ChatError } from '../errors.js';
import { presentTo } from '../message.js';
import { type AskedChange, ChangeQueue, messageOf } from './queue.js';

/** Milliseconds from the start of one batch to the next: half of what one costs is its own, whatever is in it. */
const INTERVAL_MS = 8;
/** Milliseconds that one attempt may take, where it waits for a row that somebody holds, too; and until one in doubt is given up. */
const ATTEMPT_MS = 5000;
const HELD_MS = 7000;
const DOUBT_MS = 15_000;
/** Milliseconds from one attempt to the next. */
const PAUSE_MS = 250;

/**
 * Changes messages, in batches, the next gathering while one is under way. Whoever asks for what is so already is answered as if they
 * had done it, so a batch in doubt is made again.
 */
export class ChangeLog {
  /** Since the start, for metrics: what was made, by kind; what was refused; and the batches of both. */
  readonly counts = { edit: 0, delete: 0, react: 0, unreact: 0, pin: 0, unpin: 0, refused: 0, batches: 0 };
  private readonly queue = new ChangeQueue();
  /** What waits for conversations whose rows somebody holds. */
  private readonly held = new Map<number, ChangeQueue>();
  private running: Promise<void> | undefined;
  private waiting = new Set<Promise<void>>();
  private startedAt = Number.NEGATIVE_INFINITY;
  private closed = false;

  /** @param ring told of what was stored */
  constructor(
    private readonly db: Pick<Db, 'changes' | 'held'>,
    private readonly log: Pick<BaseLogger, 'warn' | 'error'>,
    private readonly bounds: ChangeBounds,
    private readonly ring: (ring: Ring) => void,
  ) {}

  /** Makes a change, soon; who asks hears. */
  append(change: AskedChange): void {
    if (this.closed) return change.failed(new ChatError('unavailable'));
    if (this.bytes >= LIMITS.waitingBytes) return change.failed(new ChatError('overloaded'));
    this.queue.push(change);
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
  }

  get bytes(): number {
    let { bytes } = this.queue;
    for (const queue of this.held.values()) bytes += queue.bytes;
    return bytes;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.running;
    await Promise.all(this.waiting);
  }

  private async run(): Promise<void> {
    await new Promise(setImmediate);
    while (this.queue.size > 0) {
      const ms = this.startedAt + INTERVAL_MS - performance.now();
      if (ms > 0) await sleep(ms);
      this.startedAt = performance.now();
      const batch = this.queue.take().filter((change) => !this.waitsForRow(change));
      if (batch.length > 0) await this.make(batch, this.db.changes);
    }
  }

  /** Whether somebody holds the row of its conversation: then it waits there, behind what does already. */
  private waitsForRow(change: AskedChange): boolean {
    const queue = this.held.get(change.conversation);
    queue?.push(change);
    return queue !== undefined;
  }

  /** Makes changes, whatever it takes, and tells. */
  private async make(batch: readonly AskedChange[], lanes: Asker): Promise<void> {
    const giveUp = performance.now() + DOUBT_MS;
    let todo = batch;
    for (let inDoubt = false; todo.length > 0; ) {
      try {
        const made = todo;
        const ms = lanes === this.db.changes ? ATTEMPT_MS : HELD_MS;
        const outcomes = await lanes.ask((sql) => changeMessages(sql, made, this.bounds), ms);
        return await this.tell(todo, outcomes, lanes);
      } catch (error) {
        const code = codeOf(error);
        const patient = performance.now() < giveUp && !(error instanceof OtherHistoryError);
        if (patient && gaveWay(error)) continue;
        if (patient && code === '55P03' && lanes === this.db.changes) {
          todo = await this.setAside(todo);
          continue;
        }
        if (/^(22|23|54)/.test(code) && todo.length > 1) {
          for (const change of todo) await this.make([change], lanes);
          return;
        }
        if (/^(22|23|54)/.test(code)) this.log.warn({ err: error }, 'a change was refused by the database');
        const refused = isRefusal(error);
        if (patient && !/^(22|23|54|55)/.test(code) && (inDoubt || !refused)) {
          inDoubt = true;
          await sleep(PAUSE_MS * (0.5 + Math.random()));
          continue;
        }
        const why = /^(22|23|54)/.test(code)
          ? 'content_invalid'
          : refused && !inDoubt
            ? 'unavailable'
            : 'outcome_unknown';
        for (const change of todo) this.say(() => change.failed(new ChatError(why)));
        return;
      }
    }
  }

  /** Takes out what is for conversations whose rows somebody holds: it waits for them alone. @returns the others */
  private async setAside(batch: readonly AskedChange[]): Promise<AskedChange[]> {
    const named = batch.map((change) => ({
      change,
      from: change.actor,
      target: { conversation: change.conversation },
      clientId: '',
      content: '',
    }));
    const locked = new Set(
      (await this.db.changes.ask((sql) => findHeld(sql, named)).catch(() => [])).map(({ change }) => change),
    );
    for (const change of locked) {
      if (this.waitsForRow(change)) continue;
      const queue = new ChangeQueue();
      queue.push(change);
      this.held.set(change.conversation, queue);
      const waiting = this.wait(change.conversation, queue).finally(() => this.waiting.delete(waiting));
      this.waiting.add(waiting);
    }
    return batch.filter((change) => !locked.has(change));
  }

  private async wait(conversation: number, queue: ChangeQueue): Promise<void> {
    await new Promise(setImmediate);
    while (queue.size > 0) await this.make(queue.take(), this.db.held);
    this.held.delete(conversation);
  }

  /** Tells what became of changes. */
  private async tell(
    batch: readonly AskedChange[],
    outcomes: readonly ChangeOutcome[],
    lanes: Asker,
  ): Promise<void> {
    const rings = new Map<number, Ring>();
    for (const [i, { conversation, kind }] of batch.entries()) {
      const change = outcomes[i];
      if (typeof change === 'string' && change !== 'same') this.counts.refused++;
      if (typeof change !== 'number') continue;
      this.counts[kind]++;
      const { first = change, last = change } = rings.get(conversation) ?? {};
      rings.set(conversation, { conversation, first: Math.min(first, change), last: Math.max(last, change) });
    }
    this.counts.batches++;
    const shown = batch.filter((_change, i) => isShown(outcomes[i]));
    const messages = await readFor(shown, lanes);
    for (const [i, change] of batch.entries()) {
      const outcome = outcomes[i];
      const message = messages.get(change);
      if (outcome === 'conflict' && message !== undefined) {
        const present = presentTo(change.actor, message);
        this.say(() => change.failed(new ChatError('conflict', undefined, { present })));
      } else if (outcome === undefined || (isShown(outcome) && message === undefined))
        // It is done. The same again is answered.
        this.say(() => change.failed(new ChatError('outcome_unknown')));
      else if (typeof outcome === 'string' && outcome !== 'same')
        this.say(() => change.failed(new ChatError(outcome)));
      else if (message !== undefined) this.say(() => change.done(message));
    }
    // Whoever asked has their answer, and needn't be told again.
    for (const ring of rings.values()) this.say(() => this.ring(ring));
  }

  private say(word: () => void): void {
    try {
      word();
    } catch (error) {
      this.log.error({ err: error }, 'somebody could not be told of a change');
    }
  }
}

/** The messages of changes as who asked for each sees them: of many to one message that is read once. */
async function readFor(
  changes: readonly AskedChange[],
  lanes: Asker,
): Promise<ReadonlyMap<AskedChange, ChangedMessage>> {
  const read = async (some: Iterable<AskedChange>) => {
    const asked = [...some].map(({ actor, conversation, seq }) => ({ user: actor, conversation, seq }));
    return asked.length === 0 ? [] : lanes.ask((sql) => messagesAt(sql, asked)).catch(() => []);
  };
  const first = new Map(changes.map((change) => [messageOf(change), change]));
  const found = await read(first.values());
  const known = new Map([...first.keys()].map((key, i) => [key, found[i]]));
  // Of a kind that names not all who have reacted, who isn't named doesn't know whether they are among them.
  const apart = changes.filter((change) => {
    const { reactions = [] } = known.get(messageOf(change)) ?? {};
    return (
      reactions.some(({ users, count }) => users.length < count) && first.get(messageOf(change)) !== change
    );
  });
  const ownAnswers = await read(apart);
  const own = new Map(apart.map((change, i) => [change, ownAnswers[i]]));
  return new Map(
    changes.flatMap((change) => {
      const message = own.get(change) ?? known.get(messageOf(change));
      return message === undefined
        ? []
        : [[change, own.has(change) ? message : markedFor(change.actor, message)]];
    }),
  );
}

/** A message with the reactions of a reader marked, as far as who has reacted is named. */
function markedFor(user: number, message: ChangedMessage): ChangedMessage {
  if (message.reactions === undefined) return message;
  const reactions = message.reactions.map(({ mine, ...kind }) => ({
    ...kind,
    ...((kind.users.includes(user) || (mine && kind.users.length < kind.count)) && { mine: true as const }),
  }));
  return { ...message, reactions };
}

/** Whether the message is shown to who asked. */
const isShown = (outcome: ChangeOutcome | undefined): boolean =>
  typeof outcome === 'number' || outcome === 'same' || outcome === 'conflict';
