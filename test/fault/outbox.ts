/** Messages that an extended client has not been told to be stored, in the order in which they were written. */
export interface Letter {
  id: string;
  to: number;
  n: number;
  content: string;
  /** Users whom it mentions. */
  mentions: readonly number[];
}

/** How long a letter may be on the way without an answer before it is sent again. */
const tooLong = 12_000;

export class Outbox<T extends { id: string } = Letter> {
  readonly #letters = new Map<string, T & { flying: number | undefined; tries: number }>();

  get size(): number {
    return this.#letters.size;
  }

  add(letter: T): void {
    this.#letters.set(letter.id, { ...letter, flying: undefined, tries: 0 });
  }

  /** What is to be sent now, in order; it counts as on the way from then on. */
  take(at: number): T[] {
    const due = [...this.#letters.values()].filter(
      ({ flying }) => flying === undefined || at - flying > tooLong,
    );
    for (const letter of due) {
      letter.flying = at;
      letter.tries++;
    }
    return due;
  }

  /** How often it was sent. */
  tries(id: string): number {
    return this.#letters.get(id)?.tries ?? 0;
  }

  /** Not stored this time. */
  failed(id: string): void {
    const letter = this.#letters.get(id);
    if (letter) letter.flying = undefined;
  }

  /** The connection is gone, and with it all answers to come. */
  landAll(): void {
    for (const letter of this.#letters.values()) letter.flying = undefined;
  }

  done(id: string): T | undefined {
    const letter = this.#letters.get(id);
    this.#letters.delete(id);
    return letter;
  }
}
