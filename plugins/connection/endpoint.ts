import { CLOSE, type Close } from '../../schemas/close.js';
import type { ErrorCode } from '../../schemas/error.js';
import type { Token } from '../../schemas/token.js';
import type { ChatError } from '../errors.js';
import type { Inbox } from './inbox.js';
import { frameOf, Outlet, PING, PONG } from './outlet.js';
import type { Port, Transport, Who } from './port.js';
import { Sends } from './sends.js';
import type { State } from './state.js';

/** Bad frames within as many milliseconds that are too many. */
const BAD_FRAMES = 20;
const BAD_MS = 60_000;
const BAD: ReadonlySet<ErrorCode> = new Set(['bad_request', 'unsupported_type', 'unauthorized']);

/** Milliseconds from one ping that confirms messages to the next, unless they are many. */
const PING_MS = 500;
/** Milliseconds for a client to hang up after the farewell. */
const FAREWELL_MS = 3000;

/** One client: the frames that come from it and go to it, its signs of life, and its end. */
export abstract class Endpoint {
  readonly user: number;
  readonly username: string;
  readonly number: number;
  readonly alone: boolean;
  protected state: State = { is: 'opening', missed: false };
  /** When it last gave a sign of life, and was last asked for one, by the clock. */
  private heardAt: number;
  private pingedAt: number;
  private shown: Token;
  private badFrames = 0;
  private badSince = Number.NEGATIVE_INFINITY;
  protected readonly outlet: Outlet;
  protected readonly sends = new Sends();
  /** What the client says. */
  abstract readonly inbox: Inbox;

  constructor(
    protected readonly port: Port,
    protected readonly transport: Transport,
    { user, username, number, alone, token }: Who,
  ) {
    this.user = user;
    this.username = username;
    this.number = number;
    this.alone = alone;
    this.shown = token;
    this.outlet = new Outlet(this, transport, port);
    this.heardAt = port.clock.now;
    this.pingedAt = port.clock.now;
  }

  abstract sendError(error: ChatError, id?: string): void;
  /** The client can be written to again. */
  abstract onRoom(): void;
  /** What the next ping carries. */
  protected abstract pingPayload(): string;

  get isOpening(): boolean {
    return this.state.is === 'opening';
  }
  get isClosing(): boolean {
    return this.state.is === 'closing';
  }
  /** Whether nobody is there any more to be answered. */
  get isGone(): boolean {
    return this.state.is === 'closing' && this.state.gone;
  }
  /** Whether frames still go out. */
  get isOpen(): boolean {
    return !this.isOpening && this.canWrite;
  }
  private get canWrite(): boolean {
    return !this.isClosing && this.transport.isOpen;
  }

  // ---- frames out ----

  onDrain(): void {
    this.outlet.onDrain();
  }

  /** Whether the client reads, so that it can be told what it isn't owed. */
  get hasRoomForNews(): boolean {
    return this.isOpen && !this.outlet.isFull;
  }

  /** Writes a frame that is made, or a text. @returns the frame's length in bytes, 0 if nothing goes out any more */
  protected write(frame: Buffer | string): number {
    return this.canWrite ? this.outlet.push(frame) : 0;
  }

  // ---- frames in ----

  /** The client has said something. */
  heard(): void {
    this.heardAt = this.port.clock.now;
  }

  /** Whether what the client says doesn't count any more. Otherwise one that hasn't heard of the end yet is heard. */
  get isDeaf(): boolean {
    return this.state.is === 'closing' && this.state.deaf;
  }

  pause(): void {
    this.transport.pause();
  }

  resume(): void {
    if (!this.isOpening) this.transport.resume();
  }

  /** Counts what nobody would send by mistake; too much of it closes the connection. */
  protected countBad({ code }: ChatError): void {
    if (!BAD.has(code)) return;
    const { now } = this.port.clock;
    if (now - this.badSince > BAD_MS) {
      this.badSince = now;
      this.badFrames = 0;
    }
    if (++this.badFrames > BAD_FRAMES) this.close(CLOSE.abuse);
  }

  /** Whether the client can take an answer, and the log another send. */
  get mayTake(): boolean {
    return (this.isClosing || !this.outlet.isFull) && this.sends.hasRoom;
  }

  /** A message of the client is passed to the log, which will answer. */
  sending(): void {
    this.sends.add();
  }

  /** The log has answered a send. */
  protected answered(): void {
    if (this.sends.answer()) this.inbox.go();
  }

  // ---- signs of life ----

  /** Milliseconds, by the clock, since the client gave a sign of life, and since it was asked for one. */
  get silentFor(): number {
    return this.port.clock.now - this.heardAt;
  }
  get unaskedFor(): number {
    return this.port.clock.now - this.pingedAt;
  }

  /** Whether the last ping is so long ago that the next may go out with a message, instead of for several later. */
  get mayPing(): boolean {
    return this.unaskedFor > PING_MS;
  }

  /** Has the next ping come so many milliseconds earlier. */
  pingEarlier(ms: number): void {
    this.pingedAt -= ms;
  }

  /** Pings, as a sign of life and, where there is no other, as a receipt. */
  ping(): void {
    this.pingedAt = this.port.clock.now;
    if (this.canWrite) this.outlet.push(frameOf(PING, this.pingPayload()));
  }

  onPong(_payload: string): void {
    this.heardAt = this.port.clock.now;
  }

  /** The client pings: it is answered unless it doesn't read its answers (RFC 6455, 5.5.3: the last ping is enough). */
  onPing(payload: Buffer): void {
    this.heardAt = this.port.clock.now;
    if (this.canWrite && !this.outlet.isFull) this.outlet.push(frameOf(PONG, payload));
    else if (this.isOpen) this.inbox.pause();
  }

  /** Bytes that wait here: unread by the client, and unhandled by us. */
  get bytes(): number {
    return this.transport.isGone ? 0 : this.outlet.bytes + this.inbox.bytes;
  }

  // ---- its end ----

  /** What lets the client in. */
  get token(): Token {
    return this.shown;
  }

  /** Goes on with another token of the same user. */
  renew(token: Token): void {
    this.shown = token;
  }

  /** Whether what lets it in has ended: by the time of day, which goes on where a machine is suspended. */
  get isExpired(): boolean {
    return Date.now() >= this.shown.exp * 1000;
  }

  /** Says goodbye, and listens until the client does; it is cut if the client doesn't. */
  close(close: Close): void {
    if (this.state.is === 'closing') return;
    const deaf = close === CLOSE.abuse || close === CLOSE.tooLarge || close === CLOSE.expired;
    this.outlet.flushAll();
    this.state = { is: 'closing', deaf, gone: false };
    this.transport.close(close.code, close.reason);
    this.inbox.go();
    if (!this.inbox.isPaused) this.transport.resume();
    setTimeout(() => this.transport.terminate(), FAREWELL_MS).unref();
  }

  /** Closes it at once: behind all that its client doesn't read it won't read the reason, either. */
  cut(): void {
    this.close(CLOSE.slow);
    this.terminate();
  }

  terminate(): void {
    this.transport.terminate();
  }

  /** The socket is closed. What still waits is handled as far as it says something to others. */
  end(): void {
    this.state = { is: 'closing', deaf: this.isDeaf, gone: true };
    this.inbox.go();
  }
}
