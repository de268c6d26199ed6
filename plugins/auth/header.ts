import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ChatError } from '../errors.js';

/**
 * Whom a trusted proxy says that a request comes from (`AUTH_HEADER`); anybody else isn't believed. It sends UTF-8, where Node reads
 * Latin 1.
 * @returns trimmed and in NFC; undefined where it says nobody
 * @throws ChatError `bad_request` where it says several, since one of them may be the client's own word; `username_invalid`
 */
export function vouchedFor(
  { config, sockets }: Pick<FastifyInstance, 'config' | 'sockets'>,
  request: FastifyRequest,
): string | undefined {
  const header = config.AUTH_HEADER;
  if (header === '' || !sockets.isProxied(request)) return undefined;
  const said = request.raw.headersDistinct[header.toLowerCase()] ?? [];
  if (said.length > 1) throw new ChatError('bad_request', `the proxy lets ${header} of the client pass`);
  const bytes = Buffer.from(said[0] ?? '', 'latin1');
  const name = bytes.toString('utf8');
  if (name.includes('\ufffd')) throw new ChatError('username_invalid', `${header} is not in UTF-8`);
  return name.trim().normalize('NFC') || undefined;
}
