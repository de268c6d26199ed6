/** How far an extended client holds each conversation without a hole; it is kept with what is held. */
import type { Place } from './diary.js';

export class Positions {
  readonly #held = new Map<number, number>();
  /** The client's own messages that it was told of ahead of their turn. */
  readonly #ahead = new Map<number, Set<number>>();

  of(conversation: number): number {
    return this.#held.get(conversation) ?? 0;
  }

  entries(): [conversation: number, seq: number][] {
    return [...this.#held];
  }

  set(conversation: number, seq: number): void {
    this.#held.set(conversation, seq);
  }

  clear(): void {
    this.#held.clear();
    this.#ahead.clear();
  }

  /** Takes a message in; 'hole' if something before it is missing. */
  take({ conversation, seq }: Place): 'new' | 'known' | 'hole' {
    const position = this.of(conversation);
    if (seq <= position) return 'known';
    const ahead = this.#ahead.get(conversation);
    let next = position + 1;
    while (next < seq && ahead?.has(next)) next++;
    if (next !== seq) return 'hole';
    this.#held.set(conversation, seq);
    for (const own of ahead ?? []) if (own <= seq) ahead?.delete(own);
    return 'new';
  }

  /** A message of the client's own is stored: it moves the position only where it continues it. */
  stored({ conversation, seq }: Place): void {
    const position = this.of(conversation);
    if (seq === position + 1) {
      this.#held.set(conversation, seq);
    } else if (seq > position) {
      this.#ahead.set(conversation, (this.#ahead.get(conversation) ?? new Set()).add(seq));
    }
  }
}
