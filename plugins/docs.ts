import swagger from '@fastify/swagger';
import type { TSchema } from '@sinclair/typebox';
import fp from 'fastify-plugin';
import { CLOSE } from '../schemas/close.js';
import { extendedClient, extendedServer, plainClient, plainServer } from '../schemas/frames.js';
import { EXTENDED } from './ws.js';

const JSON_TYPE = 'application/json; charset=utf-8';
const INFO = { title: 'chat-server', version: '1', license: { name: 'MIT' } };

/** One protocol of the socket as an AsyncAPI 3 channel, its operations and its messages; directions as a client sees them. */
function channel(name: string, fromClient: Record<string, TSchema>, fromServer: Record<string, TSchema>) {
  const messages = (side: string, frames: Record<string, TSchema>) =>
    Object.fromEntries(
      Object.entries(frames).map(([type, payload]) => [`${side}_${type}`, { name: type, payload }]),
    );
  const refs = (side: string, frames: Record<string, TSchema>) =>
    Object.keys(frames).map((type) => ({ $ref: `#/channels/${name}/messages/${side}_${type}` }));
  const operation = (action: 'send' | 'receive', side: string, frames: Record<string, TSchema>) => ({
    action,
    channel: { $ref: `#/channels/${name}` },
    messages: refs(side, frames),
  });
  return {
    channel: {
      address: '/ws',
      messages: { ...messages('client', fromClient), ...messages('server', fromServer) },
    },
    operations: {
      [`${name}_send`]: operation('send', 'client', fromClient),
      [`${name}_receive`]: operation('receive', 'server', fromServer),
    },
  };
}

function asyncApi() {
  const plain = channel('plain', plainClient, plainServer);
  const extended = channel('extended', extendedClient, extendedServer);
  return {
    asyncapi: '3.0.0',
    info: {
      ...INFO,
      description: `The channel \`extended\` is the WebSocket subprotocol ${EXTENDED}. Close codes: ${Object.values(
        CLOSE,
      )
        .map(({ code, reason }) => `${code} ${reason}`)
        .join('; ')}.`,
    },
    channels: { plain: plain.channel, extended: extended.channel },
    operations: { ...plain.operations, ...extended.operations },
  };
}

/** A document as bytes, made when it is first asked for and kept. */
function once(make: () => object): () => Buffer {
  let bytes: Buffer | undefined;
  return () => (bytes ??= Buffer.from(JSON.stringify(make())));
}

/** `GET /api/openapi.json` and `GET /api/asyncapi.json`, both made from the schemas that check what they describe. */
export default fp(
  async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: INFO,
        components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      },
    });
    const routes = once(() => app.swagger());
    const frames = once(asyncApi);
    const hidden = { schema: { hide: true } };
    app.get('/api/openapi.json', hidden, (_request, reply) => reply.type(JSON_TYPE).send(routes()));
    app.get('/api/asyncapi.json', hidden, (_request, reply) => reply.type(JSON_TYPE).send(frames()));
  },
  { name: 'docs', dependencies: ['errors'] },
);
