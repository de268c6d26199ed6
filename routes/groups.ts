import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '@sinclair/typebox';
import { within } from '../plugins/db/failure.js';
import { Conversation, ConversationParams } from '../schemas/conversation.js';
import { answers, ok } from '../schemas/envelope.js';
import {
  Added,
  ChannelQuery,
  Channels,
  GroupChange,
  MemberParams,
  MemberQuery,
  MemberReceipts,
  Members,
  NewGroup,
  RoleBody,
} from '../schemas/group.js';
import { GROUPS } from '../schemas/limits.js';
import { listChannels, listMembers, listReceipts } from '../sql/groups.js';

/** A page of what was asked for with one more. */
function pageOf<T>(rows: readonly T[], limit: number, idOf: (row: T) => number) {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return { page, next_cursor: rows.length > limit && last !== undefined ? idOf(last) : null };
}

/** Groups and channels: who is in them, and what they are called. */
const groups: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', app.auth.required);
  app.addHook('onRequest', app.limits.asked);
  const { requests } = app.db;
  const nothing = answers(Type.Object({}));
  const one = answers(Conversation);

  app.post(
    '/api/conversations',
    { schema: { body: NewGroup, response: { ...one, 201: one[200] } } },
    async ({ body, claims }, reply) => {
      app.limits.send(claims.user_id, body.title + (body.topic ?? ''));
      const id = await app.groups.make(claims.user_id, body);
      reply.code(201);
      return ok(await app.groups.find(claims.user_id, id));
    },
  );

  app.get(
    '/api/conversations/:id',
    { schema: { params: ConversationParams, response: one } },
    async ({ params, claims }) => ok(await app.groups.find(claims.user_id, params.id)),
  );

  app.patch(
    '/api/conversations/:id',
    { schema: { params: ConversationParams, body: GroupChange, response: one } },
    async ({ params, body, claims }) => {
      const { title, topic, posting, history } = body;
      app.limits.send(claims.user_id, (title ?? '') + (topic ?? ''));
      await app.groups.change(claims.user_id, params.id, { does: 'set', title, topic, posting, history });
      return ok(await app.groups.find(claims.user_id, params.id));
    },
  );

  app.get(
    '/api/conversations/:id/members',
    { schema: { params: ConversationParams, querystring: MemberQuery, response: answers(Members) } },
    async ({ params, query, claims }) => {
      await app.groups.require(claims.user_id, params.id);
      const { after = 0, limit = 50 } = query;
      const rows = await within(requests, (sql) => listMembers(sql, params.id, after, limit + 1));
      const { page, next_cursor } = pageOf(rows, limit, ({ user }) => user.user_id);
      const members = page.map(({ user, role, joinedAt }) => ({
        user,
        role,
        ...(joinedAt !== null && { joined_at: joinedAt.toISOString() }),
      }));
      return ok({ members, next_cursor });
    },
  );

  app.post(
    '/api/conversations/:id/members',
    { schema: { params: ConversationParams, body: Added, response: nothing } },
    async ({ params, body, claims }) => {
      app.limits.send(claims.user_id, '');
      await app.groups.change(claims.user_id, params.id, { does: 'add', people: body.user_ids });
      return ok({});
    },
  );

  app.put(
    '/api/conversations/:id/members/:user_id',
    { schema: { params: MemberParams, body: RoleBody, response: nothing } },
    async ({ params, body, claims }) => {
      app.limits.send(claims.user_id, '');
      const { id, user_id: person } = params;
      await app.groups.change(claims.user_id, id, { does: 'role', person, role: body.role });
      return ok({});
    },
  );

  /** Removes somebody, or leaves. */
  app.delete(
    '/api/conversations/:id/members/:user_id',
    { schema: { params: MemberParams, response: nothing } },
    async ({ params, claims }) => {
      app.limits.send(claims.user_id, '');
      await app.groups.change(claims.user_id, params.id, { does: 'remove', person: params.user_id });
      return ok({});
    },
  );

  app.post(
    '/api/conversations/:id/join',
    { schema: { params: ConversationParams, response: one } },
    async ({ params, claims }) => {
      app.limits.send(claims.user_id, '');
      await app.groups.change(claims.user_id, params.id, { does: 'join' });
      return ok(await app.groups.find(claims.user_id, params.id));
    },
  );

  app.get(
    '/api/conversations/:id/receipts',
    { schema: { params: ConversationParams, querystring: MemberQuery, response: answers(MemberReceipts) } },
    async ({ params, query, claims }) => {
      await app.groups.require(claims.user_id, params.id);
      const { after = 0, limit = 50 } = query;
      const rows = await within(requests, (sql) =>
        listReceipts(sql, claims.user_id, params.id, after, limit + 1, GROUPS.parked),
      );
      const { page, next_cursor } = pageOf(rows, limit, (row) => row.user_id);
      return ok({ receipts: page, next_cursor });
    },
  );

  app.get(
    '/api/channels',
    { schema: { querystring: ChannelQuery, response: answers(Channels) } },
    async ({ query, claims }) => {
      const { search = '', after, limit = 20 } = query;
      const rows = await within(requests, (sql) =>
        listChannels(sql, claims.user_id, search, after, limit + 1),
      );
      const { page, next_cursor } = pageOf(rows, limit, (row) => row.conversation_id);
      return ok({ channels: page, next_cursor });
    },
  );
};
export default groups;
