import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import {
  AccountSearch,
  Accounts,
  Audit,
  Created,
  DeleteQuery,
  Done,
  Invites,
  MadeInvite,
  NewAccount,
  NewInvite,
  Page,
  ResetLink,
} from '../schemas/admin.js';
import { answers, ok } from '../schemas/envelope.js';
import { nameKey, UserParams } from '../schemas/user.js';
import { listAccounts, listAudit } from '../sql/accounts.js';
import { listInvites } from '../sql/invites.js';
import { asShown } from '../sql/users.js';

const PAGE = 50;

/** `/api/admin/…`: who has an account, who may have one, and who did what. For admins. */
const admin: FastifyPluginAsyncTypebox = async (app) => {
  const { accounts } = app;
  app.addHook('onRequest', app.auth.required);
  app.addHook('onRequest', app.limits.asked);
  app.addHook('onRequest', ({ claims }) => accounts.requireAdmin(claims.user_id));

  app.get(
    '/api/admin/users',
    { schema: { querystring: AccountSearch, response: answers(Accounts) } },
    async ({ query: { query, after, limit = PAGE } }) => {
      const beginning = query?.trim();
      if (beginning !== undefined && (nameKey(beginning) === '' || beginning.includes('\0')))
        throw new ChatError('bad_request', 'query must have a character that names have');
      const rows = await within(app.db.requests, (sql) => listAccounts(sql, { beginning, after, limit }));
      return ok({
        users: rows.map((row) => ({
          ...asShown(row),
          created_at: row.created_at?.toISOString() ?? null,
          is_admin: row.is_admin,
          suspended_at: row.suspended_at?.toISOString() ?? null,
        })),
      });
    },
  );

  app.post(
    '/api/admin/users',
    { schema: { body: NewAccount, response: answers(Created) } },
    async ({ body, claims }) => {
      const username = (body.username ?? '').trim().normalize('NFC');
      if (username === '') throw new ChatError('username_required');
      return ok(await accounts.create(username, claims.user_id));
    },
  );

  for (const change of ['suspend', 'restore', 'promote', 'demote', 'sign_out', 'end_second_factor'] as const)
    app.post(
      `/api/admin/users/:id/${change}`,
      { schema: { params: UserParams, response: answers(Done) } },
      async ({ params, claims }) => {
        await accounts.change(change, params.id, claims.user_id);
        return ok({});
      },
    );

  app.post(
    '/api/admin/users/:id/reset',
    { schema: { params: UserParams, response: answers(ResetLink) } },
    async ({ params, claims }) => ok(await accounts.createReset(params.id, claims.user_id)),
  );

  app.delete(
    '/api/admin/users/:id',
    { schema: { params: UserParams, querystring: DeleteQuery, response: answers(Done) } },
    async ({ params, query, claims }) => {
      await accounts.delete(params.id, query.messages === 'true', claims.user_id);
      return ok({});
    },
  );

  app.get(
    '/api/admin/invites',
    { schema: { querystring: Page, response: answers(Invites) } },
    async ({ query: { before, limit = PAGE } }) => {
      const rows = await within(app.db.requests, (sql) => listInvites(sql, before, limit));
      return ok({
        invites: rows.map((row) => ({
          ...row,
          made_at: row.made_at.toISOString(),
          expires_at: row.expires_at.toISOString(),
          revoked_at: row.revoked_at?.toISOString() ?? null,
        })),
      });
    },
  );

  app.post(
    '/api/admin/invites',
    { schema: { body: NewInvite, response: answers(MadeInvite) } },
    async ({ body: { hours = 168, uses = 1 }, claims }) => {
      const { made_at, expires_at, ...made } = await accounts.createInvite(hours, uses, claims.user_id);
      return ok({ ...made, made_at: made_at.toISOString(), expires_at: expires_at.toISOString() });
    },
  );

  app.delete(
    '/api/admin/invites/:id',
    { schema: { params: UserParams, response: answers(Done) } },
    async ({ params, claims }) => {
      await accounts.revokeInvite(params.id, claims.user_id);
      return ok({});
    },
  );

  app.get(
    '/api/admin/audit',
    { schema: { querystring: Page, response: answers(Audit) } },
    async ({ query: { before, limit = PAGE } }) => {
      const rows = await within(app.db.requests, (sql) => listAudit(sql, before, limit));
      const entries = rows.map(({ conversation_id, ...row }) => ({
        ...row,
        at: row.at.toISOString(),
        ...(conversation_id !== null && { conversation_id }),
      }));
      return ok({ entries });
    },
  );
};
export default admin;
