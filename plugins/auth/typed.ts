import { PASSWORD_BYTES } from '../../schemas/user.js';
import { ChatError } from '../errors.js';

/** NUL, which ends a password for some, and halves of surrogate pairs, which all have the same bytes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what is looked for
const UNHASHABLE = /[\u0000\p{Cs}]/u;

const isUsable = (password: string) =>
  Buffer.byteLength(password) <= PASSWORD_BYTES && !UNHASHABLE.test(password);

/**
 * A password as it is hashed, the same however an input method composes its letters and whatever key makes its spaces (RFC 8265,
 * OpaqueString). NFC as there, and not NFKC: that would make one of what people type as two.
 */
const prepared = (typed: string) => typed.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC');

/**
 * A new password as it is to be hashed.
 * @param min characters at least
 * @throws ChatError `password_required`, `password_too_short`, `password_too_long`, `password_invalid`
 */
export function newPassword(typed: string | null | undefined, min: number): string {
  const password = prepared(typed ?? '');
  if (password.trim() === '') throw new ChatError('password_required');
  if (UNHASHABLE.test(password)) throw new ChatError('password_invalid');
  if (Buffer.byteLength(password) > PASSWORD_BYTES) throw new ChatError('password_too_long');
  if ([...password].length < min)
    throw new ChatError('password_too_short', `password must be at least ${min} characters`);
  return password;
}

/**
 * What a stored hash may be of: what is hashed now, or what versions before hashed, which trimmed it and left it as it was composed.
 * How many these are depends on what was typed alone, and so says nothing of who exists.
 */
export const hashedForms = (typed: string): string[] =>
  [...new Set([prepared(typed), typed.trim()])].filter(isUsable);
