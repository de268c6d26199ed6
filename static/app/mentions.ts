/** A name that stands in a text, and whose it is; 0 for all. */
export interface Named {
  id: number;
  name: string;
}

/** Letters of scripts that put no space between words. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]$/u;
const letter = /^[\p{L}\p{M}\p{N}]/u;
/** What an address may have before its @. */
const ofAddress = /[\w.+-]/;

/** By which all are mentioned, in each language of the page. */
export const allNames: readonly Named[] = ['all', '所有人'].map((name) => ({ id: 0, name }));

/** Where names stand in a text behind an @, and where each ends: of two that begin alike the longer one. */
export function* mentionsIn(
  text: string,
  names: readonly Named[],
): Generator<Named & { at: number; end: number }> {
  const longest = names.filter(({ name }) => name !== '').toSorted((a, b) => b.name.length - a.name.length);
  for (let at = text.indexOf('@'); at >= 0 && longest.length > 0; ) {
    let end = at + 1;
    for (const { id, name } of ofAddress.test(text[at - 1] ?? ' ') ? [] : longest) {
      const to = at + 1 + name.length;
      if (text.slice(at + 1, to).toLowerCase() !== name.toLowerCase()) continue;
      if (letter.test(text.slice(to, to + 2)) && !unspaced.test(name)) continue;
      yield { id, name, at, end: to };
      end = to;
      break;
    }
    at = text.indexOf('@', end);
  }
}

/** What rides beside a text: whom it mentions of those who were chosen. */
export function besides(text: string, chosen: readonly Named[], most: number) {
  const ids = new Set(Array.from(mentionsIn(text, chosen), ({ id }) => id));
  const mention_all = ids.delete(0);
  const mentions = [...ids].slice(0, most);
  return { ...(mentions.length > 0 && { mentions }), ...(mention_all && { mention_all: true as const }) };
}
