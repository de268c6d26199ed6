import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { answers, ok } from '../schemas/envelope.js';
import { Credentials, Me, PASSWORD_BYTES, Session } from '../schemas/user.js';
import { findByName, findUser } from '../sql/users.js';
import { credentials } from './register.js';

/** `POST /login`, and what the holder of a token can do with it: `GET /api/me`, `POST /api/token`. */
const login: FastifyPluginAsyncTypebox = async (app) => {
  const asking = [app.auth.required, app.limits.asked];
  app.post('/login', { schema: { body: Credentials, response: answers(Session) } }, async (request) => {
    const { username, password } = credentials(request.body);
    const { doors } = app.limits;
    doors.check('login', request, username);
    // No name has a NUL, and the database couldn't be asked for one.
    const user = username.includes('\0')
      ? undefined
      : await within(app.db.requests, (sql) => findByName(sql, username));
    const usable = Buffer.byteLength(password) <= PASSWORD_BYTES && !password.includes('\0');
    return doors.enter('login', request, { name: username, user: user?.user_id }, async (asker) => {
      const matches = await app.auth.passwords.matches(usable ? password : '', user?.password, asker);
      if (!matches || !usable || user === undefined) throw new ChatError('unauthorized');
      return ok({ user_id: user.user_id, username: user.username, token: app.auth.sign(user) });
    });
  });

  app.get('/api/me', { onRequest: asking, schema: { response: answers(Me) } }, async ({ claims }) => {
    const user = await within(app.db.requests, (sql) => findUser(sql, claims.user_id));
    if (user === undefined) throw new ChatError('unauthorized');
    return ok({ ...user, token_expires_at: new Date(claims.exp * 1000).toISOString() });
  });

  app.post(
    '/api/token',
    { onRequest: asking, schema: { response: answers(Type.Pick(Session, ['token'])) } },
    async ({ claims }) => {
      const user = await within(app.db.requests, (sql) => findUser(sql, claims.user_id));
      if (user === undefined) throw new ChatError('unauthorized');
      return ok({ token: app.auth.sign(user) });
    },
  );
};
export default login;
