import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What waits for its turn on a connection; a request where it is one. */
interface Waiting {
  request: IncomingMessage | undefined;
  start(): void;
}

/** Bytes of a request's head, nearly. */
const sizeOf = ({ url = '', rawHeaders }: IncomingMessage) =>
  rawHeaders.reduce((sum, text) => sum + text.length, url.length);

/**
 * One accepted connection. What is asked on it is done one after the other, the next when the answer before it was handed to the
 * socket whole: so at most one answer waits to be read. Moments are in sweeps of `Sockets`.
 */
export class Peer {
  /** The user whose token was shown; on a trusted proxy's connection, with the request under way. */
  user: number | undefined;
  /** The address that it counts for since a moment, while no token was shown. */
  address: string | undefined;
  countedAt = 0;
  /** What is under way, and its answer: an upgrade has none before its route begins. */
  request: IncomingMessage | undefined;
  answer: ServerResponse | undefined;
  /** When the answer was found to be whole. */
  endedAt: number | undefined;
  /** When it was told, or seen to be told, that this was the last answer. */
  leftAt: number | undefined;
  /** Since when nothing is under way; undefined from a request's begin until that was seen. */
  idleSince: number | undefined;
  /** Whether anything was asked yet. */
  asked = false;
  /** Nothing that still comes is looked at. */
  deaf = false;
  /** The answer under way is the last. */
  last = false;
  /** An upgrade to our WebSocket is under way, or done. */
  state: 'http' | 'upgrading' | 'upgraded' = 'http';
  private waiting: Waiting[] = [];

  /**
   * @param proxied it is a trusted proxy's, and carries requests of many people
   * @param onAnswered called when what was under way is over
   */
  constructor(
    readonly socket: Socket,
    readonly proxied: boolean,
    readonly since: number,
    private readonly onAnswered: (peer: Peer) => void,
  ) {
    this.idleSince = since;
  }

  get busy(): boolean {
    return this.request !== undefined || this.waiting.length > 0;
  }

  /** Nobody's token was shown on it, and it is no proxy's. */
  get unknown(): boolean {
    return this.user === undefined && !this.proxied;
  }

  get waits(): number {
    return this.waiting.length;
  }

  /** Bytes of what waits: its heads; of bodies there is never more than a packet, until they are read. */
  get waitingBytes(): number {
    return this.waiting.reduce((sum, { request }) => sum + (request === undefined ? 0 : sizeOf(request)), 0);
  }

  /** Does something when all before it is answered. */
  inTurn(request: IncomingMessage | undefined, start: () => void): void {
    if (this.busy) this.waiting.push({ request, start });
    else start();
  }

  /** A request has its turn. */
  begin(request: IncomingMessage, answer: ServerResponse): void {
    this.asked = true;
    this.request = request;
    this.answer = answer;
    this.endedAt = undefined;
    this.idleSince = undefined;
    answer.once('close', this.next);
  }

  /** What was under way is over. */
  readonly next = (): void => {
    this.request = undefined;
    this.answer = undefined;
    this.onAnswered(this);
    if (!this.socket.destroyed) this.waiting.shift()?.start();
  };

  /** Drops what waits; of requests only the last one if its end hasn't come. */
  drop(): void {
    this.waiting = [];
  }

  dropIncomplete(): void {
    if (this.waiting.at(-1)?.request?.complete === false) this.waiting.pop();
  }

  /** From now on nothing that comes is looked at, not even what the parser has already been given. */
  deafen(): void {
    this.deaf = true;
    // Node has no way of its own: it goes on to make a request and an answer of everything in the packet that it reads.
    const parser: unknown = Reflect.get(this.socket, 'parser');
    if (parser instanceof Object) Object.assign(parser, { onIncoming: () => 0 });
  }
}
