import { SEARCH } from '../../schemas/limits.js';
import { ChatError } from '../errors.js';
import { fold, foldExactly, foldMapped, type Mapped, spaced } from './fold.js';
import { isTelling } from './signs.js';

/** Where something stands in a text: from, and to before. */
export type Place = [from: number, to: number];

/** What is between quotation marks of whatever kind, or else between spaces. */
const WORDS = /["“”„«»]([^"“”„«»]*)["“”„«»](?!\S)|\S+/gu;
/** A quotation mark that is typed, but not its other one yet. */
const BEGUN = /^["“”„«»]+/u;
/** What ends a sentence, in either width. */
const ENDS = /(?<=.)[.,;:!?。、]+$/u;
/** Scripts that leave no space between words, or write one into the next. */
const UNSPACED =
  /^[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}]/u;
const LETTER = /^[\p{L}\p{M}\p{N}]/u;
const SYNTAX = /[\^$\\.*+?()[\]{}|/]/g;

/** One of the things that a message has to have. */
interface Term {
  /** Folded, for the blocks. */
  folded: string;
  /** Whether a text that is folded so has it. */
  isIn(text: Texts): boolean;
  /** Whether it has it letter by letter, with the very accents. */
  isExactlyIn(text: Texts): boolean;
  /** All its places in a text. */
  placesIn(content: string): Place[];
}

/** A text in the forms that it is looked at in, each made when it is needed. */
class Texts {
  private exactly: string | undefined;
  readonly folded: string;

  constructor(private readonly content: string) {
    this.folded = fold(content);
  }

  get exact(): string {
    this.exactly ??= foldExactly(this.content);
    return this.exactly;
  }
}

function* occurrences(text: string, word: string): Generator<Place> {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length))
    yield [at, at + word.length];
}

/** Places in the text that was folded. */
const unfolded = ({ places }: Mapped, found: Iterable<Place>): Place[] =>
  Array.from(found, ([from, to]): Place => {
    const start = places[from] ?? 0;
    // To the end of the letter that the last one came of.
    let end = to;
    while (end < places.length - 1 && places[end] === places[to - 1]) end++;
    return [start, places[end] ?? start];
  });

function wordTerm(said: string): Term {
  const word = fold(said).replace(ENDS, '');
  const exact = foldExactly(said).replace(ENDS, '');
  return {
    folded: word,
    isIn: (text) => text.folded.includes(word),
    isExactlyIn: (text) => text.exact.includes(exact),
    placesIn(content) {
      const mapped = foldMapped(content, fold);
      return unfolded(mapped, occurrences(mapped.text, word));
    },
  };
}

/** Whole words, one after the other, with their accents; in scripts without spaces just these characters. */
function phraseTerm(said: string): Term {
  const phrase = spaced(foldExactly(said.trim()));
  const bordered = (letter: string) => LETTER.test(letter) && !UNSPACED.test(letter);
  const [first = '', last = ''] = [[...phrase][0], [...phrase].at(-1)];
  const before = bordered(first) ? '(?<![\\p{L}\\p{M}\\p{N}])' : '';
  const behind = bordered(last) ? '(?![\\p{L}\\p{M}\\p{N}])' : '';
  const pattern = before + phrase.replace(SYNTAX, '\\$&').replaceAll(' ', '\\s+') + behind;
  const [one, all] = [new RegExp(pattern, 'u'), new RegExp(pattern, 'gu')];
  const isIn = (text: Texts) => one.test(text.exact);
  return {
    folded: spaced(fold(said.trim())),
    isIn,
    isExactlyIn: isIn,
    placesIn(content) {
      const mapped = foldMapped(content, foldExactly);
      const found = Array.from(
        mapped.text.matchAll(all),
        ({ 0: text, index }): Place => [index, index + text.length],
      );
      return unfolded(mapped, found);
    },
  };
}

/** What somebody searches for. */
export class Query {
  private constructor(private readonly terms: readonly Term[]) {}

  /** @throws ChatError `query_too_short`, `query_too_long` */
  static of(said: string): Query {
    const terms: Term[] = [];
    for (const [word, phrase] of said.matchAll(WORDS)) {
      if (phrase === undefined) {
        const term = wordTerm(word.replace(BEGUN, '') || word);
        if (term.folded !== '') terms.push(term);
      } else if (phrase.trim() !== '') terms.push(phraseTerm(phrase));
    }
    if (terms.length > SEARCH.words) throw new ChatError('query_too_long');
    if (!terms.some(({ folded }) => isTelling(folded))) throw new ChatError('query_too_short');
    return new Query(terms);
  }

  /** All its words, folded. */
  get folded(): string[] {
    return this.terms.map((term) => term.folded);
  }

  /** Whether a text has all of it; `exact`: with the very accents. */
  matches(content: string): 'exact' | 'alike' | undefined {
    const text = new Texts(content);
    if (!this.terms.every((term) => term.isIn(text))) return undefined;
    return this.terms.every((term) => term.isExactlyIn(text)) ? 'exact' : 'alike';
  }

  /** Where it stands in a text, in order; what touches is one. */
  placesIn(content: string): Place[] {
    const found = this.terms.flatMap((term) => term.placesIn(content)).sort(([x], [y]) => x - y);
    const places: Place[] = [];
    for (const [from, to] of found) {
      const last = places.at(-1);
      if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
      else places.push([from, to]);
    }
    return places;
  }
}
