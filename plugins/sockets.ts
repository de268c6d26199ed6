// biome-ignore-all lint/style/noExcessiveLinesPerFile: a connection has one owner from accept to its end, and this is it.
import { once } from 'node:events';
import { type IncomingMessage, type RequestListener, Server, type ServerResponse } from 'node:http';
import type { Socket, Server as TcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import proxyAddr from '@fastify/proxy-addr';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { HTTP } from '../schemas/limits.js';
import type { Settings } from './config.js';
import { ChatError, rawAnswer, toChatError } from './errors.js';
import { descriptorLimit } from './sockets/descriptors.js';
import { Headcount } from './sockets/headcount.js';
import { createHttpServer, listenBeside, stopListening } from './sockets/http-server.js';
import { Peer } from './sockets/peer.js';
import { Turns } from './sockets/turns.js';
import { isOurs, withoutUpgrade } from './sockets/upgrade.js';

declare module 'fastify' {
  interface FastifyInstance {
    sockets: Sockets;
  }
}

/** Milliseconds between two looks at all deadlines. */
const SWEEP_MS = 250;

const overloaded = (message?: string) => new ChatError('overloaded', message, { retryAfterMs: 2000 });

/** What Node's parser refused, before there was a request: the client's fault always. */
class RequestError extends Error {
  readonly statusCode = 400;
  constructor(readonly code: string) {
    super('malformed HTTP');
  }
}

/**
 * The HTTP server, and every connection that it accepted, from that moment until it is gone, whatever it became: none is without
 * an owner, a place in a count and, until it is a WebSocket, a deadline.
 */
export class Sockets {
  readonly limits: { -readonly [name in keyof typeof HTTP]: number } & { connections: number };
  /** Since the start: connections that were accepted, refused for want of room, and cut because a deadline was over. */
  readonly counts = {
    accepted: 0,
    refused: { full: 0, address: 0, user: 0, waiting: 0 },
    cut: { idle: 0, unread: 0, leaving: 0 },
  };
  readonly server = createHttpServer();
  /** Never listens: gives the WebSocket library the upgrades that have their turn. */
  readonly upgrades = new Server();
  /** Each answer is the last on its connection. */
  leaving = false;
  private closing = false;
  private readonly peers = new Map<Socket, Peer>();
  /** Those that are no WebSocket. */
  private readonly http = new Set<Peer>();
  private readonly headcount = new Headcount();
  private readonly turns = new Turns();
  /** Servers at further addresses. */
  private beside: TcpServer[] = [];
  private besideClosed: Promise<unknown> | undefined;
  private readonly isProxy: (address: string, hop: number) => boolean;
  private handler: RequestListener = () => {};
  private refusals = 0;
  /** The clock of all deadlines: it stands still while the process does, so that nobody pays for a pause. */
  private sweeps = 0;
  private readonly timer = setInterval(() => this.sweep(), SWEEP_MS).unref();

  constructor(settings: Settings) {
    const free = descriptorLimit() - HTTP.reservedDescriptors - 2 * settings.DB_POOL;
    this.limits = { ...HTTP, connections: Math.max(1, free) };
    this.isProxy = proxyAddr.compile([...settings.trustedProxies]);
    const take = (request: IncomingMessage, answer: ServerResponse) => this.take(request, answer);
    this.server.on('connection', (socket) => this.accept(socket));
    this.server.on('request', take);
    // A client that expects what we don't know is served all the same.
    this.server.on('checkExpectation', take);
    this.server.on('upgrade', (request, stream, head) => {
      const peer = this.stopped(request);
      peer?.inTurn(request, () => this.upgrade(peer, request, stream, head));
    });
    this.server.on('connect', (request) => {
      const peer = this.stopped(request);
      peer?.deafen();
      const error = new ChatError('bad_request', 'bad request: this server is no proxy');
      peer?.inTurn(undefined, () => this.bow(peer, rawAnswer(error)));
    });
  }

  /** @param handler answers requests */
  serve(handler: RequestListener): Server {
    this.handler = handler;
    return this.server;
  }

  /** Connections, WebSockets and those that are being closed among them. */
  get size(): number {
    return this.peers.size;
  }

  /** Bytes that wait to be sent on connections that are no WebSockets, and the one with most of them. */
  unsent(): { bytes: number; most: { bytes: number; cut(): void } | undefined } {
    let bytes = 0;
    let most: Peer | undefined;
    for (const peer of this.http) {
      if (peer.socket.destroyed) continue;
      bytes += peer.socket.writableLength;
      if (peer.socket.writableLength > (most?.socket.writableLength ?? 0)) most = peer;
    }
    const cut = most && { bytes: most.socket.writableLength, cut: () => this.cut(most, 'unread') };
    return { bytes, most: cut };
  }

  /**
   * Counts a connection for the user whose token it showed; a trusted proxy's until this request is answered.
   * @throws ChatError `too_many_requests` when the user has too many, and the connection is closed with that answer
   */
  admit({ raw }: FastifyRequest, user: number): void {
    const peer = this.peers.get(raw.socket);
    if (peer === undefined || peer.user === user) return;
    if (this.headcount.ofUser(user) >= this.limits.perUser) {
      this.counts.refused.user++;
      peer.last = true;
      throw new ChatError('too_many_requests', 'too many connections of this user, close one first', {
        retryAfterMs: 2000,
      });
    }
    this.headcount.addToUser(peer, user);
  }

  /** Whether it is a trusted proxy that passes a request on. */
  isProxied({ raw }: FastifyRequest): boolean {
    return this.peers.get(raw.socket)?.proxied === true;
  }

  /** A route begins: on a proxy's connection it counts for whoever asks through it. */
  begin(request: FastifyRequest, answer: ServerResponse): void {
    const peer = this.peers.get(request.raw.socket);
    if (peer === undefined) return;
    peer.answer ??= answer;
    if (peer.proxied) this.headcount.addToAddress(peer, request.ip, this.sweeps);
  }

  /** Whether the answer to a request is the last on its connection. */
  isLast({ raw }: FastifyRequest): boolean {
    const peer = this.peers.get(raw.socket);
    if (peer === undefined) return this.leaving;
    return this.leaving || peer.last || this.isOverdue(peer);
  }

  /** Whether nobody's token was shown on the connection of a request. */
  isUnknown({ raw }: FastifyRequest): boolean {
    return this.peers.get(raw.socket)?.unknown === true;
  }

  /**
   * The WebSocket library has taken a connection over; from now on its deadlines are those of the hub. The request and its answer are
   * let go, which are most of what a connection that is idle would keep in memory.
   */
  upgraded({ socket }: IncomingMessage): void {
    const peer = this.peers.get(socket);
    if (peer === undefined) return;
    peer.state = 'upgraded';
    peer.answer?.detachSocket(socket);
    peer.answer = undefined;
    peer.request = undefined;
    this.http.delete(peer);
  }

  /** Whether a request is an upgrade that was refused. */
  isRefusedUpgrade({ raw }: FastifyRequest): boolean {
    return this.peers.get(raw.socket)?.state === 'upgrading';
  }

  /** Says goodbye: ends our side after some last bytes, drops what comes, and cuts the connection if the client doesn't. */
  farewell(socket: Socket, bytes = ''): void {
    const peer = this.peers.get(socket);
    if (peer === undefined) socket.destroy();
    else this.bow(peer, bytes);
  }

  /** Refuses what Node couldn't read, or what took too long. */
  broken(error: Error & { code?: string }, socket: Socket): void {
    const peer = this.peers.get(socket);
    if (peer === undefined || peer.deaf) return;
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    const refusal = toChatError(new RequestError(error.code ?? ''));
    // The answer of a request that doesn't come to its end would be waited for in vain.
    if (peer.request?.complete === false) return this.refuse(peer, refusal);
    peer.deafen();
    peer.dropIncomplete();
    peer.inTurn(undefined, () => this.bow(peer, rawAnswer(refusal)));
  }

  /** Listens at all addresses of a name. */
  async listenBeside(name: string): Promise<void> {
    this.beside = await listenBeside(this.server, name);
  }

  /** Takes no more connections. */
  stopListening(): void {
    this.besideClosed = Promise.all(this.beside.map((server) => once(server, 'close')));
    for (const server of [this.server, ...this.beside]) stopListening(server);
  }

  /**
   * Lets all connections go that are no WebSockets: at once, or with the answer that is under way, which has to be read soon.
   * Those of the server itself its own `close` waits for.
   */
  async close(): Promise<void> {
    this.leaving = true;
    this.closing = true;
    for (const peer of this.http) this.judge(peer);
    await this.besideClosed;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private accept(socket: Socket) {
    // A connection that asked for some other upgrade is read again.
    if (this.peers.has(socket)) return;
    // For as long as there is a socket: an error that nobody hears ends the process.
    socket.on('error', () => {});
    const address = socket.remoteAddress;
    if (address === undefined) return void socket.destroy();
    this.counts.accepted++;
    const peer = new Peer(socket, this.isProxy(address, 0), this.sweeps, () => this.answered(peer));
    const isFull = this.peers.size >= this.limits.connections;
    this.peers.set(socket, peer);
    this.http.add(peer);
    socket.on('close', () => this.remove(peer, isFull));
    // Node's way to close after a last answer; what the client says meanwhile would make a reset of it.
    const { destroySoon } = socket;
    socket.destroySoon = () => (peer.state === 'upgraded' ? destroySoon.call(socket) : this.bow(peer));
    if (!isFull) {
      if (!peer.proxied) this.headcount.addToAddress(peer, address, this.sweeps);
      return;
    }
    this.counts.refused.full++;
    if (++this.refusals > this.limits.refusals) socket.destroy();
    else this.bow(peer, rawAnswer(overloaded()));
  }

  private remove(peer: Peer, wasRefused: boolean) {
    if (wasRefused) this.refusals--;
    this.peers.delete(peer.socket);
    this.http.delete(peer);
    peer.drop();
    this.headcount.drop(peer);
  }

  private take(request: IncomingMessage, answer: ServerResponse) {
    const peer = this.stopped(request);
    if (peer === undefined) return;
    if (!peer.busy) return this.dispatch(peer, request, answer);
    peer.inTurn(request, () => this.dispatch(peer, request, answer));
  }

  private dispatch(peer: Peer, request: IncomingMessage, answer: ServerResponse) {
    peer.begin(request, answer);
    this.turns.take(() => {
      // Who hung up meanwhile needs no answer.
      if (!request.socket.destroyed) this.handler(request, answer);
    });
  }

  private upgrade(peer: Peer, request: IncomingMessage, stream: Duplex, head: Buffer) {
    // Node's own, of an answer before.
    peer.socket.setTimeout(0);
    if (isOurs(request)) {
      peer.asked = true;
      peer.request = request;
      peer.state = 'upgrading';
      this.upgrades.emit('upgrade', request, stream, head);
      return;
    }
    stream.unshift(withoutUpgrade(request, head));
    this.server.emit('connection', peer.socket);
  }

  /** Whose request this is, unless it isn't to be looked at: the last one that may wait is told so, and none behind it counts. */
  private stopped({ socket }: IncomingMessage): Peer | undefined {
    const peer = this.peers.get(socket);
    if (peer === undefined || peer.deaf || socket.destroyed) return undefined;
    const { waitingRequests, waitingBytes } = this.limits;
    if (peer.waits < waitingRequests && peer.waitingBytes < waitingBytes) return peer;
    this.counts.refused.waiting++;
    peer.deafen();
    socket.pause();
    peer.inTurn(undefined, () =>
      this.bow(peer, rawAnswer(overloaded('too many requests at once on one connection'))),
    );
    return undefined;
  }

  private answered(peer: Peer) {
    if (peer.proxied) this.headcount.drop(peer);
  }

  private bow(peer: Peer, bytes = '') {
    if (peer.leftAt !== undefined) return;
    peer.leftAt = this.sweeps;
    peer.drop();
    peer.deafen();
    this.headcount.dropFromAddress(peer);
    peer.socket.end(bytes);
    peer.socket.resume();
  }

  private refuse(peer: Peer, error: ChatError) {
    if (peer.answer?.headersSent === true || !peer.socket.writable) peer.socket.destroy();
    else this.bow(peer, rawAnswer(error));
  }

  private cut(peer: Peer, cause: keyof Sockets['counts']['cut']) {
    this.counts.cut[cause]++;
    peer.socket.destroy();
  }

  private isOver(since: number, ms: number): boolean {
    return (this.sweeps - since - 1) * SWEEP_MS >= ms;
  }

  /** Whether nobody's token was shown on a connection for too long since a moment. */
  private isOverdue(peer: Peer, since = peer.since): boolean {
    return peer.unknown && this.isOver(since, this.limits.tokenMs);
  }

  private sweep() {
    this.sweeps++;
    for (const peer of this.http) this.judge(peer);
    for (const peers of this.headcount.crowds) {
      if (peers.size <= this.limits.anonymousPerAddress) continue;
      // Whoever has a token shows it at once, so a burst of honest clients isn't counted. Who asks nothing goes first.
      const old = [...peers].filter((peer) => this.isOver(peer.countedAt, this.limits.graceMs));
      old.sort((a, b) => Number(a.busy) - Number(b.busy) || a.countedAt - b.countedAt);
      for (const peer of old.slice(0, Math.max(0, old.length - this.limits.anonymousPerAddress))) {
        this.counts.refused.address++;
        this.refuse(peer, overloaded('too many connections from this address'));
      }
    }
  }

  private judge(peer: Peer) {
    const { limits } = this;
    if (peer.leftAt !== undefined) {
      if (this.isOver(peer.leftAt, limits.farewellMs)) this.cut(peer, 'leaving');
    } else if (peer.answer?.writableEnded === true) {
      peer.endedAt ??= this.sweeps;
      if (this.isOver(peer.endedAt, this.closing ? limits.farewellMs : limits.answerMs))
        this.cut(peer, 'unread');
    } else if (peer.busy) {
      if (this.closing && peer.request?.complete === false)
        this.refuse(peer, overloaded('this instance is leaving, try again'));
    } else if (this.closing) this.bow(peer);
    else {
      peer.idleSince ??= this.sweeps;
      if (!this.isOverdue(peer, peer.idleSince)) return;
      this.counts.cut.idle++;
      this.bow(peer, peer.asked ? '' : rawAnswer(new ChatError('request_timeout')));
    }
  }
}

/** Connections: who has how many, what waits on them, and until when. */
export default fp<{ sockets: Sockets }>(
  async (app, { sockets }) => {
    app.decorate('sockets', sockets);
    app.addHook('onRequest', (request, reply, done) => {
      sockets.begin(request, reply.raw);
      done();
    });
    app.addHook('onSend', (request, reply, _payload, done) => {
      if (sockets.isLast(request)) reply.header('connection', 'close');
      else if (reply.raw.shouldKeepAlive && !reply.hasHeader('connection') && sockets.isUnknown(request)) {
        // Node's own hint is for those who are known; a client that trusted it would ask just as the connection is closed.
        const seconds = Math.ceil(sockets.limits.tokenMs / 1000);
        reply.headers({ connection: 'keep-alive', 'keep-alive': `timeout=${seconds}` });
      }
      done();
    });
    app.addHook('onClose', async () => sockets.stop());
  },
  { name: 'sockets' },
);
