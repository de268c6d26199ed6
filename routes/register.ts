import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { answers, ok } from '../schemas/envelope.js';
import { Credentials, PASSWORD_BYTES, Registered, usernameProblem } from '../schemas/user.js';
import { addUser } from '../sql/users.js';

/**
 * What a person typed as name and password, cleaned.
 * @throws ChatError `username_required`, `password_required`
 */
export function credentials(body: Credentials): { username: string; password: string } {
  const username = (body.username ?? '').trim().normalize('NFC');
  const password = (body.password ?? '').trim();
  if (username === '') throw new ChatError('username_required');
  if (password === '') throw new ChatError('password_required');
  return { username, password };
}

/** NUL, which ends a password for some, and halves of surrogate pairs, which all have the same bytes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is what is looked for
export const UNHASHABLE = /[\u0000\p{Cs}]/u;

/** `POST /register` */
const register: FastifyPluginAsyncTypebox = async (app) => {
  app.post('/register', { schema: { body: Credentials, response: answers(Registered) } }, async (request) => {
    const { username, password } = credentials(request.body);
    const problem = usernameProblem(username);
    if (problem !== undefined) throw new ChatError('username_invalid', problem);
    if (Buffer.byteLength(password) > PASSWORD_BYTES) throw new ChatError('password_too_long');
    if (UNHASHABLE.test(password)) throw new ChatError('password_invalid');
    return app.limits.doors.enter('register', request, { name: username }, async (asker) => {
      const hash = await app.auth.passwords.hash(password, asker);
      const id = await within(app.db.requests, (sql) => addUser(sql, username, hash));
      if (id === undefined) throw new ChatError('username_taken');
      return ok({ user_id: id });
    });
  });
};
export default register;
