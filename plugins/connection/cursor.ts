import { LIMITS } from '../../schemas/limits.js';
import type { StoredMessage } from '../../sql/messages.js';
import { bringsIn, isFor } from '../message.js';
import { weightOf } from '../weight.js';

/** Messages of a conversation that are kept while the one before them is missing. */
const HELD = 64;
/** Own messages of a conversation that are known to be told while those before them aren't given: past that they come, too. */
const TOLD = 1000;

/**
 * What becomes of a message: it is written (`give`), counts without being written (`count`), is known (`drop`), or waits for the one
 * before it (`hold`).
 */
export type Verdict = 'give' | 'count' | 'drop' | 'hold';

/** How a kind of client counts. */
export interface Counting {
  /** Whether it is given its own messages, unless it was told of them. */
  readonly copies: boolean;
  /** Whether it knows of conversations that aren't of two. */
  readonly many: boolean;
}

/**
 * How far a client has each conversation, and so which message comes next. It asks nobody and writes nothing. What it says is
 * given or counts is where the client stands from then on.
 */
export class Cursor {
  /** Bytes that are held. */
  heldBytes = 0;
  private positions: Map<number, number> | undefined;
  /** The last change of each conversation that the client was told of. */
  private changes: Map<number, number> | undefined;
  private held: Map<number, StoredMessage[]> | undefined;
  /** Own messages past the position that the client was told of, as their places by conversation. */
  private told: Map<number, Set<number>> | undefined;

  constructor(
    private readonly user: number,
    private readonly counting: Counting,
  ) {}

  /** How far the client has a conversation. */
  position(conversation: number): number {
    return this.positions?.get(conversation) ?? 0;
  }

  /** Up to which change the client has a conversation. */
  change(conversation: number): number {
    return this.changes?.get(conversation) ?? 0;
  }

  /** The client has a conversation up to a change, or further. */
  moveChange(conversation: number, change: number): void {
    this.changes ??= new Map();
    this.changes.set(conversation, Math.max(change, this.change(conversation)));
  }

  /** Whether it is known at all how far the client has a conversation. */
  knows(conversation: number): boolean {
    return this.positions?.has(conversation) === true;
  }

  /** Whether a message is what the client learns of a group by, or of its user's return: where that begins, the log says. */
  isEntry(message: StoredMessage): boolean {
    const { conversation, seq, event } = message;
    if (event === undefined || seq <= this.position(conversation)) return false;
    return !this.knows(conversation) || bringsIn(this.user, message);
  }

  /** The client stands at this place of a conversation from now on, or further. */
  enter(conversation: number, seq: number): void {
    this.move(conversation, Math.max(seq, this.position(conversation)));
  }

  /** Judges a message that was stored just now. */
  arrived(message: StoredMessage): Verdict {
    const position = this.position(message.conversation);
    if (message.seq <= position) return 'drop';
    return message.seq === position + 1 ? this.take(message) : 'hold';
  }

  /** Judges a message that the client sent on this connection: it is told of that, and given nothing. */
  sent(message: StoredMessage): Verdict {
    const { conversation, seq } = message;
    const position = this.position(conversation);
    if (seq <= position) return 'drop';
    if (seq === position + 1) {
      this.move(conversation, seq);
      return 'count';
    }
    if (this.counting.copies) {
      this.told ??= new Map();
      const told = this.told.get(conversation) ?? new Set();
      if (told.size < TOLD) this.told.set(conversation, told.add(seq));
    }
    return 'hold';
  }

  /** Whether the client knows of a message of its own, so that the log needn't give it. */
  isTold({ conversation, seq }: StoredMessage): boolean {
    return this.told?.get(conversation)?.has(seq) === true;
  }

  /** The first message of its own past its position that the client was told of. */
  firstTold(conversation: number): number | undefined {
    const told = this.told?.get(conversation);
    return told === undefined ? undefined : Math.min(...told);
  }

  /** Nothing is left of what is before a place: the client stands there, or further. @returns whether that is news to it */
  skip(conversation: number, seq: number): boolean {
    if (seq <= this.position(conversation)) return false;
    this.move(conversation, seq);
    return true;
  }

  /** The client stands at this message, or has gone past it already. */
  take(message: StoredMessage): 'give' | 'count' {
    const { conversation, seq } = message;
    const told = this.isTold(message);
    this.move(conversation, Math.max(seq, this.position(conversation)));
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
  }

  /** Keeps a message until the one before it is there. @returns false if there is no room for it */
  hold(message: StoredMessage): boolean {
    const list = this.held?.get(message.conversation) ?? [];
    if (list.some((other) => other.seq === message.seq)) return true;
    if (list.length >= HELD || this.heldBytes >= LIMITS.heldBytes) return false;
    list.push(message);
    list.sort((a, b) => a.seq - b.seq);
    this.heldBytes += weightOf(message);
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
      const position = this.position(conversation);
      if (first.seq > position + 1) return undefined;
      list.shift();
      this.heldBytes -= weightOf(first);
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

  /** The log has no more: no page will have what the client was told of. @param isParked whether one still may, of a conversation */
  caughtUp(isParked: (conversation: number) => boolean): void {
    for (const conversation of this.told?.keys() ?? [])
      if (!isParked(conversation)) this.told?.delete(conversation);
    if (this.told?.size === 0) this.told = undefined;
  }

  /** Begins anew at these positions. */
  restart(positions: Map<number, number> | undefined, changes?: Map<number, number>): void {
    this.positions = positions;
    this.changes = changes;
    this.told = undefined;
    this.dropHeld();
  }
}
