/** How far an extended client holds each conversation without a hole; it is kept with what is held. */
import type { Place } from './diary.js';

/** A place, and when its message was stored, in milliseconds since 1970. */
type Dated = Pick<Place, 'conversation' | 'seq'> & { at: number };

export class Positions {
  readonly #held = new Map<number, number>();
  /** Of the messages that they stand at. */
  readonly #times = new Map<number, number>();
  /** The client's own messages that it was told of ahead of their turn on this connection, and when they were stored. */
  readonly #ahead = new Map<number, Map<number, number>>();

  of(conversation: number): number {
    return this.#held.get(conversation) ?? 0;
  }

  entries(): [conversation: number, seq: number][] {
    return [...this.#held];
  }

  /** When the message at a position was stored; undefined where it was reset to nothing. */
  timeOf(conversation: number): number | undefined {
    return this.#times.get(conversation);
  }

  set(conversation: number, seq: number, at: number | undefined): void {
    this.#held.set(conversation, seq);
    if (at === undefined) this.#times.delete(conversation);
    else this.#times.set(conversation, at);
    const ahead = this.#ahead.get(conversation);
    const next = ahead?.get(seq + 1);
    if (next !== undefined) this.set(conversation, seq + 1, next);
    for (const own of ahead?.keys() ?? []) if (own <= seq) ahead?.delete(own);
  }

  /** With a new connection all past the positions comes again. */
  reconnect(): void {
    this.#ahead.clear();
  }

  /** Stands at a place, unless it is further. @returns where it stood */
  enter(conversation: number, seq: number, at: number | undefined): number {
    const before = this.of(conversation);
    if (seq >= before) this.set(conversation, seq, at);
    return before;
  }

  clear(): void {
    this.#held.clear();
    this.#times.clear();
    this.#ahead.clear();
  }

  /** Takes a message in; 'hole' if something before it is missing. */
  take({ conversation, seq, at }: Dated): 'new' | 'known' | 'hole' {
    const position = this.of(conversation);
    if (seq <= position) return 'known';
    if (seq !== position + 1) return 'hole';
    this.set(conversation, seq, at);
    return 'new';
  }

  /** A message of the client's own is stored: it moves the position only where, or once, it continues it. */
  stored({ conversation, seq, at }: Dated): void {
    const position = this.of(conversation);
    if (seq === position + 1) {
      this.set(conversation, seq, at);
    } else if (seq > position) {
      const ahead = this.#ahead.get(conversation) ?? new Map<number, number>();
      this.#ahead.set(conversation, ahead.set(seq, at));
    }
  }
}
