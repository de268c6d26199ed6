import { type Emoji, parseEmoji } from './emoji.js';

let read: Promise<readonly (readonly Emoji[])[]> | undefined;

/** All that can be chosen, in groups: fetched when they are asked for. */
export function emojiGroups(): Promise<readonly (readonly Emoji[])[]> {
  read ??= import('./emoji.txt').then(
    ({ default: text }) => parseEmoji(text),
    (error: unknown) => {
      read = undefined;
      throw error;
    },
  );
  return read;
}
