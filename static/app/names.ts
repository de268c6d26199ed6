/** Folds a name for comparing: without case and Unicode form, much as the server does. */
const fold = (name: string): string => name.normalize('NFKC').toLocaleLowerCase();

const wordStart =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|(?<![\p{L}\p{M}\p{N}])[\p{L}\p{N}]/gu;

/**
 * How well a name fits what was typed: 0 it is the name, 1 the name begins so, 2 a word of it does; null: it doesn't fit.
 * The server finds by the same rule.
 */
export function fit(name: string, typed: string): 0 | 1 | 2 | null {
  const [whole, part] = [fold(name), fold(typed.trim())];
  if (whole === part) return 0;
  if (whole.startsWith(part)) return 1;
  for (const { index } of whole.matchAll(wordStart)) if (whole.startsWith(part, index)) return 2;
  return null;
}
