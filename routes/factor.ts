import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { answers, ok } from '../schemas/envelope.js';
import { EndOfFactor, FactorOffer, FactorState, NewFactor, RecoveryCodes } from '../schemas/factor.js';

/** A second factor of who asks: to get one, and to end it. Who needs one to do anything else may do this. */
const factor: FastifyPluginAsyncTypebox = async (app) => {
  const enrolling = { onRequest: [app.auth.enrolling, app.limits.asked] };

  app.get(
    '/api/second-factor',
    { ...enrolling, schema: { response: answers(FactorState) } },
    async ({ claims }) => ok(await app.factor.state(claims.user_id)),
  );

  /** What a device is to make codes of. Nothing is kept of it. */
  app.post(
    '/api/second-factor/secret',
    { ...enrolling, schema: { response: answers(FactorOffer) } },
    async (request: FastifyRequest) => ok(app.factor.offer(request.claims.username, request.hostname)),
  );

  app.put(
    '/api/second-factor',
    { ...enrolling, schema: { body: NewFactor, response: answers(RecoveryCodes) } },
    async (request) => {
      const { password, secret, code } = request.body;
      const { user_id: user, username: name } = request.claims;
      return app.limits.doors.enter('password', request, { name, user }, async (asker) => {
        await app.accounts.ownPassword(user, password, asker);
        return ok({ recovery_codes: await app.factor.add(user, secret, code) });
      });
    },
  );

  app.delete(
    '/api/second-factor',
    { ...enrolling, schema: { body: EndOfFactor, response: answers(Type.Object({})) } },
    async (request) => {
      const { password, code } = request.body;
      const { user_id: user, username: name } = request.claims;
      return app.limits.doors.enter('password', request, { name, user }, async (asker) => {
        await app.accounts.ownPassword(user, password, asker);
        await app.factor.ask(user, code);
        await app.accounts.change('end_second_factor', user, user);
        return ok({});
      });
    },
  );
};
export default factor;
