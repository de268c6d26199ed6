import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { Blocks, ContactState, Contacts, PersonParams, PersonQuery } from '../schemas/contact.js';
import { answers, ok } from '../schemas/envelope.js';
import { LIMITS } from '../schemas/limits.js';
import { addContact, block, listBlocked, listContacts, removeContact, unblock } from '../sql/contacts.js';

/** Contacts, those who ask to be one, and who is kept out. */
const contacts: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.auth.required);
  app.addHook('onRequest', app.limits.asked);
  const { requests } = app.db;
  const nothing = answers(Type.Object({}));

  app.get('/api/contacts', { schema: { response: answers(Contacts) } }, async ({ claims }) => {
    const { version, people } = await within(requests, (sql) =>
      listContacts(sql, claims.user_id, LIMITS.contactRequests),
    );
    const those = (wants: boolean, wanted: boolean) =>
      people.filter((one) => one.wants === wants && one.wanted === wanted).map(({ person }) => person);
    return ok({
      version,
      contacts: those(true, true),
      asked: those(true, false),
      asking: those(false, true),
    });
  });

  app.put(
    '/api/contacts/:user_id',
    { schema: { params: PersonParams, querystring: PersonQuery, response: answers(ContactState) } },
    async ({ params, query, claims }) => {
      const [user, other] = [claims.user_id, params.user_id];
      if (other === user) throw new ChatError('bad_request', 'you cannot be a contact of yourself');
      await app.contacts.require(user, other, query.username);
      const state = await within(requests, (sql) =>
        addContact(sql, user, other, { contacts: LIMITS.contacts, requests: LIMITS.contactRequests }),
      );
      if (state !== 'contact' && state !== 'asked') throw new ChatError(state);
      await app.sessions.ring([user, other]);
      return ok({ state });
    },
  );

  /** Removes, declines or withdraws. */
  app.delete(
    '/api/contacts/:user_id',
    { schema: { params: PersonParams, response: nothing } },
    async ({ params, claims }) => {
      const [user, other] = [claims.user_id, params.user_id];
      if (await within(requests, (sql) => removeContact(sql, user, other)))
        await app.sessions.ring([user, other]);
      return ok({});
    },
  );

  app.get('/api/blocks', { schema: { response: answers(Blocks) } }, async ({ claims }) => {
    const blocked = await within(requests, (sql) => listBlocked(sql, claims.user_id, LIMITS.blocked));
    return ok({ blocked });
  });

  app.put(
    '/api/blocks/:user_id',
    { schema: { params: PersonParams, querystring: PersonQuery, response: nothing } },
    async ({ params, query, claims }) => {
      const [user, other] = [claims.user_id, params.user_id];
      if (other === user) throw new ChatError('bad_request', 'you cannot block yourself');
      await app.contacts.require(user, other, query.username);
      // Whoever floods must not keep it from its turn.
      const problem = await within(app.db.held, (sql) => block(sql, user, other, LIMITS.blocked));
      if (problem !== null) throw new ChatError(problem);
      await app.sessions.ring([user, other]);
      return ok({});
    },
  );

  app.delete(
    '/api/blocks/:user_id',
    { schema: { params: PersonParams, response: nothing } },
    async ({ params, claims }) => {
      const [user, other] = [claims.user_id, params.user_id];
      if (await within(requests, (sql) => unblock(sql, user, other))) await app.sessions.ring([user, other]);
      return ok({});
    },
  );
};
export default contacts;
