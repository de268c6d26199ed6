/** Contents that are like no other: who says it to whom, and which of their messages it is. */
export class Numbers {
  readonly #from: number;
  readonly #counts = new Map<number, number>();

  constructor(from: number) {
    this.#from = from;
  }

  next(to: number, size: number): { n: number; content: string } {
    const n = (this.#counts.get(to) ?? 0) + 1;
    this.#counts.set(to, n);
    const content = `${this.#from}>${to}#${n} `;
    // Letters of more than one byte now and then: sizes in bytes and in units differ.
    const filler = n % 7 === 0 ? 'ä€🙂 z' : 'lorem-';
    // Not cut within a character, and nothing at the end that the server would trim.
    return { n, content: content.padEnd(size, filler).replace(/[\s\ud800-\udbff]+$/, '') };
  }
}
