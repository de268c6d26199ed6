const encoder = new TextEncoder();

/** Length as the server counts it: bytes of UTF-8. */
export const bytes = (text: string): number => encoder.encode(text).length;

/** What the server would store: no NUL, no half of a surrogate pair, no white space around it but what indents a first line. */
export function clean(text: string): string {
  // A lone surrogate becomes U+FFFD by a round trip through UTF-8.
  return trimmed(new TextDecoder().decode(encoder.encode(text)).replaceAll('\0', ''));
}

/** The same as the server's, in routes/ws/content.ts; a test compares them. */
export function trimmed(text: string): string {
  const end = text.trimEnd();
  const bare = end.trimStart();
  const first = end.length - bare.length;
  let start = first;
  while (end[start - 1] === ' ' || end[start - 1] === '\t') start--;
  // A lone space is a slip of the hand.
  const indented = first - start > 1 || end[start] === '\t';
  return indented && bare.includes('\n') ? end.slice(start) : bare;
}

/** The beginning of a text, without half of what a reader takes for one character. */
export function shortened(text: string, length: number): string {
  if (text.length <= length) return text;
  let end = 0;
  // Past the end far enough that the one which stands across it is whole.
  for (const part of graphemes(text.slice(0, length + 64))) {
    if (end + part.length > length) break;
    end += part.length;
  }
  return `${text.slice(0, end)}…`;
}

/** One line for a list or a notification. */
export const oneLine = (text: string): string =>
  shortened(
    text
      .slice(0, 1000)
      .replace(/[\ud800-\udbff]$/, '')
      .replaceAll(/[`\u202a-\u202e\u2066-\u2069]/g, '')
      .replaceAll(/\s+/g, ' ')
      .trim(),
    160,
  );

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

/** One for all: it takes longer to make than to use. */
const segmenter = 'Segmenter' in Intl ? new Intl.Segmenter() : null;

function graphemes(text: string): string[] {
  return segmenter ? Array.from(segmenter.segment(text), (part) => part.segment) : [...text];
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
