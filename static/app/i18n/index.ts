import { computed, effect } from '@preact/signals';
import { language } from '../settings.js';
import { en } from './en.js';
import { zh } from './zh.js';

type Plural = { one: string; other: string };
export type Key = keyof typeof en;
/** The same words in another language. */
export type WordsLike<T> = { readonly [K in keyof T]: T[K] extends string ? string : Plural };
export type Words = WordsLike<typeof en>;
type Values = Record<string, string | number>;
type Said<K extends string> = { readonly [P in K]: string | Plural };

/** The language on the page: chosen, else the first of the browser's that we speak. */
const locale = computed<'en' | 'zh'>(() => {
  if (language.value !== 'auto') return language.value;
  const found = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  return found.find((tag) => tag === 'zh' || tag === 'en') === 'zh' ? 'zh' : 'en';
});

/** For words from `Intl`: the browser's own variety of the language, else the one that most of the world can read. */
export const tag = computed(() => {
  const own = navigator.languages.find((name) => name.toLowerCase().startsWith(locale.value));
  return own ?? (locale.value === 'zh' ? 'zh-CN' : 'en-GB');
});

const plurals = computed(() => new Intl.PluralRules(tag.value));
const numbers = new Intl.NumberFormat(navigator.language);

/** Speaks out of one of two dictionaries, in the language of the page. */
export function speaker<K extends string>(en: Said<K>, zh: Said<K>): (key: K, values?: Values) => string {
  return (key, values = {}) => {
    const word = (locale.value === 'zh' ? zh : en)[key];
    const text = typeof word === 'string' ? word : word[pick(Number(values.n))];
    return text.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name] ?? '';
      return typeof value === 'number' ? numbers.format(value) : value;
    });
  };
}

const pick = (n: number): keyof Plural => (plurals.value.select(n) === 'one' ? 'one' : 'other');

export const t: (key: Key, values?: Values) => string = speaker<Key>(en, zh);

const known = (key: string): key is Key => key in en;

/** Words for an error of the server's, by its stable name. */
export function errorText(code: string, values: Values = {}): string {
  const key = `error.${code}`;
  return t(known(key) ? key : 'error.other', values);
}

effect(() => {
  document.documentElement.lang = locale.value === 'zh' ? 'zh-CN' : 'en';
});
