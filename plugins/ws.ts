import type { IncomingMessage, ServerResponse } from 'node:http';
import { Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import websocket from '@fastify/websocket';
import fp from 'fastify-plugin';
import { LIMITS } from '../schemas/limits.js';
import { ChatError, rawAnswer } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    ws: Doors;
  }
}

/** The subprotocol of extended clients. */
export const EXTENDED = 'chat.v2';

/** Milliseconds for a client that broke the protocol to hang up. */
const GRACE_MS = 3000;
/** Milliseconds between looks at whether the last connection has gone. */
const LOOK_MS = 20;

/** What is let in. */
interface Doors {
  /** Whether this instance takes work: false from the moment that it is told to leave. */
  open: boolean;
  /**
   * Leaves: not ready at once, then, after a pause for balancers to notice, no new connections, and the sockets closed.
   * @param linger milliseconds that requests on connections from before are answered still, each with the word that it was the
   *   last there: a proxy that asks on one as it is cut doesn't dare to repeat a POST (RFC 9110, 9.2.2)
   */
  leave(linger?: number): Promise<void>;
}

/** Whether a request asks for our WebSocket; every other upgrade is ignored. */
export const isOurs = (request: IncomingMessage): boolean =>
  /^websocket$/i.test(request.headers.upgrade ?? '') &&
  request.method === 'GET' &&
  request.url?.split('?', 1)[0] === '/ws';

/** Puts back what makes an upgrade of something else a request like any other, and lets Node read it again. */
function withoutUpgrade(request: IncomingMessage, head: Buffer): Buffer {
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

/** WebSocket at `/ws`, and every other upgrade ignored, as HTTP allows (RFC 9110, 7.8). */
export default fp(
  async (app) => {
    const { config, hub, log } = app;
    await app.register(websocket, {
      options: {
        maxPayload: LIMITS.frameBytes,
        perMessageDeflate: false,
        handleProtocols: (protocols: Set<string>) => (protocols.has(EXTENDED) ? EXTENDED : false),
      },
      // The library has written the close frame that says why; cut at once, the client might not get to read it.
      errorHandler: (_error, socket) => {
        setTimeout(() => socket.terminate(), GRACE_MS).unref();
      },
      preClose: (done) => {
        leave().then(() => done(), done);
      },
    });
    // Who is refused before the library's own hook would be left with a socket that nobody reads or closes.
    const arriving = new WeakSet<IncomingMessage>();
    app.addHook('onResponse', async ({ raw }) => {
      if (arriving.has(raw)) raw.socket.destroySoon();
    });
    const upgradeListeners = app.server.listeners('upgrade');
    app.server.removeAllListeners('upgrade');
    const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (isOurs(request)) {
        arriving.add(request);
        for (const listener of upgradeListeners) listener.call(app.server, request, socket, head);
        return;
      }
      socket.unshift(withoutUpgrade(request, head));
      app.server.emit('connection', socket);
    };
    // What was asked before on the same connection is answered first: a second reader of it would never get its turn.
    const answers = new WeakMap<Duplex, ServerResponse>();
    app.server.on('request', ({ socket }: IncomingMessage, answer: ServerResponse) => {
      answers.set(socket, answer);
      answer.once('close', () => {
        if (answers.get(socket) === answer) answers.delete(socket);
      });
    });
    app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const before = answers.get(socket);
      if (before === undefined) return upgrade(request, socket, head);
      const onError = () => socket.destroy();
      socket.on('error', onError);
      before.once('close', () => {
        socket.off('error', onError);
        socket.setTimeout(0);
        if (!socket.destroyed) upgrade(request, socket, head);
      });
    });
    // What the WebSocket library itself refuses: a wrong version, a bad key.
    app.websocketServer.on('wsClientError', (error: Error, socket: Duplex) => {
      socket.end(
        rawAnswer(new ChatError('bad_request', `bad request: ${error.message}`), {
          'Sec-WebSocket-Version': '13',
        }),
      );
    });

    app.addHook('onSend', async (_request, reply) => {
      if (!doors.open) reply.header('connection', 'close');
    });
    const connections = () =>
      new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)));
    let leaving: Promise<void> | undefined;
    const leave = (linger = 0) => {
      leaving ??= (async () => {
        doors.open = false;
        await sleep(config.DRAIN_PAUSE_SECONDS * 1000);
        // The HTTP server's own `close` cuts the connections that are idle at this moment.
        if (app.server.listening) Server.prototype.close.call(app.server);
        const end = performance.now() + linger;
        log.info({ connections: hub.size }, 'closing connections');
        await hub.drain();
        while (performance.now() < end && (await connections()) > 0) await sleep(LOOK_MS);
      })();
      return leaving;
    };
    const doors: Doors = { open: true, leave };
    app.decorate('ws', doors);
  },
  { name: 'ws', dependencies: ['config', 'errors', 'hub'] },
);
