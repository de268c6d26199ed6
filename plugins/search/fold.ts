// How texts are compared: without regard to case, width, Unicode form and what isn't seen, and mostly to accents.

/** Marks that a reader takes for the same letter: accents of Latin, Greek and Cyrillic, the vowels of Hebrew and Arabic, tatweel. */
const ACCENTS =
  '\\u0300-\\u036f\\u0591-\\u05bd\\u05bf\\u05c1\\u05c2\\u05c4\\u05c5\\u05c7\\u0610-\\u061a\\u0640\\u064b-\\u065f\\u0670\\u06d6-\\u06dc\\u06df-\\u06e4\\u06e7\\u06e8\\u06ea-\\u06ed\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u20d0-\\u20ff\\ufe20-\\ufe2f';
const UNSEEN = '\\p{Default_Ignorable_Code_Point}';
const DROPPED = new RegExp(`[${ACCENTS}${UNSEEN}]`, 'gu');
const IGNORED = new RegExp(`[${UNSEEN}]`, 'gu');
/** Letters with an accent that no Unicode form takes off. */
const JOINED = /[øłđħæœ]/g;
const PARTS: Record<string, string> = { ø: 'o', ł: 'l', đ: 'd', ħ: 'h', æ: 'ae', œ: 'oe' };
// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
const ASCII = /^[\u0000-\u007f]*$/;
const SPACES = /\s+/g;

/** Through capitals, which joins ß and ss, and the two sigmas; a Turkish dotless i is an i. */
const caseless = (text: string) => text.toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ');

/** As texts are searched: accents make no difference. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return caseless(text.normalize('NFKD').replace(DROPPED, ''))
    .replace(JOINED, (letter) => PARTS[letter] ?? letter)
    .normalize('NFKC');
}

/** The same, but that accents count. */
export function foldExactly(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  return caseless(text.normalize('NFKC').replace(IGNORED, '')).normalize('NFKC');
}

/** With one space where there are several, or other ones. */
export const spaced = (text: string): string => text.replace(SPACES, ' ');

/** A letter with its marks, and a syllable of Korean in parts: what folds on its own. */
const CLUSTERS = /[\u1100-\u115f][\u1160-\u11a7]?[\u11a8-\u11ff]?|\P{M}\p{M}*|\p{M}+/gu;

/** A folded text, and of each of its characters where it stands in the text itself; one more for the end. */
export interface Mapped {
  text: string;
  places: number[];
}

/**
 * Folds a text that is short enough to do it letter by letter.
 * @param by one of the two
 */
export function foldMapped(text: string, by: (text: string) => string): Mapped {
  let folded = '';
  const places: number[] = [];
  for (const { 0: cluster, index } of text.matchAll(CLUSTERS)) {
    const one = by(cluster);
    for (let i = 0; i < one.length; i++) places.push(index);
    folded += one;
  }
  places.push(text.length);
  return { text: folded, places };
}
