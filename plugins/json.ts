import fp from 'fastify-plugin';
import { ChatError } from './errors.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads JSON bodies: UTF-8 or an error that says so. A body without a content type is taken for JSON, as the reference does. */
export default fp(
  async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
      try {
        done(null, JSON.parse(utf8.decode(Buffer.from(body))));
      } catch {
        done(new ChatError('bad_request', 'bad request: the body is not JSON'));
      }
    });
    app.addHook('onRequest', async (request) => {
      request.raw.headers['content-type'] ??= 'application/json';
    });
  },
  { name: 'json', dependencies: ['errors'] },
);
