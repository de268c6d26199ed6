import type { IncomingMessage } from 'node:http';

/** Whether a body follows. */
const hasBody = ({ headers }: IncomingMessage) =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** Whether a request asks for our WebSocket; every other upgrade is ignored, as HTTP allows (RFC 9110, 7.8). */
export const isOurs = (request: IncomingMessage): boolean =>
  /^websocket$/i.test(request.headers.upgrade ?? '') &&
  request.method === 'GET' &&
  request.url?.split('?', 1)[0] === '/ws' &&
  !hasBody(request);

/** Puts back what makes an upgrade of something else a request like any other, and lets Node read it again. */
export function withoutUpgrade(request: IncomingMessage, head: Buffer): Buffer {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? '';
    if (!/^(upgrade|connection|http2-settings)$/i.test(name))
      lines.push(`${name}: ${request.rawHeaders[i + 1]}`);
  }
  const keepAlive = !/\bclose\b/i.test(request.headers.connection ?? '');
  lines.push(`Connection: ${keepAlive ? 'keep-alive' : 'close'}`, '', '');
  return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), head]);
}
