import { ChatError } from '../../plugins/errors.js';
import { LIMITS } from '../../schemas/limits.js';

/** What the database can't store, or nobody could read: NUL and halves of surrogate pairs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what is looked for
const UNSTORABLE = /[\u0000\p{Cs}]/u;

/**
 * Checks what somebody wants to say.
 * @returns the content, trimmed
 * @throws ChatError `content_required`, `content_invalid`, `content_too_long`
 */
export function checkedContent(raw: string): string {
  const content = raw.trim();
  if (content === '') throw new ChatError('content_required');
  if (UNSTORABLE.test(content)) throw new ChatError('content_invalid');
  if (content.length * 3 > LIMITS.contentBytes && Buffer.byteLength(content) > LIMITS.contentBytes)
    throw new ChatError('content_too_long', `content is longer than ${LIMITS.contentBytes} bytes`);
  // A part of a string keeps the whole of it in memory.
  return content.length < raw.length ? Buffer.from(content).toString() : content;
}
