import { Cache } from '../../plugins/cache.js';
import { ChatError } from '../../plugins/errors.js';
import { readEmoji } from '../../schemas/change.js';
import { LIMITS } from '../../schemas/limits.js';
import type { Message } from '../../schemas/message.js';
import type { Beside } from '../../sql/beside.js';
import type { Target } from '../../sql/messages.js';

/** Whether the database can store a text, and people read it: not with NUL, nor with half of a surrogate pair. */
const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/**
 * Whom something is said to: a user, or those in a conversation.
 * @throws ChatError `bad_request` unless it is one of the two
 */
export function targetOf({
  to_user_id: user,
  conversation_id: conversation,
}: Partial<Record<'to_user_id' | 'conversation_id', number>>): Target {
  if (user !== undefined && conversation === undefined) return { user };
  if (conversation !== undefined && user === undefined) return { conversation };
  throw new ChatError('bad_request', 'one of to_user_id and conversation_id is needed');
}

/** What was read of emojis that are in use: the pattern for them takes microseconds. */
const emojis = new Cache<string, string>({ entries: 500 });

/** @throws ChatError `emoji_invalid` unless it is one emoji @returns it in NFC */
export function checkedEmoji(said: string): string {
  const known = emojis.get(said);
  if (known !== undefined) return known;
  const emoji = readEmoji(said);
  if (emoji === undefined) throw new ChatError('emoji_invalid');
  emojis.set(said, emoji);
  return emoji;
}

/** What is said beside a text; undefined where that is nothing. */
export function asBeside({ mentions, mention_all: all, reply_to: replyTo }: Said): Beside | undefined {
  if (!mentions?.length && all === undefined && replyTo === undefined) return undefined;
  const people = [...new Set(mentions)].sort((a, b) => a - b);
  return { mentions: people.length > 0 ? people : undefined, all, replyTo };
}
type Said = Pick<Message, 'mentions' | 'mention_all' | 'reply_to'>;

/** Takes away white space at both ends, but of several lines not what indents the first: it may be code. */
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

/**
 * Checks what somebody wants to say.
 * @param trim how white space at the ends is treated: as the reference does, unless told otherwise
 * @returns the content, trimmed
 * @throws ChatError `content_required`, `content_invalid`, `content_too_long`
 */
export function checkedContent(raw: string, trim = (text: string) => text.trim()): string {
  const content = trim(raw);
  if (content === '') throw new ChatError('content_required');
  if (!isStorable(content)) throw new ChatError('content_invalid');
  if (content.length * 3 > LIMITS.contentBytes && Buffer.byteLength(content) > LIMITS.contentBytes)
    throw new ChatError('content_too_long', `content is longer than ${LIMITS.contentBytes} bytes`);
  // A part of a string keeps the whole of it in memory.
  return content.length < raw.length ? Buffer.from(content).toString() : content;
}
