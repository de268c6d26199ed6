/** A frame that lacks what it should have, or has it in another type. */
export class OddFrame extends Error {}

/** A JSON object from outside, read without trust. */
export class Frame {
  readonly #fields: object;

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null) throw new OddFrame('no object');
    this.#fields = value;
  }

  static parse(text: string): Frame {
    return new Frame(JSON.parse(text));
  }

  get type(): string {
    return this.text('type');
  }

  #field(name: string): unknown {
    return Reflect.get(this.#fields, name);
  }

  has(name: string): boolean {
    return this.#field(name) !== undefined;
  }

  isNull(name: string): boolean {
    return this.#field(name) === null;
  }

  text(name: string): string {
    const value = this.#field(name);
    if (typeof value !== 'string') throw new OddFrame(`${name} is no text`);
    return value;
  }

  number(name: string): number {
    const value = this.#field(name);
    if (typeof value !== 'number') throw new OddFrame(`${name} is no number`);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#field(name);
    if (typeof value !== 'boolean') throw new OddFrame(`${name} is no boolean`);
    return value;
  }

  list(name: string): Frame[] {
    const value = this.#field(name);
    if (!Array.isArray(value)) throw new OddFrame(`${name} is no list`);
    return value.map((item) => new Frame(item));
  }

  numbers(name: string): number[] {
    const value = this.#field(name);
    const isNumbers = Array.isArray(value) && value.every((item) => typeof item === 'number');
    if (!isNumbers) throw new OddFrame(`${name} is no list of numbers`);
    return value;
  }

  object(name: string): Frame {
    return new Frame(this.#field(name));
  }
}
