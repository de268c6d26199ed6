import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { CLOSE, type Close } from '../schemas/close.js';
import type { ErrorCode } from '../schemas/error.js';
import { LIMITS } from '../schemas/limits.js';
import type { StoredMessage } from '../sql/messages.js';
import { ChatError } from './errors.js';
import { Inbox } from './inbox.js';
import type { Confirmed, Delivery, Sender } from './messages.js';
import { Outlet, PING, PONG, TEXT } from './outlet.js';
import type { Port } from './port.js';
import { weightOf } from './weight.js';

/** Messages of a conversation that are kept while the one before them is missing. */
const HELD = 64;
/** Sends of one connection that may wait for the log before no further frame is handled. */
const SENDS = 1000;
/** Bad frames within as many milliseconds that are too many. */
const BAD_FRAMES = 20;
const BAD_MS = 60_000;
const BAD: ReadonlySet<ErrorCode> = new Set(['bad_request', 'unsupported_type', 'unauthorized']);

/** Milliseconds from one ping that confirms messages to the next, unless they are many. */
const PING_MS = 500;

/** What a client was written and hasn't confirmed. */
export interface Given extends Confirmed {
  /** 0 where nothing is owed: a copy of the user's own message. */
  msgId: number;
  seq: number;
  bytes: number;
}

/**
 * One client's connection, whatever it speaks. It is *live*, and is written messages as they are stored, or *behind*: then it
 * reads what it lacks from the log, page by page as it drains, until there is no more, and is live again in the same tick.
 */
export abstract class Connection implements Sender {
  state: 'opening' | 'ready' | 'closing' = 'opening';
  /** Owed debts up to this `msg_id` wait until the client asks for them. */
  line = 0;
  /** When the ownership was last confirmed, in milliseconds of `performance.now()`. */
  claimedAt = Number.NEGATIVE_INFINITY;
  /** When it last gave a sign of life, and was last asked for one, by the clock. */
  heardAt: number;
  pingedAt: number;
  /** Not to be written to until its ownership is known again. */
  suspended = false;
  /** What the client says doesn't count any more. */
  private deaf = false;
  tokenTimer: NodeJS.Timeout | undefined;

  protected behind = false;
  /** Something came that wasn't written, since the connection was behind. */
  private missed = false;
  private pumping = false;
  /** Since when it is behind without any progress, by the clock. */
  private progressAt = 0;
  private sends = 0;
  private answers = 0;
  /** Who waits until so many sends are answered. */
  private awaiting: { answers: number; resolve: () => void }[] = [];
  private readonly outlet: Outlet;
  private readonly inbox = new Inbox(this);
  private badFrames = 0;
  private badSince = Number.NEGATIVE_INFINITY;
  /** Place in each conversation: what is written continues it by one. */
  protected positions: Map<number, number> | undefined;
  private held: Map<number, StoredMessage[]> | undefined;
  private heldBytes = 0;

  abstract readonly wantsReceipts: boolean;
  readonly wantsCopy = false;

  constructor(
    protected readonly port: Port,
    readonly socket: WebSocket,
    private readonly tcp: Socket,
    readonly user: number,
    readonly username: string,
    readonly number: number,
  ) {
    this.outlet = new Outlet(this, tcp, port.clock);
    this.heardAt = port.clock.now;
    this.pingedAt = port.clock.now;
  }

  /** Writes the frame of a message and notes it as unconfirmed. */
  protected abstract give(message: StoredMessage): void;
  /** Reads what comes next and gives it. @returns whether there may be more */
  protected abstract read(): Promise<boolean>;
  /** Whether the client is given a message: one's own only where the protocol has copies. */
  protected abstract isForClient(message: StoredMessage): boolean;
  protected abstract hasUnconfirmedRoom(): boolean;
  /** Whether debts that nobody has confirmed are known to this connection: it was written them. */
  abstract knows(debts: readonly { msgId: number; conversation: number; seq: number }[]): boolean;
  /** Whether more than the live frames is wanted from the log. */
  protected abstract get wantsPages(): boolean;
  /** Called when the log has no more for this connection. */
  protected caughtUp(): void {}
  protected abstract handle(data: Buffer): void | Promise<void>;
  abstract sendError(error: ChatError, id?: string): void;
  /** The user's own message was stored through something else than this connection. */
  abstract deliverCopy(message: Delivery): void;
  abstract onStored(message: StoredMessage): void;
  abstract onFailed(clientId: string, error: ChatError): void;
  /** Pings for what isn't confirmed; only what has no other way of confirming does it. */
  confirm(): void {}
  /** Debts are deleted. */
  onSettled(_msgId: number): void {}
  /** What only the extended protocol has frames for: how far another user has come, and that they are typing. */
  sendReceipt(_conversation: number, _user: number, _delivered: number, _read: number): void {}
  sendTyping(_conversation: number, _user: number): void {}

  /** Place in a conversation, if it is known. */
  protected position(conversation: number): number | undefined {
    return this.positions?.get(conversation);
  }

  protected setPosition(conversation: number, seq: number): void {
    this.positions ??= new Map();
    this.positions.set(conversation, seq);
  }

  /** The connection can be written to now. */
  ready(): void {
    this.state = 'ready';
    if (this.missed) this.fallBehind();
    this.socket.resume();
  }

  /** A message for this user was stored. */
  deliver(message: Delivery): void {
    if (this.state !== 'ready' || this.behind) {
      this.missed = true;
      return;
    }
    if (!this.hasRoom()) return this.fallBehind();
    const { conversation, seq, msgId } = message;
    const position = this.position(conversation);
    if (position === undefined) {
      // Whether the one before is still on its way, or this very one came long ago, isn't known here: the log knows.
      if (message.again || (seq > 1 && message.recent && msgId > this.line)) return this.fallBehind();
    } else if (seq <= position) return;
    else if (seq > position + 1 && msgId > this.line) return this.hold(message);
    this.give(message);
    this.setPosition(conversation, Math.max(seq, position ?? 0));
    if (this.held !== undefined) this.release(conversation);
  }

  /** A message that this user sent counts in the conversation's numbers too. */
  protected noteOwn(message: StoredMessage): void {
    const position = this.position(message.conversation);
    if (position === undefined || message.seq <= position) return;
    if (message.seq > position + 1) {
      if (!this.behind) return this.hold(message);
      this.missed = true;
      return;
    }
    this.setPosition(message.conversation, message.seq);
    if (this.held !== undefined) this.release(message.conversation);
  }

  /** Keeps a message that came before the one that it follows; after a moment the log is asked. */
  private hold(message: StoredMessage) {
    this.held ??= new Map();
    const list = this.held.get(message.conversation) ?? [];
    if (list.some((other) => other.seq === message.seq)) return;
    if (list.length >= HELD || this.heldBytes >= LIMITS.heldBytes) return this.fallBehind();
    list.push(message);
    list.sort((a, b) => a.seq - b.seq);
    this.heldBytes += weightOf(message.content);
    this.held.set(message.conversation, list);
    this.port.watchGap(this);
  }

  private release(conversation: number) {
    const list = this.held?.get(conversation);
    if (list === undefined) return;
    for (let next = list[0]; next !== undefined; next = list[0]) {
      const position = this.position(conversation) ?? 0;
      if (next.seq > position + 1) return;
      list.shift();
      this.heldBytes -= weightOf(next.content);
      if (next.seq <= position) continue;
      if (this.isForClient(next)) this.give(next);
      this.setPosition(conversation, next.seq);
    }
    this.held?.delete(conversation);
    if (this.held?.size === 0) this.dropHeld();
  }

  private dropHeld() {
    this.held = undefined;
    this.heldBytes = 0;
  }

  /** The moment for a missing message to come by itself is over. */
  closeGap(): void {
    if (this.held !== undefined) this.fallBehind();
  }

  /** Turns to the log for everything that is owed. */
  fallBehind(): void {
    this.missed = true;
    this.dropHeld();
    if (this.state === 'opening') return;
    if (!this.behind) {
      this.behind = true;
      this.progressAt = this.port.clock.now;
    }
    this.pump();
  }

  protected hasRoom(): boolean {
    return !this.suspended && !this.outlet.isFull && this.hasUnconfirmedRoom();
  }

  /** Bytes that this connection keeps in memory: unread by its client, and unhandled by us. */
  get bytes(): number {
    return this.tcp.destroyed ? 0 : this.outlet.bytes + this.inbox.bytes + this.heldBytes + this.claimedBytes;
  }
  /** Those of positions that the client has named and not yet said all of. */
  protected get claimedBytes(): number {
    return 0;
  }

  /** Goes on reading the log for this connection, if it wants that and there is room. */
  pump(): void {
    if (this.pumping || this.state !== 'ready') return;
    this.pumping = true;
    void this.readPages();
  }

  private async readPages() {
    try {
      while (this.isOpen && (this.behind || this.wantsPages) && this.hasRoom()) {
        this.missed = false;
        const more = await this.read();
        this.progressAt = this.port.clock.now;
        if (!more && !this.missed && this.behind && this.state === 'ready') {
          this.behind = false;
          this.caughtUp();
        }
      }
    } catch (error) {
      this.port.log.warn(
        { err: error, user: this.user },
        'a page of the log could not be read, trying again',
      );
      // The database's fault, not the client's.
      this.progressAt = this.port.clock.now;
      this.port.pumpLater(this);
    }
    this.pumping = false;
  }

  /** The client drained or confirmed something. */
  protected progress(): void {
    this.progressAt = this.port.clock.now;
    if (this.behind || this.wantsPages) this.pump();
  }

  onDrain(): void {
    this.outlet.onDrain();
  }

  flushSoon(): void {
    this.port.flushSoon(this);
  }

  /** The client can be written to again. */
  onRoom(): void {
    this.progress();
    this.inbox.go();
  }

  /** Whether this connection has been behind, or its socket full, for too long without any progress. */
  isStuck(now: number, ms: number): boolean {
    const behind = this.behind || this.wantsPages;
    return (behind && this.progressAt > 0 && now - this.progressAt > ms) || (this.outlet.fullFor ?? 0) > ms;
  }

  /** Whether the client reads, so that it can be told what it isn't owed. */
  get hasRoomForNews(): boolean {
    return this.isOpen && !this.outlet.isFull;
  }

  /** Whether frames still go out. */
  get isOpen(): boolean {
    return this.state === 'ready' && this.socket.readyState === this.socket.OPEN;
  }

  get isLive(): boolean {
    return this.state === 'ready' && !this.behind && this.hasRoom();
  }

  private get canWrite(): boolean {
    return this.state !== 'closing' && this.socket.readyState === this.socket.OPEN;
  }

  /** Writes a frame. @returns its length in bytes, 0 if nothing goes out any more */
  protected write(text: string): number {
    return this.canWrite ? this.outlet.put(TEXT, text) : 0;
  }

  flush(): void {
    this.outlet.flush();
  }

  /** Takes one frame of the client; they are handled one after the other. */
  receive(data: Buffer): void {
    this.heardAt = this.port.clock.now;
    // A client that hasn't heard of the end yet may still say something: it is heard.
    if (!this.deaf) this.inbox.push(data);
  }

  /** Whether the client can take an answer, and the log another send. */
  get mayTake(): boolean {
    return (this.state === 'closing' || !this.outlet.isFull) && this.sends < SENDS;
  }

  /** Handles one frame. @returns what the next one waits for */
  take(data: Buffer): void | Promise<void> {
    if (this.deaf) return;
    try {
      const work = this.handle(data);
      return work?.catch((error: unknown) => this.refuse(error));
    } catch (error) {
      this.refuse(error);
    }
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    if (this.state !== 'opening') this.socket.resume();
  }

  /** The socket is closed. What still waits is handled as far as it says something to others. */
  end(): void {
    this.state = 'closing';
    this.isGone = true;
    clearTimeout(this.tokenTimer);
    this.inbox.go();
  }

  /** Whether nobody is there any more to be answered. */
  isGone = false;

  private refuse(error: unknown) {
    if (!(error instanceof ChatError)) this.port.log.error({ err: error, user: this.user }, 'a frame failed');
    this.sendError(error instanceof ChatError ? error : new ChatError('internal'));
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

  /** A send was passed to the log. */
  protected countSend(): void {
    this.sends++;
  }

  /** A send was answered by the log. */
  protected uncountSend(): void {
    this.sends--;
    this.answers++;
    if (this.sends === SENDS / 2) this.inbox.go();
    while (this.awaiting[0] !== undefined && this.awaiting[0].answers <= this.answers)
      this.awaiting.shift()?.resolve();
  }

  /**
   * Waits until as many sends are answered, stored or refused, as wait for an answer now. While a frame waits for that, the next
   * ones wait for it.
   */
  protected answered(): Promise<void> | undefined {
    if (this.sends === 0) return undefined;
    return new Promise((resolve) => {
      this.awaiting.push({ answers: this.answers + this.sends, resolve });
    });
  }

  /** Whether the last ping is so long ago that the next may go out with a message, instead of for several later. */
  get mayPing(): boolean {
    return this.port.clock.now - this.pingedAt > PING_MS;
  }

  /** Pings, as a sign of life and, where there is no other, as a receipt. */
  ping(): void {
    this.pingedAt = this.port.clock.now;
    if (this.canWrite) this.outlet.put(PING, this.pingPayload());
  }

  protected pingPayload(): string {
    return '';
  }

  onPong(_payload: string): void {
    this.heardAt = this.port.clock.now;
  }

  /** The client pings: it is answered unless it doesn't read its answers (RFC 6455, 5.5.3: the last ping is enough). */
  onPing(payload: Buffer): void {
    this.heardAt = this.port.clock.now;
    if (this.canWrite && !this.outlet.isFull) this.outlet.put(PONG, payload);
    else if (this.isOpen) this.inbox.pause();
  }

  /** Closes it at once: behind all that its client doesn't read it won't read the reason, either. */
  cut(): void {
    this.close(CLOSE.slow);
    this.socket.terminate();
  }

  /** Says goodbye, and listens until the client does; the socket is cut if it doesn't. */
  close(close: Close): void {
    if (this.state === 'closing') return;
    const { code, reason } = close;
    this.deaf = close === CLOSE.abuse || close === CLOSE.tooLarge || close === CLOSE.expired;
    this.outlet.flushAll();
    this.state = 'closing';
    this.socket.close(code, reason);
    this.inbox.go();
    if (!this.inbox.isPaused) this.socket.resume();
    setTimeout(() => this.socket.terminate(), 3000).unref();
  }
}
