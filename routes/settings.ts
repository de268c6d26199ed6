import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { within } from '../plugins/db/failure.js';
import { ChatError } from '../plugins/errors.js';
import { Conversation, ConversationParams } from '../schemas/conversation.js';
import { answers, ok } from '../schemas/envelope.js';
import { MeChange, SettingsChange } from '../schemas/settings.js';
import type { Token } from '../schemas/token.js';
import { Me } from '../schemas/user.js';
import { findMe } from '../sql/users.js';

/** Who one is, and what one sets for oneself: of all, and of a conversation. */
const settings: FastifyPluginAsyncTypebox = async (app) => {
  const asking = { onRequest: [app.auth.required, app.limits.asked] };

  async function me({ user_id, exp }: Token) {
    const user = await within(app.db.requests, (sql) => findMe(sql, user_id));
    if (user === undefined) throw new ChatError('unauthorized');
    return ok({
      user_id: user.user_id,
      username: user.username,
      token_expires_at: new Date(exp * 1000).toISOString(),
      ...(user.is_admin && { is_admin: true as const }),
      muted_until: user.muted_until,
    });
  }

  app.get(
    '/api/me',
    { onRequest: [app.auth.enrolling, app.limits.asked], schema: { response: answers(Me) } },
    ({ claims }) => me(claims),
  );

  app.patch(
    '/api/me',
    { ...asking, schema: { body: MeChange, response: answers(Me) } },
    async ({ body, claims }) => {
      if (body.muted_until !== undefined) await app.settings.mute(claims.user_id, body.muted_until);
      return me(claims);
    },
  );

  app.patch(
    '/api/conversations/:id/settings',
    {
      ...asking,
      schema: { params: ConversationParams, body: SettingsChange, response: answers(Conversation) },
    },
    async ({ params, body, claims }) => {
      await app.settings.change(claims.user_id, params.id, body);
      return ok(await app.groups.find(claims.user_id, params.id));
    },
  );
};
export default settings;
