import { LIMITS } from '../../schemas/limits.js';
import type { StoredMessage } from '../../sql/messages.js';
import { isFor } from '../message.js';
import { weightOf } from '../weight.js';

/** Messages of a conversation that are kept while the one before them is missing. */
const HELD = 64;

/** A message that comes as it is stored. */
export interface Coming extends StoredMessage {
  /** Whether it was stored before, and may have come then. */
  again: boolean;
}

/**
 * What becomes of a message: it is written (`give`), counts without being written (`count`), is known (`drop`), waits for the one
 * before it (`hold`), or the log is asked what comes next (`read`).
 */
export type Verdict = 'give' | 'count' | 'drop' | 'hold' | 'read';

/** How a kind of client counts. */
export interface Counting {
  /** Where it stands in a conversation of which nothing is known: at the beginning, or who knows. */
  readonly start: 0 | undefined;
  /** Whether it is given its own messages, unless it was told of them. */
  readonly copies: boolean;
  /** Conversations whose positions are kept; past them the oldest is forgotten. */
  readonly positions: number;
}

/**
 * How far a client has each conversation, and so which message comes next. It asks nobody and writes nothing. What it says is
 * given or counts is where the client stands from then on.
 */
export class Cursor {
  /** Bytes that are held. */
  heldBytes = 0;
  private positions: Map<number, number> | undefined;
  private held: Map<number, StoredMessage[]> | undefined;
  /** Own messages past the position that the client was told of, as their places by conversation. */
  private told: Map<number, Set<number>> | undefined;

  /** @param beforeLine where positions aren't known: what was stored up to this `msg_id` waits until it is asked for, and nothing waits for it */
  constructor(
    private readonly user: number,
    private readonly counting: Counting,
    private beforeLine: number,
  ) {}

  get line(): number {
    return this.beforeLine;
  }

  /** All that waited was asked for and is given: from now on nothing is before the line. */
  passLine(): void {
    this.beforeLine = 0;
  }

  /** How far the client has a conversation; undefined where nobody knows. */
  position(conversation: number): number | undefined {
    return this.positions?.get(conversation) ?? this.counting.start;
  }

  /** Judges a message that was stored just now. */
  arrived(message: Coming): Verdict {
    const { conversation, seq, msgId } = message;
    const position = this.position(conversation);
    const follows = seq === (position ?? 0) + 1 || this.isBeforeLine(msgId);
    if (position === undefined) {
      if (!isFor(this.user, message)) return 'drop';
      // Whether the one before is still on its way, or this very one came long ago, isn't known here: the log knows.
      return message.again || !follows ? 'read' : this.take(message);
    }
    if (seq <= position) return 'drop';
    return follows ? this.take(message) : 'hold';
  }

  /** Judges a message that the client sent on this connection: it is told of that, and given nothing. */
  sent(message: StoredMessage): Verdict {
    const { conversation, seq } = message;
    const position = this.position(conversation);
    if (position === undefined || seq <= position) return 'drop';
    if (seq === position + 1) {
      this.move(conversation, seq);
      return 'count';
    }
    if (this.counting.copies) {
      this.told ??= new Map();
      this.told.set(conversation, (this.told.get(conversation) ?? new Set()).add(seq));
    }
    return 'hold';
  }

  /** Whether the client knows of a message of its own, so that the log needn't give it. */
  isTold({ conversation, seq }: StoredMessage): boolean {
    return this.told?.get(conversation)?.has(seq) === true;
  }

  /** Whether a message is the next one in its conversation. */
  isNext({ conversation, seq }: StoredMessage): boolean {
    return seq === (this.position(conversation) ?? seq - 1) + 1;
  }

  /** The client stands at this message, or has gone past it already. */
  take(message: StoredMessage): 'give' | 'count' {
    const { conversation, seq } = message;
    const told = this.isTold(message);
    this.move(conversation, Math.max(seq, this.position(conversation) ?? 0));
    return told || !(this.counting.copies || isFor(this.user, message)) ? 'count' : 'give';
  }

  /** Moves to a place, and past what follows it that the client was told of. */
  private move(conversation: number, seq: number) {
    const told = this.told?.get(conversation);
    told?.delete(seq);
    let at = seq;
    while (told?.delete(at + 1)) at++;
    if (told?.size === 0) this.told?.delete(conversation);
    this.positions ??= new Map();
    this.positions.set(conversation, at);
    if (this.positions.size <= this.counting.positions) return;
    for (const oldest of this.positions.keys()) {
      this.positions.delete(oldest);
      break;
    }
  }

  /** Keeps a message until the one before it is there. @returns false if there is no room for it */
  hold(message: StoredMessage): boolean {
    const list = this.held?.get(message.conversation) ?? [];
    if (list.some((other) => other.seq === message.seq)) return true;
    if (list.length >= HELD || this.heldBytes >= LIMITS.heldBytes) return false;
    list.push(message);
    list.sort((a, b) => a.seq - b.seq);
    this.heldBytes += weightOf(message.content);
    this.held ??= new Map();
    this.held.set(message.conversation, list);
    return true;
  }

  /** Whether anything is held. */
  get holds(): boolean {
    return this.held !== undefined;
  }

  /** Of what is held in a conversation the next to be given, now that the one before it is there. */
  next(conversation: number): StoredMessage | undefined {
    const list = this.held?.get(conversation);
    if (list === undefined) return undefined;
    for (let first = list[0]; first !== undefined; first = list[0]) {
      const position = this.position(conversation) ?? 0;
      if (first.seq > position + 1) return undefined;
      list.shift();
      this.heldBytes -= weightOf(first.content);
      if (first.seq > position && this.take(first) === 'give') return first;
    }
    this.held?.delete(conversation);
    if (this.held?.size === 0) this.dropHeld();
    return undefined;
  }

  /** Forgets what is held: it is in the log. */
  dropHeld(): void {
    this.held = undefined;
    this.heldBytes = 0;
  }

  /** The log has no more: no page will have what the client was told of. */
  caughtUp(): void {
    this.told = undefined;
  }

  /** Begins anew at the positions that the client names. */
  restart(positions: Map<number, number>): void {
    this.positions = positions;
    this.told = undefined;
    this.dropHeld();
  }

  private isBeforeLine(msgId: number): boolean {
    return this.counting.start === undefined && msgId <= this.beforeLine;
  }
}
