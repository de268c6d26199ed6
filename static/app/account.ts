import { bytes } from './text.js';

// The same as in schemas/user.ts, which would bring a validator along; a test compares them.
export const nameLength = 64;
export const passwordBytes = 72;

export type Field = 'username' | 'password';
export type Mistake =
  | { field: 'username'; key: 'usernameMissing' | 'usernameLong'; values: { max: number } }
  | { field: 'password'; key: 'passwordMissing' | 'passwordLong'; values: { max: number; n: number } };

/** What can be said before the server is asked. */
export function mistakeIn(username: string, password: string): Mistake | null {
  const max = nameLength;
  if (!username) return { field: 'username', key: 'usernameMissing', values: { max } };
  if ([...username.normalize('NFC')].length > max)
    return { field: 'username', key: 'usernameLong', values: { max } };
  return passwordMistake(password);
}

/** The same of a password alone. */
export function passwordMistake(password: string): (Mistake & { field: 'password' }) | null {
  const values = { max: passwordBytes, n: bytes(password.normalize('NFC')) };
  if (password.trim() === '') return { field: 'password', key: 'passwordMissing', values };
  return values.n > passwordBytes ? { field: 'password', key: 'passwordLong', values } : null;
}
