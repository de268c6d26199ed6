import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { vouchedFor } from '../plugins/auth/header.js';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { type Device, hashOf, nextOf } from '../plugins/sessions/device.js';
import { answers, ok } from '../schemas/envelope.js';
import { NewPassword, SessionParams, Sessions } from '../schemas/session.js';
import { SignedIn } from '../schemas/user.js';
import {
  type Exchanged,
  endSession,
  endSessionless,
  endSessions,
  exchangeSecret,
  listSessions,
} from '../sql/sessions.js';

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

  /** @returns whose it is, and what it has to show from now on */
  async function exchange(device: Device): Promise<(Exchanged & { device: Device }) | undefined> {
    const secret = nextOf(app.tokens.secret, device);
    const shown = { sid: device.sid, secret: hashOf(device.secret), next: hashOf(secret) };
    const found = await within(app.db.requests, (sql) =>
      exchangeSecret(sql, { ...shown, ...app.sessions.days }),
    );
    return found && { ...found, device: found.changed ? { sid: device.sid, secret } : device };
  }

  app.post('/api/exchange', { schema: { response: answers(SignedIn) } }, async (request, reply) => {
    ownOrigin(request);
    const { cookie } = app.sessions;
    const name = vouchedFor(app, request);
    const vouched = name === undefined ? undefined : await app.accounts.arrive(name);
    const device = cookie.read(request);
    if (device === undefined && vouched === undefined) throw new ChatError('missing_token');
    // Nobody can guess a secret, and who tries to keeps nobody waiting who has one: counted is who shows the same again and again.
    if (device !== undefined) app.limits.ask(device.secret);
    const found = device && (await exchange(device));
    // Whoever was here before, it is this one who is signed in at the proxy.
    if (vouched !== undefined && found?.user_id !== vouched.user_id) {
      const { sid, secret, ...given } = await app.sessions.open(request, vouched, { stays: false });
      if (secret !== undefined) cookie.write(request, reply, { sid, secret }, undefined);
      return ok({ user_id: vouched.user_id, username: vouched.username, ...given });
    }
    if (found === undefined) {
      cookie.clear(request, reply);
      throw new ChatError('unauthorized');
    }
    cookie.write(request, reply, found.device, found.stays ? app.sessions.days.days : undefined);
    const { user_id, username } = found;
    const { sid } = found.device;
    return ok({ user_id, username, ...(await app.sessions.forDevice(found, sid, found.ends_at)) });
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

  app.post(
    '/api/logout',
    { onRequest: [app.auth.enrolling, app.limits.askedApart], schema: { response: nothing } },
    async (request, reply) => {
      const { user_id: user, sid } = request.claims;
      // Those without a session can't be told apart.
      await within(app.db.requests, async (sql) => {
        if (sid === undefined) await endSessionless(sql, user);
        else await endSession(sql, user, sid);
      });
      await app.sessions.ring([user]);
      if (app.sessions.cookie.read(request)?.sid === sid) app.sessions.cookie.clear(request, reply);
      return ok({});
    },
  );

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
          await app.accounts.ownPassword(user, body.old_password, asker);
          return app.accounts.hash(body.new_password, asker);
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
