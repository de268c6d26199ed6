import fp from 'fastify-plugin';
import { ChatError } from './errors.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads JSON bodies: UTF-8 or an error that says so. A body without a content type is taken for JSON, as the reference does. */
export default fp(
  async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
      if ((request.headers['content-encoding'] ?? 'identity') !== 'identity')
        return done(new ChatError('unsupported_media_type', 'the body must not be compressed'));
      if (body.length === 0) return done(null, undefined);
      try {
        done(null, JSON.parse(utf8.decode(Buffer.from(body))));
      } catch {
        done(new ChatError('bad_request', 'bad request: the body is not JSON'));
      }
    });
    app.addHook('onRequest', async (request) => {
      const { headers } = request.raw;
      const hasBody =
        headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
      if (hasBody) headers['content-type'] ??= 'application/json';
    });
  },
  { name: 'json', dependencies: ['errors'] },
);
