/** Contents that are like no other: who says it to whom, and which of their messages it is. */
/** How a content begins, which an edit leaves as it is. */
export const nameIn = (content: string): string => content.split(' ', 1)[0] ?? '';

export class Numbers {
  readonly #from: number;
  readonly #past: number;
  readonly #counts = new Map<number, number>();

  /** @param past the numbers of another device */
  constructor(from: number, past = 0) {
    this.#from = from;
    this.#past = past;
  }

  next(to: number, size: number): { n: number; content: string } {
    const n = (this.#counts.get(to) ?? this.#past) + 1;
    this.#counts.set(to, n);
    const content = `${this.#from}>${to}#${n} `;
    // Letters of more than one byte now and then: sizes in bytes and in units differ.
    const filler = n % 7 === 0 ? 'ä€🙂 z' : 'lorem-';
    // Not cut within a character, and nothing at the end that the server would trim.
    return { n, content: content.padEnd(size, filler).replace(/[\s\ud800-\udbff]+$/, '') };
  }
}
