/** What a message is made of. Text is only ever text: nothing here makes HTML. */
export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'link'; text: string; href: string }
  | { kind: 'code'; text: string }
  | { kind: 'block'; text: string };

// No nested repetition: every expression is linear in the length of the text.
const code = /```(?:\w{1,20}\n|\n)?([^`]+)```\n?|`([^`\n]+)`/g;
const link = /\bhttps?:\/\/[^\s<>"'`，。；！？、（）【】「」《》]+/gi;
const trailing = /[.,;:!?)\]}…，。；：！？、）】]+$/u;

export function parse(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const found of text.matchAll(code)) {
    links(text.slice(end, found.index), pieces);
    const [all, block, inline] = found;
    if (block !== undefined) pieces.push({ kind: 'block', text: block.replace(/\n$/, '') });
    else pieces.push({ kind: 'code', text: inline ?? '' });
    end = found.index + all.length;
  }
  links(text.slice(end), pieces);
  return pieces;
}

function links(text: string, pieces: Piece[]): void {
  let end = 0;
  for (const found of text.matchAll(link)) {
    const url = trimUrl(found[0]);
    if (!isUrl(url)) continue;
    if (found.index > end) pieces.push({ kind: 'text', text: text.slice(end, found.index) });
    pieces.push({ kind: 'link', text: url, href: url });
    end = found.index + url.length;
  }
  if (end < text.length) pieces.push({ kind: 'text', text: text.slice(end) });
}

function isUrl(text: string): boolean {
  try {
    return new URL(text).hostname !== '';
  } catch {
    return false;
  }
}

/** A full stop after an address ends the sentence, not the address; a bracket belongs to it only if it opened there. */
function trimUrl(url: string): string {
  const bare = url.replace(trailing, '');
  const rest = url.slice(bare.length);
  return rest.startsWith(')') && bare.includes('(') ? `${bare})` : bare;
}

/** One line for the list of conversations. */
export const oneLine = (text: string): string =>
  text.replaceAll(/```|`/g, '').replaceAll(/\s+/g, ' ').slice(0, 160);
