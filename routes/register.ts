import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { vouchedFor } from '../plugins/auth/header.js';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { answers, ok } from '../schemas/envelope.js';
import {
  type Credentials,
  Door,
  Named,
  Notice,
  Registered,
  Registration,
  ResetBody,
} from '../schemas/user.js';
import { findNotice } from '../sql/notices.js';

/**
 * What a person typed as name and password: the name cleaned, the password as it is.
 * @throws ChatError `username_required`, `password_required`
 */
export function credentials(body: Credentials): { username: string; password: string } {
  const username = (body.username ?? '').trim().normalize('NFC');
  const password = body.password ?? '';
  if (username === '') throw new ChatError('username_required');
  if (password.trim() === '') throw new ChatError('password_required');
  return { username, password };
}

/** `POST /register`, `GET /api/door` and `GET /api/notice` for who comes to it, and `POST /api/reset` for who has forgotten the password. */
const register: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/register',
    { schema: { body: Registration, response: answers(Registered) } },
    async (request) => {
      const { username, password } = credentials(request.body);
      const { invite } = request.body;
      return app.limits.doors.enter('register', request, { name: username }, async (asker) =>
        ok({ user_id: await app.accounts.register(username, password, invite, asker) }),
      );
    },
  );

  app.get('/api/door', { schema: { response: answers(Door) } }, async (request) =>
    ok({
      registration: app.config.REGISTRATION,
      vouched: vouchedFor(app, request) !== undefined,
    }),
  );

  app.get('/api/notice', { schema: { response: answers(Notice) } }, async () =>
    ok({ notice: await within(app.db.requests, findNotice) }),
  );

  app.post('/api/reset', { schema: { body: ResetBody, response: answers(Named) } }, async (request) => {
    const { code, new_password } = request.body;
    return app.limits.doors.enter('reset', request, { name: code }, async (asker) =>
      ok(await app.accounts.reset(code, new_password, asker)),
    );
  });
};
export default register;
