/** What tests of contacts and blocks ask for. */
import type { Server, User } from './helper.js';

/** Asks something of somebody. @returns the status, and the data or the code of the error */
export async function ask(
  server: Server,
  user: User,
  method: string,
  what: 'contacts' | 'blocks',
  other: User,
) {
  const path = `/api/${what}/${other.user_id}`;
  const { status, body } = await server.request(method, path, { token: user.token });
  return [status, status === 200 ? body.data : body.error];
}
export const add = (server: Server, user: User, other: User) => ask(server, user, 'PUT', 'contacts', other);
export const remove = (server: Server, user: User, other: User) =>
  ask(server, user, 'DELETE', 'contacts', other);
export const block = (server: Server, user: User, other: User) => ask(server, user, 'PUT', 'blocks', other);
export const unblock = (server: Server, user: User, other: User) =>
  ask(server, user, 'DELETE', 'blocks', other);

export const get = async (server: Server, user: User, path: string) =>
  (await server.request('GET', path, { token: user.token })).body.data;
export const blocked = async (server: Server, user: User) => (await get(server, user, '/api/blocks')).blocked;
/** Those whom a user knows, without the version. */
export async function known(server: Server, user: User) {
  const { contacts, asked, asking } = await get(server, user, '/api/contacts');
  return { contacts, asked, asking };
}
export const post = (server: Server, from: User, body: object) =>
  server.request('POST', '/api/messages', { token: from.token, body: { content: 'hello', ...body } });

export const named = ({ user_id, username }: User) => ({ user_id, username });
