import { keep, kept } from './settings.js';

const place = 'chat.emoji';
const most = 32;
const atFirst = ['👍', '❤️', '😂', '😮', '😢', '🙏'];

/** Emoji that were chosen of late in this browser, the last one first; before there are enough, those that are chosen most. */
export function recent(): string[] {
  const chosen = (kept(place) ?? '').split(' ').filter(Boolean);
  return [...new Set([...chosen, ...atFirst])];
}

export function choose(emoji: string): void {
  const chosen = (kept(place) ?? '').split(' ').filter((other) => other && other !== emoji);
  keep(place, [emoji, ...chosen].slice(0, most).join(' '));
}
