const encoder = new TextEncoder();

/** Length as the server counts it: bytes of UTF-8. */
export const bytes = (text: string): number => encoder.encode(text).length;

/** What the server would store: no NUL, no half of a surrogate pair, no white space around it. */
export function clean(text: string): string {
  // A lone surrogate becomes U+FFFD by a round trip through UTF-8.
  return new TextDecoder().decode(encoder.encode(text)).replaceAll('\0', '').trim();
}

/** Up to two letters that stand for a name; a whole emoji or Han character counts as one. */
export function initials(name: string): string {
  const words = name
    .trim()
    .split(/[\s._-]+/)
    .filter(Boolean);
  const [first = '?', second] = words.map((word) => graphemes(word)[0] ?? '?');
  return (
    /\p{Script=Han}|\p{Extended_Pictographic}/u.test(first) || !second ? first : first + second
  ).toLocaleUpperCase();
}

function graphemes(text: string): string[] {
  if (!('Segmenter' in Intl)) return [...text];
  return Array.from(new Intl.Segmenter().segment(text), (part) => part.segment);
}

/** Whether a text reads from right to left: its first letter with a direction decides. */
export const isRtl = (text: string): boolean =>
  /^[^\p{L}]*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(
    text,
  );

const emojiOnly =
  /^(?:\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier})?(?:\u200D\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier})?)*|\p{Regional_Indicator}{2}|[0-9#*]\uFE0F?\u20E3|\s){1,12}$/u;

/** One to three emoji and nothing else are shown large; more of them, a little larger. */
export function emojiCount(text: string): number {
  if (text.length > 60 || !emojiOnly.test(text)) return 0;
  return graphemes(text.replaceAll(/\s/g, '')).length;
}
