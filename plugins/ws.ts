import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import websocket from '@fastify/websocket';
import fp from 'fastify-plugin';
import type { WebSocket } from 'ws';
import { HTTP, LIMITS } from '../schemas/limits.js';
import { ChatError, rawAnswer } from './errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    ws: Doors;
  }
}

/** The subprotocol of extended clients. */
export const EXTENDED = 'chat.v2';

/** Milliseconds for a client that said goodbye to hang up, too. The library knows this option, its types don't. */
const CLOSING = { closeTimeout: HTTP.farewellMs };
/** Milliseconds for a client that broke the protocol to hang up. */
const GRACE_MS = 3000;
/** Milliseconds between looks at whether the last connection has gone. */
const LOOK_MS = 20;

/** A client broke the protocol. The library has written the close frame that says why; cut at once, the client might not get to read it. */
function onBroken(this: WebSocket): void {
  setTimeout(() => this.terminate(), GRACE_MS).unref();
}

/** Has an error of a socket heard by us: the library's listener would keep the request in memory. */
export function hearErrors(socket: WebSocket): void {
  socket.removeAllListeners('error');
  socket.on('error', onBroken);
}

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

/** WebSocket at `/ws`, and leaving. */
export default fp(
  async (app) => {
    const { config, hub, log, sockets } = app;
    // Before the library's own hook, which would cut the socket at once: with what came unread the answer would be lost.
    app.addHook('onResponse', async (request) => {
      if (!sockets.isRefusedUpgrade(request)) return;
      request.ws = false;
      sockets.farewell(request.raw.socket);
    });
    await app.register(websocket, {
      options: {
        server: sockets.upgrades,
        maxPayload: LIMITS.frameBytes,
        ...CLOSING,
        // The connection answers pings itself, as far as its client reads.
        autoPong: false,
        // A message in thousands of pieces, or in a packet for each byte, takes a hundred times its size in memory.
        maxFragments: LIMITS.messageFragments,
        maxBufferedChunks: LIMITS.messageChunks,
        perMessageDeflate: false,
        handleProtocols: (protocols: Set<string>) => (protocols.has(EXTENDED) ? EXTENDED : false),
      },
      preClose: (done) => {
        leave().then(() => done(), done);
      },
    });
    app.websocketServer.on('connection', (_socket, request: IncomingMessage) => sockets.upgraded(request));
    // What the WebSocket library itself refuses: a wrong version, a bad key.
    app.websocketServer.on('wsClientError', (error: Error, _socket: Duplex, request: IncomingMessage) => {
      sockets.farewell(
        request.socket,
        rawAnswer(new ChatError('bad_request', `bad request: ${error.message}`), {
          'Sec-WebSocket-Version': '13',
        }),
      );
    });

    let leaving: Promise<void> | undefined;
    const leave = (linger = 0) => {
      leaving ??= (async () => {
        doors.open = false;
        sockets.leaving = true;
        await sleep(config.DRAIN_PAUSE_SECONDS * 1000);
        sockets.stopListening();
        const end = performance.now() + linger;
        log.info({ connections: hub.size }, 'closing connections');
        await hub.drain();
        while (performance.now() < end && sockets.size > 0) await sleep(LOOK_MS);
        await sockets.close();
      })();
      return leaving;
    };
    const doors: Doors = { open: true, leave };
    app.decorate('ws', doors);
  },
  { name: 'ws', dependencies: ['config', 'errors', 'hub', 'sockets'] },
);
