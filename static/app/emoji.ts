export interface Emoji {
  sign: string;
  en: string;
  zh: string;
  /** Its names and what is thought of with it, in both languages. */
  words: readonly string[];
}

/** A line is an emoji, and what it is called in English and in Chinese, the name first; an empty one ends a group. */
export function parseEmoji(text: string): Emoji[][] {
  const groups: Emoji[][] = [[]];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const [sign, english = '', chinese = ''] = line.split('\t');
    if (!sign) {
      groups.push([]);
      continue;
    }
    const [en = ''] = english.split(',', 1);
    const [zh = ''] = chinese.split(',', 1);
    groups.at(-1)?.push({ sign, en, zh, words: `${english},${chinese}`.toLowerCase().split(',') });
  }
  return groups.filter((group) => group.length > 0);
}

/** Whose words begin, or in Chinese hold, what is typed: names first. */
export function found(all: readonly Emoji[], typed: string): Emoji[] {
  const wanted = typed.toLowerCase();
  const rank = ({ sign, words, zh, en }: Emoji): number => {
    if (sign === typed || en.toLowerCase() === wanted || zh === typed) return 0;
    if (begins(en.toLowerCase(), wanted) || zh.includes(wanted)) return 1;
    return words.some((word) => begins(word, wanted) || (word.includes(wanted) && !/[a-z]/.test(wanted)))
      ? 2
      : 3;
  };
  return all
    .map((emoji) => ({ emoji, rank: rank(emoji) }))
    .filter(({ rank }) => rank < 3)
    .sort((a, b) => a.rank - b.rank)
    .map(({ emoji }) => emoji);
}

/** Whether a word in it begins so. */
const begins = (text: string, typed: string): boolean => text.startsWith(typed) || text.includes(` ${typed}`);
