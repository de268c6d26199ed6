/** What a message is made of. Text is only ever text: nothing here makes HTML. */
export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'link'; text: string; href: string }
  | { kind: 'code'; text: string }
  | { kind: 'block'; text: string };

/** What turns the reading direction by force: nobody types it, and it makes "gpj.exe" look like a picture. */
const forced = /[\u202d\u202e]/g;

/** Walks through the text once: no expression starts again at every character, however the text is made. */
export function parse(message: string): Piece[] {
  const text = message.replaceAll(forced, '');
  const pieces: Piece[] = [];
  /** Runs of as many backticks of which there is none further on. */
  const none = new Set<number>();
  let plain = 0;
  let at = text.indexOf('`');
  while (at >= 0) {
    const run = runOf(text, at);
    const from = at + run;
    const mark = '`'.repeat(run);
    const to = none.has(run) ? -1 : text.indexOf(mark, from);
    if (to < 0) none.add(run);
    const piece = to < 0 ? null : run >= 3 ? block(text.slice(from, to)) : inline(text.slice(from, to));
    let end = from;
    if (piece) {
      links(text.slice(plain, at), pieces);
      pieces.push(piece);
      end = to + run;
      if (run >= 3 && text[end] === '\n') end++;
      plain = end;
    }
    at = text.indexOf('`', end);
  }
  links(text.slice(plain), pieces);
  return pieces;
}

function runOf(text: string, at: number): number {
  let end = at;
  while (text[end] === '`') end++;
  return end - at;
}

const inline = (text: string): Piece | null =>
  text === '' || text.includes('\n') ? null : { kind: 'code', text };

/** The name of a language stands alone on the first line. */
function block(text: string): Piece | null {
  const line = text.indexOf('\n');
  const code = line >= 0 && /^[\w+#.-]{0,20} *$/.test(text.slice(0, line)) ? text.slice(line + 1) : text;
  return code === '' ? null : { kind: 'block', text: code.replace(/\n$/, '') };
}

// What an address is made of: letters and digits, and signs that have a place in one. Chinese, Japanese and Korean text
// has no spaces, so that an address ends where it begins; so it does at anything that isn't seen.
const cjk = '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Bopomofo}\\p{Script=Hangul}';
const address = new RegExp(
  `(?<![\\w@])(?:https?://|www\\.)(?:(?![${cjk}])[\\p{L}\\p{M}\\p{N}]|[-._~:/?#[\\]@!$&()*+,;=%])+`,
  'giu',
);
// Bounded, as every part is: what stands before an @ is looked at no further than it may be long.
const mail =
  /(?<![\w.+@-])\w[\w.+-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}(?![\w@-])/gi;

function links(text: string, pieces: Piece[]): void {
  let end = 0;
  for (const found of text.matchAll(address)) {
    const url = trimUrl(found[0]);
    const href = /^www\./i.test(url) ? `https://${url}` : url;
    if (!isUrl(href)) continue;
    mails(text.slice(end, found.index), pieces);
    pieces.push({ kind: 'link', text: url, href });
    end = found.index + url.length;
  }
  mails(text.slice(end), pieces);
}

function mails(text: string, pieces: Piece[]): void {
  let end = 0;
  for (const found of text.includes('@') ? text.matchAll(mail) : []) {
    if (found.index > end) pieces.push({ kind: 'text', text: text.slice(end, found.index) });
    pieces.push({ kind: 'link', text: found[0], href: `mailto:${found[0]}` });
    end = found.index + found[0].length;
  }
  if (end < text.length) pieces.push({ kind: 'text', text: text.slice(end) });
}

/** With a name that could be somebody's: `www.` alone is none. */
function isUrl(text: string): boolean {
  try {
    const { hostname } = new URL(text);
    return hostname !== '' && (!/^www\./i.test(hostname) || hostname.split('.').length > 2);
  } catch {
    return false;
  }
}

/** A full stop after an address ends the sentence, not the address; a bracket belongs to it only if it opened there. */
function trimUrl(url: string): string {
  let end = url.length;
  let open = 0;
  for (const sign of url) open += sign === '(' ? 1 : sign === ')' ? -1 : 0;
  for (; end > 0; end--) {
    const last = url.charAt(end - 1);
    if (last === ')') {
      if (open >= 0) break;
      open++;
    } else if (!'.,;:!?]'.includes(last)) break;
  }
  return url.slice(0, end);
}
