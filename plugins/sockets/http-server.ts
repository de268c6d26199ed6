import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, Server as TcpServer } from 'node:net';
import { HTTP } from '../../schemas/limits.js';
import { isOurs } from './upgrade.js';

// Node past 24 no longer hands over a socket that can be read again from the start; it reads ignored upgrades itself if it is told
// which are wanted. Its types don't know that yet.
const upgrades = Number.parseInt(process.versions.node, 10) > 24 && { shouldUpgradeCallback: isOurs };

/** An HTTP server as we want it from Node; nobody listens to it yet. */
export function createHttpServer(): Server {
  const server = createServer({
    // A request without Host is refused by us, in the envelope; one that takes too long is looked for often.
    requireHostHeader: false,
    connectionsCheckingInterval: 1000,
    // If this were the longer of the two, Node would swap them, and a body had the time that is meant for nothing else.
    headersTimeout: HTTP.headersMs,
    requestTimeout: HTTP.requestMs,
    keepAliveTimeout: HTTP.keepAliveMs,
    ...upgrades,
  });
  // A client that says all and then ends its side (`nc -N`) is answered; Node would drop the answer, and has this switch
  // without a document.
  Object.assign(server, { httpAllowHalfOpen: true });
  return server;
}

/**
 * Listens at the other addresses of a name, too: `localhost` has two. What is accepted there is the first server's.
 * @returns the further servers; an address that can't be had is done without
 */
export async function listenBeside(server: Server, name: string): Promise<TcpServer[]> {
  const own = server.address();
  if (own === null || typeof own === 'string') return [];
  const beside: TcpServer[] = [];
  for (const { address } of await lookup(name, { all: true })) {
    if (address === own.address) continue;
    const other = createTcpServer({ allowHalfOpen: true, noDelay: true });
    other.on('connection', (socket) => server.emit('connection', socket));
    other.listen(own.port, address);
    await once(other, 'listening').then(
      () => beside.push(other),
      () => {},
    );
  }
  return beside;
}

/** Takes no more connections. The HTTP server's own `close` cuts those that are idle at this moment. */
export function stopListening(server: TcpServer): void {
  if (server.listening) TcpServer.prototype.close.call(server);
}
