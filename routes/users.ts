import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { PersonQuery } from '../schemas/contact.js';
import { answers, ok } from '../schemas/envelope.js';
import { nameKey, Profile, UserParams, UserSearch, Users } from '../schemas/user.js';
import { listFound, searchFound } from '../sql/contacts.js';
import { findPerson, listUsers, searchUsers } from '../sql/users.js';

/** `GET /api/users`, `GET /api/users?query=` and `GET /api/users/:id` */
const users: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.auth.required);
  app.addHook('onRequest', app.limits.asked);

  app.get(
    '/api/users',
    { schema: { querystring: UserSearch, response: answers(Users) } },
    async ({ query, claims }) => {
      const limit = query.limit ?? 20;
      const user = claims.user_id;
      const all = app.config.DIRECTORY === 'everyone';
      if (query.query === undefined)
        return ok({
          users: await within(app.db.requests, (sql) =>
            all ? listUsers(sql, query.after, limit) : listFound(sql, user, query.after, limit),
          ),
        });
      const beginning = query.query.trim();
      if (nameKey(beginning) === '' || beginning.includes('\0'))
        throw new ChatError('bad_request', 'query must have a character that names have');
      return ok({
        users: await within(app.db.requests, (sql) =>
          all ? searchUsers(sql, beginning, limit) : searchFound(sql, user, beginning, limit),
        ),
      });
    },
  );

  app.get(
    '/api/users/:id',
    { schema: { params: UserParams, querystring: PersonQuery, response: answers(Profile) } },
    async ({ params, query, claims }) => {
      await app.contacts.require(claims.user_id, params.id, query.username);
      const user = await within(app.db.requests, (sql) => findPerson(sql, params.id));
      if (user === undefined) throw new ChatError('user_not_found');
      return ok({ ...user, created_at: user.created_at?.toISOString() ?? null });
    },
  );
};
export default users;
