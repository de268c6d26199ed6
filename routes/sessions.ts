import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { hashOf, nextOf } from '../plugins/sessions/device.js';
import { answers, ok } from '../schemas/envelope.js';
import { NewPassword, SessionParams, Sessions } from '../schemas/session.js';
import { PASSWORD_BYTES, SignedIn } from '../schemas/user.js';
import { endSession, endSessionless, endSessions, exchangeSecret, listSessions } from '../sql/sessions.js';
import { findPassword } from '../sql/users.js';
import { UNHASHABLE } from './register.js';

/**
 * Lets a request pass that a page of this server makes. A browser says so with every POST. Whoever came by https is no page that came
 * without; the other way round there may be a proxy in between that doesn't say so.
 * @throws ChatError `origin_refused`
 */
function ownOrigin({ headers: { origin }, protocol, host }: FastifyRequest): void {
  if (origin === `https://${host}` || (protocol === 'http' && origin === `http://${host}`)) return;
  throw new ChatError('origin_refused');
}

/** Where somebody is signed in, and the ends of that. */
const sessions: FastifyPluginAsyncTypebox = async (app) => {
  const asking = { onRequest: [app.auth.required, app.limits.asked] };
  const ending = { onRequest: [app.auth.required, app.limits.askedApart] };
  const nothing = answers(Type.Object({}));

  app.post('/api/exchange', { schema: { response: answers(SignedIn) } }, async (request, reply) => {
    ownOrigin(request);
    const device = app.sessions.cookie.read(request);
    if (device === undefined) throw new ChatError('missing_token');
    // Nobody can guess a secret, and who tries to keeps nobody waiting who has one: counted is who shows the same again and again.
    app.limits.ask(device.secret);
    const { sid } = device;
    const secret = nextOf(app.tokens.secret, device);
    const found = await within(app.db.requests, (sql) =>
      exchangeSecret(sql, {
        sid,
        secret: hashOf(device.secret),
        next: hashOf(secret),
        ...app.sessions.days,
      }),
    );
    if (found === undefined) {
      app.sessions.cookie.clear(request, reply);
      throw new ChatError('unauthorized');
    }
    const days = found.stays ? app.sessions.days.days : undefined;
    app.sessions.cookie.write(request, reply, found.changed ? { sid, secret } : device, days);
    const { user_id, username } = found;
    return ok({ user_id, username, ...app.sessions.forDevice(found, sid, found.ends_at) });
  });

  app.get('/api/sessions', { ...asking, schema: { response: answers(Sessions) } }, async ({ claims }) => {
    const rows = await within(app.db.requests, (sql) => listSessions(sql, claims.user_id));
    return ok({ sessions: rows.map(({ sid: id, ...row }) => ({ id, ...row, current: id === claims.sid })) });
  });

  app.delete(
    '/api/sessions/:id',
    { ...ending, schema: { params: SessionParams, response: nothing } },
    async ({ params, claims }) => {
      const user = claims.user_id;
      if (!(await within(app.db.requests, (sql) => endSession(sql, user, params.id))))
        throw new ChatError('session_not_found');
      await app.sessions.ring([user]);
      return ok({});
    },
  );

  /** All but this one. */
  app.delete('/api/sessions', { ...ending, schema: { response: nothing } }, async ({ claims }) => {
    const user = claims.user_id;
    await within(app.db.requests, (sql) => endSessions(sql, user, claims.sid));
    await app.sessions.ring([user]);
    return ok({});
  });

  app.post('/api/logout', { ...ending, schema: { response: nothing } }, async (request, reply) => {
    const { user_id: user, sid } = request.claims;
    // Those without a session can't be told apart.
    await within(app.db.requests, async (sql) => {
      if (sid === undefined) await endSessionless(sql, user);
      else await endSession(sql, user, sid);
    });
    await app.sessions.ring([user]);
    if (app.sessions.cookie.read(request)?.sid === sid) app.sessions.cookie.clear(request, reply);
    return ok({});
  });

  app.post(
    '/api/password',
    { onRequest: app.auth.required, schema: { body: NewPassword, response: answers(SignedIn) } },
    async (request) => {
      const { claims, body } = request;
      const { user_id: user, username } = claims;
      const hash = await app.limits.doors.enter(
        'password',
        request,
        { name: username, user },
        async (asker) => {
          const found = await within(app.db.requests, (sql) => findPassword(sql, user));
          const old = Buffer.byteLength(body.old_password) <= PASSWORD_BYTES ? body.old_password : '';
          if (!(await app.auth.passwords.matches(old, found, asker)) || old === '')
            throw new ChatError('wrong_password');
          const password = body.new_password;
          if (Buffer.byteLength(password) > PASSWORD_BYTES) throw new ChatError('password_too_long');
          if (UNHASHABLE.test(password)) throw new ChatError('password_invalid');
          return app.auth.passwords.hash(password, asker);
        },
      );
      await within(app.db.requests, (sql) => endSessions(sql, user, claims.sid, hash));
      await app.sessions.ring([user]);
      const { token, token_expires_at } = await app.sessions.another(request);
      return ok({ user_id: user, username, token, token_expires_at });
    },
  );
};
export default sessions;
