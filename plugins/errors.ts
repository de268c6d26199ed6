import { STATUS_CODES } from 'node:http';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { ERRORS, type ErrorCode } from '../schemas/error.js';
import type { Message } from '../schemas/message.js';

/** The one error that this service throws on purpose: a row of `ERRORS`, with a closer sentence where there is one. */
export class ChatError extends Error {
  override name = 'ChatError';
  readonly retryAfterMs: number | undefined;
  readonly present: Message | undefined;

  /**
   * @param code the row of `ERRORS`
   * @param message a sentence for people, in place of the row's own
   * @param options retryAfterMs: milliseconds after which trying again makes sense; present: a message as it is now, which is in the way
   */
  constructor(
    readonly code: ErrorCode,
    message: string = ERRORS[code].message,
    options: { retryAfterMs?: number; present?: Message } = {},
  ) {
    super(message);
    this.retryAfterMs = options.retryAfterMs;
    this.present = options.present;
  }

  /** Whether the same may succeed later. */
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** What Fastify and Node call an error, and what it is here. */
const FOREIGN: Record<string, ErrorCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_BAD_URL: 'bad_request',
  FST_ERR_MAX_PARAM_LENGTH: 'uri_too_long',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/**
 * Turns whatever was thrown into one of our errors.
 * @returns the error itself if it is ours; a 400 for what the client got wrong; `internal` for the rest
 */
export function toChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  if (!(error instanceof Error)) return new ChatError('internal');
  const { code, validation, statusCode = 500 }: Partial<FastifyError> = error;
  const known = code === undefined ? undefined : FOREIGN[code];
  if (known !== undefined) return new ChatError(known);
  if (validation !== undefined || statusCode < 500)
    return new ChatError('bad_request', `bad request: ${error.message}`);
  return new ChatError('internal');
}

/** The envelope of an error. */
const errorBody = (error: ChatError) => ({
  code: ERRORS[error.code].status,
  message: error.message,
  error: error.code,
  ...(error.retryAfterMs !== undefined && { retry_after_ms: error.retryAfterMs }),
  ...(error.present !== undefined && { data: error.present }),
});

/** The same wait for everybody's clients, in whole seconds. */
const retryAfter = ({ retryAfterMs }: ChatError): Record<string, string> =>
  retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) };

/** Of every answer, unless its route says otherwise: it is for whoever asked, now, and is what its type says. */
const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/**
 * A whole HTTP/1.1 answer with the envelope, for sockets that Fastify doesn't (or no longer) answer on.
 * @param headers further header lines
 */
export function rawAnswer(error: ChatError, headers: Record<string, string> = {}): string {
  const body = JSON.stringify(errorBody(error));
  const all = {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
    ...HEADERS,
    ...retryAfter(error),
    ...headers,
  };
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  const { status } = ERRORS[error.code];
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('\r\n')}\r\n\r\n${body}`;
}

/** Answers a request with an error's envelope; what is not the client's fault is logged. */
export function sendError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = toChatError(thrown);
  if (error.code === 'internal') request.log.error({ err: thrown }, 'request failed');
  reply.headers({ ...HEADERS, ...retryAfter(error) });
  return reply.code(ERRORS[error.code].status).send(errorBody(error));
}

/** One handler for everything that is thrown, and 404 and 405 in the same envelope. */
export default fp(
  async (app) => {
    app.setErrorHandler((error, request, reply) => sendError(error, request, reply));

    const methods = new Map<string, Set<string>>();
    app.addHook('onRoute', (route) => {
      const known = methods.get(route.url) ?? new Set();
      for (const method of [route.method].flat()) known.add(method.toUpperCase());
      methods.set(route.url, known);
    });
    const refuse = async (request: FastifyRequest, reply: FastifyReply) => {
      const path = request.url.split('?', 1)[0] ?? '';
      const allowed = [...methods].find(([url]) => matches(url, path))?.[1];
      if (allowed === undefined || allowed.has(request.method)) throw new ChatError('not_found');
      reply.header('allow', [...allowed].join(', '));
      throw new ChatError('method_not_allowed');
    };
    app.setNotFoundHandler(refuse);
    app.addHook('onRequest', async (request, reply) => {
      reply.headers(HEADERS);
      const { httpVersion, rawHeaders } = request.raw;
      if (httpVersion !== '1.1' && httpVersion !== '1.0')
        throw new ChatError('bad_request', 'bad request: this server speaks HTTP/1.1');
      // Node would refuse the first too, but without the envelope. Of two it takes the first, and a proxy perhaps the last.
      const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && /^host$/i.test(name)).length;
      if (hosts === 0 && httpVersion === '1.1')
        throw new ChatError('bad_request', 'bad request: the Host header is missing');
      if (hosts > 1) throw new ChatError('bad_request', 'bad request: there is more than one Host header');
      // Before the body is read: what is in it doesn't matter.
      if (request.is404) await refuse(request, reply);
    });
  },
  { name: 'errors', dependencies: ['config'] },
);

/** Whether a path is one of a route: the same number of parts, equal but for the parameters. */
function matches(route: string, path: string): boolean {
  if (route === '*' || route.endsWith('/*')) return false;
  const parts = path.split('/');
  const wanted = route.split('/');
  return (
    parts.length === wanted.length && wanted.every((part, i) => part.startsWith(':') || part === parts[i])
  );
}
