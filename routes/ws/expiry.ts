import type { Claims } from '../../plugins/auth.js';
import type { Connection } from '../../plugins/connection/connection.js';

/** Ends a connection when this token does, instead of the one before. */
export function expireWith(connection: Connection, claims: Claims): void {
  connection.expireIn(claims.exp * 1000 - Date.now());
}
