// What occurs in a block of messages, as bits: groups of characters, each at a place that is drawn by its hash. Of letters groups of two and
// three; of Chinese, Japanese, Korean and signs, of which one says something, each one and groups of two. None reaches over a space.

/** Messages of a block. */
export const BLOCK = 16;

/** Logarithms of how many bits a block has at least and at most. */
const SMALLEST = 6;
const LARGEST = 15;
/** Bits for each group, at least: more rule out more, and take room. */
const ROOM = 5;

/** Where the scripts begin of which one character can be searched for. */
const ALONE = 0x2190;
const isHalf = (unit: number) => unit >= 0xd800 && unit < 0xe000;
const isAlone = (unit: number) =>
  unit >= ALONE &&
  !isHalf(unit) &&
  !(unit >= 0x3000 && unit <= 0x303f) &&
  !(unit >= 0xfe10 && unit <= 0xff0f);
/** Spaces as they are once folded. */
const isSpace = (unit: number) =>
  unit <= 0x20 || unit === 0x85 || unit === 0x2028 || unit === 0x2029 || unit === 0x1680;

/** A place for up to three numbers, below 2 ** LARGEST; Murmur's finalizer. */
function place(a: number, b: number, c: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) & (2 ** LARGEST - 1);
}

/** Calls back with the place of each group of characters of a folded text. */
function eachGroup(text: string, found: (place: number) => void): void {
  let before = 0;
  let beforeThat = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (isSpace(unit)) {
      before = 0;
      beforeThat = 0;
      continue;
    }
    if (isAlone(unit)) found(place(unit, 0, 0));
    if (before !== 0) found(place(before, unit, 0));
    // Two of these together are rare enough.
    if (beforeThat !== 0 && unit < ALONE && before < ALONE && beforeThat < ALONE)
      found(place(beforeThat, before, unit));
    beforeThat = before;
    before = unit;
  }
}

/** The place for who wrote something. */
const placeOf = (user: number) => place(user & 0xffffffff, Math.floor(user / 2 ** 32), 0x10ffff);

/** Bits as PostgreSQL reads them, the first place at the left. */
function toHex(words: Uint32Array, size: number): string {
  let hex = 'x';
  for (let i = 0; i < 2 ** size / 32; i++) hex += (words[i] ?? 0).toString(16).padStart(8, '0');
  return hex;
}

const setBit = (words: Uint32Array, at: number) => {
  words[at >>> 5] = (words[at >>> 5] ?? 0) | (1 << (31 - (at & 31)));
};

function countBits(words: Uint32Array): number {
  let count = 0;
  for (let word of words) for (; word !== 0; word &= word - 1) count++;
  return count;
}

/** Gathers what occurs in the messages of one block after the other. */
export class Signs {
  private readonly words = new Uint32Array(2 ** LARGEST / 32);
  private readonly set = (at: number) => setBit(this.words, at);

  /** @param text folded */
  add(from: number, text: string): void {
    this.set(placeOf(from));
    eachGroup(text, this.set);
  }

  /** What came together, no larger than it needs to be; begins anew. */
  take(): { size: number; signs: string } {
    const { words } = this;
    const needed = countBits(words) * ROOM;
    let size = LARGEST;
    // Half of the places are those of the other half, one digit less of the hash.
    for (; size > SMALLEST && 2 ** (size - 1) >= needed; size--) {
      const half = 2 ** (size - 1) / 32;
      for (let i = 0; i < half; i++) words[i] = (words[i] ?? 0) | (words[i + half] ?? 0);
    }
    const signs = toHex(words, size);
    words.fill(0);
    return { size, signs };
  }
}

/** What a block has to have. */
export interface Wanted {
  /** By size, from 1; null for sizes that no block has. */
  bits: (string | null)[];
  /** Three of the places, in a block of the largest size: most blocks lack one of them, and one place is looked at sooner than all. */
  probes: [number, number, number];
}

/**
 * What a block has to have in which all of these occur.
 * @param texts folded
 */
export function wanted(texts: readonly string[], from: number | undefined): Wanted {
  const places = from === undefined ? [] : [placeOf(from)];
  for (const text of texts) eachGroup(text, (at) => places.push(at));
  const bits = Array.from({ length: LARGEST }, (_, i) => {
    const size = i + 1;
    if (size < SMALLEST) return null;
    const words = new Uint32Array(2 ** size / 32);
    for (const at of places) setBit(words, at & (2 ** size - 1));
    return toHex(words, size);
  });
  const probe = (share: number) => places[Math.floor((places.length - 1) * share)] ?? 0;
  return { bits, probes: [probe(1), probe(0), probe(0.5)] };
}

/** Whether a folded text has anything that blocks are told apart by. */
export function isTelling(text: string): boolean {
  let tells = false;
  eachGroup(text, () => {
    tells = true;
  });
  return tells;
}
