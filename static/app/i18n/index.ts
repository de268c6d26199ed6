import { computed, effect } from '@preact/signals';
import { language } from '../settings.js';
import { en } from './en.js';
import { zh } from './zh.js';

type Plural = { one: string; other: string };
export type Key = keyof typeof en;
export type Words = { readonly [K in Key]: (typeof en)[K] extends string ? string : Plural };
type Values = Record<string, string | number>;

const dictionaries: Record<'en' | 'zh', Words> = { en, zh };

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

export function t(key: Key, values: Values = {}): string {
  const word = dictionaries[locale.value][key];
  const text = typeof word === 'string' ? word : word[pick(Number(values.n))];
  return text.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? '';
    return typeof value === 'number' ? numbers.format(value) : value;
  });
}

const pick = (n: number): keyof Plural => (plurals.value.select(n) === 'one' ? 'one' : 'other');

const known = (key: string): key is Key => key in en;

/** Words for an error of the server's, by its stable name. */
export function errorText(code: string, values: Values = {}): string {
  const key = `error.${code}`;
  return t(known(key) ? key : 'error.other', values);
}

effect(() => {
  document.documentElement.lang = locale.value === 'zh' ? 'zh-CN' : 'en';
});
