import { Socket } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { WebSocket } from 'ws';
import { bearerToken } from '../../plugins/auth.js';
import type { Connection } from '../../plugins/connection/connection.js';
import { ExtendedConnection } from '../../plugins/connection/extended.js';
import { PlainConnection } from '../../plugins/connection/plain.js';
import type { Transport, Who } from '../../plugins/connection/port.js';
import { ChatError } from '../../plugins/errors.js';
import { EXTENDED, hearErrors } from '../../plugins/ws.js';
import { CLOSE } from '../../schemas/close.js';
import { GROUPS, LIMITS } from '../../schemas/limits.js';
import type { Token } from '../../schemas/token.js';
import type { Opening } from '../../sql/users.js';
import { extendedDispatch } from './extended.js';
import { plainDispatch } from './plain.js';
import { SocketTransport } from './transport.js';

declare module 'fastify' {
  interface FastifyRequest {
    opening: (Opening & { token: Token }) | null;
  }
}

/** A connection of one of the two kinds, and what that kind does once its user is claimed, and at its end. */
interface Opened {
  connection: Connection;
  greet(): void | Promise<void>;
  leave(): void;
}

const nothing = () => {};

/** Where the token stands: the header, else the subprotocol, else the query. */
function tokenOf(request: FastifyRequest): string | undefined {
  const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  return (
    bearerToken(request.headers.authorization) ??
    protocols.find((name) => name.startsWith('bearer.'))?.slice('bearer.'.length) ??
    new URLSearchParams(request.url.split('?')[1] ?? '').get('token') ??
    undefined
  );
}

/** Whether a page of this origin may open a socket: the server's own, or a configured one; no origin is no browser. */
function isAllowed(request: FastifyRequest, allowed: readonly string[]): boolean {
  const { origin } = request.headers;
  if (origin === undefined || allowed.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === request.host;
}

/** `GET /ws`: refused before the upgrade, or a connection. */
export default fp(
  async (app) => {
    app.decorateRequest('opening', null);
    const { draw, begin } = app.openings;
    const dispatchExtended = extendedDispatch(app);
    const dispatchPlain = plainDispatch(app);

    app.route({
      method: 'GET',
      url: '/ws',
      onRequest: async (request, reply) => {
        if (!request.ws) {
          reply.header('upgrade', 'websocket');
          throw new ChatError('upgrade_required');
        }
        reply.header('connection', 'close');
        if (!app.ws.open) throw new ChatError('overloaded', 'this instance is leaving, try again');
        if (!isAllowed(request, app.config.allowedOrigins)) throw new ChatError('origin_refused');
        const token = tokenOf(request);
        if (token === undefined || token === '') throw new ChatError('missing_token');
        const shown = await app.auth.verify(token);
        app.sockets.admit(request, shown.user_id);
        app.limits.ask(shown.user_id);
        const drawn = await draw(shown.user_id);
        if (drawn === undefined) throw new ChatError('unauthorized');
        request.opening = { token: shown, ...drawn };
      },
      handler: (_request, reply) => reply.send(),
      wsHandler: (socket, request) => {
        const { opening } = request;
        if (opening !== null) open(app, socket, request, opening);
      },
    });

    function open(
      app: FastifyInstance,
      socket: WebSocket,
      request: FastifyRequest,
      { token, number, username, line }: NonNullable<FastifyRequest['opening']>,
    ) {
      const tcp = request.raw.socket;
      if (!(tcp instanceof Socket)) return socket.terminate();
      const transport = new SocketTransport(socket, tcp);
      const extended = socket.protocol === EXTENDED;
      const alone = !extended || app.config.SINGLE_SESSION === '1';
      const who = { user: token.user_id, username, number, alone, token };
      const opened = extended ? openExtended(transport, who) : openPlain(transport, who, line);
      const { connection, leave } = opened;
      hearErrors(socket);
      // Frames that come from now on wait in the socket, in order, until the connection is ready.
      socket.pause();
      socket.on('message', (data: Buffer, isBinary: boolean) => {
        if (isBinary) return connection.sendError(new ChatError('bad_request', 'bad frame: frames are text'));
        if (!extended && data.length > app.config.MAX_FRAME_BYTES) return connection.close(CLOSE.tooLarge);
        connection.inbox.push(data);
      });
      socket.on('pong', (data: Buffer) => connection.onPong(data.toString('latin1')));
      socket.on('ping', (data: Buffer) => connection.onPing(data));
      tcp.on('drain', () => connection.onDrain());
      socket.on('close', () => {
        connection.end();
        leave();
        void app.hub.remove(connection);
      });
      if (!app.hub.add(connection)) return connection.close(CLOSE.replaced);
      void start(opened);
    }

    /**
     * Claims the user, and only then looks what was stored since the client knocked: whoever stores looks for the owner after
     * that, so one of the two sees each message.
     */
    async function start({ connection, greet }: Opened) {
      try {
        await app.hub.claim(connection);
        await app.sessions.recheck(connection);
        await greet();
        connection.ready();
      } catch (error) {
        app.log.warn({ err: error, user: connection.user }, 'a connection could not be opened');
        connection.close(CLOSE.shutdown);
      }
    }

    function openPlain(transport: Transport, who: Who, line: number): Opened {
      const connection = new PlainConnection(app.limits.paced(dispatchPlain), app.hub, transport, who);
      const greet = async () => {
        await app.hub.noted(who.user);
        const begun = await begin({ user: who.user, number: who.number, line });
        // It is about to be replaced, or its client has given the newer one up: then it comes back.
        if (begun === undefined) return connection.close(CLOSE.shutdown);
        connection.begin(begun.places);
        if (begun.isPast) connection.fallBehind();
      };
      return { connection, greet, leave: nothing };
    }

    function openExtended(transport: Transport, who: Who): Opened {
      const connection = new ExtendedConnection(app.limits.paced(dispatchExtended), app.hub, transport, who);
      const greet = () => {
        if (connection.isOpening) welcome(connection);
      };
      return { connection, greet, leave: () => app.presence.unwatch(connection) };
    }

    function welcome(connection: ExtendedConnection) {
      connection.send({
        type: 'welcome',
        user_id: connection.user,
        username: connection.username,
        instance_id: app.config.INSTANCE_ID,
        epoch: app.db.epoch,
        ...(app.ui.version !== undefined && { version: app.ui.version }),
        server_time: new Date().toISOString(),
        token_expires_at: new Date(connection.token.exp * 1000).toISOString(),
        heartbeat_seconds: app.config.HEARTBEAT_SECONDS,
        limits: {
          frame_bytes: LIMITS.frameBytes,
          content_bytes: LIMITS.contentBytes,
          unconfirmed_messages: LIMITS.unconfirmedMessages,
          unconfirmed_bytes: LIMITS.unconfirmedBytes,
          sync_positions: LIMITS.syncPositions,
          watched_users: LIMITS.watchedUsers,
          parked_members: GROUPS.parked,
          open_conversations: GROUPS.open,
          mention_all_members: GROUPS.mentionAll,
          ...(app.config.EDIT_MINUTES > 0 && { edit_minutes: app.config.EDIT_MINUTES }),
        },
      });
    }
  },
  {
    name: 'routes-ws',
    dependencies: [
      'ws',
      'auth',
      'hub',
      'db',
      'limits',
      'openings',
      'presence',
      'sessions',
      'contacts',
      'conversations',
    ],
  },
);
