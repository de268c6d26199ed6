import { en } from './en.js';
import { errorText as errorAtFirst, speaker, type WordsLike } from './index.js';
import { en as later } from './later-en.js';
import { zh as laterZh } from './later-zh.js';
import { zh } from './zh.js';

export type LaterWords = WordsLike<typeof later>;
export type Key = keyof typeof en | keyof typeof later;

/** Knows all words. */
export const t = speaker<Key>({ ...en, ...later }, { ...zh, ...laterZh });

const known = (key: string): key is keyof typeof later => key in later;

/** Words for an error of the server's, by its stable name. */
export function errorText(code: string, values?: Record<string, string | number>): string {
  const key = `error.${code}`;
  return known(key) ? t(key, values) : errorAtFirst(code, values);
}

/** The same, where it has to do with a group. */
export function groupError(code: string): string {
  const key = `group.${code}`;
  return known(key) ? t(key) : errorText(code);
}
