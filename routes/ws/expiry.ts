import type { Claims } from '../../plugins/auth.js';
import type { Connection } from '../../plugins/connection.js';
import { CLOSE } from '../../schemas/close.js';

/** The longest time that a timer can wait, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** Ends a connection when this token does, instead of the one before. */
export function expireWith(connection: Connection, claims: Claims): void {
  clearTimeout(connection.tokenTimer);
  const ms = claims.exp * 1000 - Date.now();
  if (ms > LONGEST_MS) return;
  connection.tokenTimer = setTimeout(() => connection.close(CLOSE.expired), ms).unref();
}
