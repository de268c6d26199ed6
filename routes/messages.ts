import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Value } from '@sinclair/typebox/value';
import { ChatError } from '../plugins/errors.js';
import { presentPlace } from '../plugins/message.js';
import { ClientId } from '../schemas/common.js';
import { answers, ok } from '../schemas/envelope.js';
import { SendBody, Sent } from '../schemas/message.js';
import type { StoredMessage } from '../sql/messages.js';
import { asBeside, checkedContent, targetOf, trimmed } from './ws/content.js';

/** `POST /api/messages`: what a socket's `chat` does, for `curl`. */
const messages: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/api/messages',
    { onRequest: app.auth.required, schema: { body: SendBody, response: answers(Sent) } },
    async (request) => {
      const { body, claims } = request;
      const header = request.headers['idempotency-key'];
      const id = body.id ?? (typeof header === 'string' && header !== '' ? header : undefined);
      if (id !== undefined && !Value.Check(ClientId, id))
        throw new ChatError(
          'bad_request',
          `Idempotency-Key should be 1 to 64 of the characters A-Z a-z 0-9 _ . : -`,
        );
      const target = targetOf(body);
      const content = checkedContent(body.content, trimmed);
      app.limits.send(claims.user_id, content);
      const message = await new Promise<StoredMessage>((resolve, reject) => {
        app.messages.append({
          from: claims.user_id,
          target,
          clientId: id,
          content,
          beside: asBeside(body),
          sender: {
            wantsReceipts: true,
            onStored: resolve,
            onFailed: (_id, error) => reject(error),
          },
        });
      });
      return ok({ id: message.clientId, ...presentPlace(message) });
    },
  );
};
export default messages;
