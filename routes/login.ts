import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { answers, ok } from '../schemas/envelope.js';
import { Login, SignedIn } from '../schemas/user.js';
import { findByName } from '../sql/users.js';
import { credentials } from './register.js';

/** `POST /login`, and what the holder of a token gets for it: `POST /api/token`. */
const login: FastifyPluginAsyncTypebox = async (app) => {
  const { config } = app;
  app.post('/login', { schema: { body: Login, response: answers(SignedIn) } }, async (request, reply) => {
    const { username, password } = credentials(request.body);
    const { doors } = app.limits;
    doors.check('login', request, username);
    // No name has a NUL, and the database couldn't be asked for one.
    const user = username.includes('\0')
      ? undefined
      : await within(app.db.requests, (sql) => findByName(sql, username));
    const { code, device, stay_signed_in: stays } = request.body;
    const found = await doors.enter(
      'login',
      request,
      { name: username, user: user?.user_id },
      async (asker) => {
        const matches = await app.accounts.matches(password, user?.password, asker);
        if (!matches || user === undefined) throw new ChatError('unauthorized');
        if (user.suspended) throw new ChatError('suspended');
        if (user.has_factor) await app.factor.ask(user.user_id, code);
        return user;
      },
    );
    const { sid, secret, ...given } = await app.sessions.open(request, found, {
      device,
      stays,
      password: found.password,
    });
    if (secret !== undefined)
      app.sessions.cookie.write(
        request,
        reply,
        { sid, secret },
        stays === true ? config.SESSION_DAYS : undefined,
      );
    return ok({ user_id: found.user_id, username: found.username, ...given });
  });

  app.post(
    '/api/token',
    {
      onRequest: [app.auth.required, app.limits.askedApart],
      schema: { response: answers(Type.Pick(SignedIn, ['token', 'token_expires_at'])) },
    },
    async (request) => ok(await app.sessions.another(request)),
  );
};
export default login;
