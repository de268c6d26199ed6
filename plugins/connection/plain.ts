import type { PlainFrame } from '../../schemas/frames.js';
import { LIMITS } from '../../schemas/limits.js';
import type { StoredMessage } from '../../sql/messages.js';
import type { ChatError } from '../errors.js';
import type { Confirmed } from '../log/types.js';
import { present } from '../message.js';
import { Connection } from './connection.js';
import type { Counting } from './cursor.js';
import type { Endpoint } from './endpoint.js';
import { Inbox } from './inbox.js';
import { LIVE, type State } from './state.js';

/** Unpinged messages at which a ping doesn't wait. */
const PING_AT = 64;
/** Rows and bytes of content in one `offline_list` frame. */
const OFFLINE_ROWS = 1000;
const OFFLINE_BYTES = 524_288;
const OFFLINE_CONTENT = 393_216;
/** Rows and bytes of one page of what is pushed. */
const PAGE_ROWS = 200;
const PAGE_BYTES = 131_072;
/** It knows no positions: of the last conversations they are noted as messages are given. */
const COUNTING: Counting = { start: undefined, copies: false, positions: 1000 };

/** What the client was written and hasn't confirmed. */
interface Given extends Confirmed {
  /** Of its frame, or of its part of one. */
  bytes: number;
}

/**
 * A connection of the reference's protocol. It can't acknowledge, so a ping is written after its messages, and that very
 * ping's pong is the receipt of all that came before it.
 */
export class PlainConnection extends Connection {
  readonly wantsReceipts = false;
  readonly knowsByDebts = true;
  private unconfirmed: Given[] = [];
  private unconfirmedBytes = 0;
  /** Messages ever given, and how many of them the last ping covers. */
  private given = 0;
  private pinged = 0;
  private confirmed = 0;
  private pings: { payload: string; covers: number }[] = [];
  private pingCount = 0;
  private offlineRequests = 0;
  private offlineFrames = 0;
  /** Debts deleted while a page was being read: it may still have them. */
  private settledWhileReading: Set<number> | undefined;

  readonly inbox: Inbox;

  /** @param dispatch handles one frame of the connection that it is given */
  constructor(
    dispatch: (connection: PlainConnection, data: Buffer) => void | Promise<void>,
    ...[port, transport, who]: ConstructorParameters<typeof Endpoint>
  ) {
    super(port, transport, who, COUNTING);
    this.inbox = new Inbox(this, dispatch.bind(undefined, this));
  }

  protected opened(missed: boolean): State {
    return missed ? { is: 'behind', missed } : LIVE;
  }

  /** Sends a frame of the protocol. */
  send(frame: PlainFrame): void {
    this.write(JSON.stringify(frame));
  }

  sendError(error: ChatError): void {
    this.send({ type: 'error', content: error.message });
    this.countBad(error);
  }

  /** Answers with the ids of the users connected to this instance, ascending, once what was sent before is answered. */
  requestOnline(): void | Promise<void> {
    const answer = () => this.send({ type: 'online_list', data: this.port.users() });
    return this.sends.answered()?.then(answer) ?? answer();
  }

  onStored(message: StoredMessage): void {
    this.answered();
    if (message.members.length > 1) this.noteSent(message);
  }

  onFailed(_clientId: string | undefined, error: ChatError): void {
    this.answered();
    this.send({ type: 'error', content: error.message });
  }

  protected hasUnconfirmedRoom(): boolean {
    return (
      this.unconfirmed.length < LIMITS.unconfirmedMessages && this.unconfirmedBytes < LIMITS.unconfirmedBytes
    );
  }

  private note(message: StoredMessage, bytes: number) {
    this.unconfirmed.push({
      to: this.user,
      msgId: message.msgId,
      conversation: message.conversation,
      informs: 'receipts' in message && message.receipts !== true ? undefined : message.from,
      bytes,
    });
    this.unconfirmedBytes += bytes;
    this.given++;
  }

  protected give(message: StoredMessage): void {
    const { from, content } = message;
    const bytes = this.write(
      `{"type":"chat","to_user_id":${this.user},"from_user_id":${from},"content":${JSON.stringify(content)}}`,
    );
    if (bytes === 0) return;
    this.note(message, bytes);
    if (this.given - this.pinged >= PING_AT || this.mayPing) this.ping();
    else this.port.pingSoon(this);
  }

  requestPong(): void {
    if (this.given > this.pinged) this.ping();
  }

  protected pingPayload(): string {
    const payload = String(++this.pingCount);
    if (this.given > this.pinged) {
      this.pinged = this.given;
      this.pings.push({ payload, covers: this.given });
    }
    return payload;
  }

  override onPong(payload: string): void {
    super.onPong(payload);
    const i = this.pings.findIndex((ping) => ping.payload === payload);
    const ping = this.pings[i];
    if (ping === undefined) return;
    this.pings.splice(0, i + 1);
    const arrived = this.unconfirmed.splice(0, ping.covers - this.confirmed);
    this.confirmed = ping.covers;
    for (const given of arrived) this.unconfirmedBytes -= given.bytes;
    this.port.confirmed(arrived);
    this.progress();
  }

  onSettled(msgId: number): void {
    this.settledWhileReading?.add(msgId);
  }

  private knownIds(): Set<number> {
    const ids = new Set(this.settledWhileReading);
    for (const given of this.unconfirmed) ids.add(given.msgId);
    for (const debt of this.port.settling) if (debt.to === this.user) ids.add(debt.msgId);
    return ids;
  }

  mayLack(conversation: number, end: number): boolean {
    return !this.isClosing && (this.cursor.position(conversation) ?? 0) < end;
  }

  knows(debts: readonly { msgId: number }[]): boolean {
    const ids = new Set(this.unconfirmed.map((given) => given.msgId));
    return debts.every((debt) => ids.has(debt.msgId));
  }

  protected get wantsPages(): boolean {
    return this.offlineRequests > 0;
  }

  /** Answers with what is owed, in as many frames as it takes, once what was sent before is answered. */
  requestOffline(): void | Promise<void> {
    const start = () => {
      this.offlineRequests++;
      this.progress();
    };
    return this.sends.answered()?.then(start) ?? start();
  }

  protected async read(): Promise<boolean> {
    const offline = this.offlineRequests > 0;
    this.settledWhileReading = new Set();
    try {
      const [line, rows, bytes] = offline
        ? [0, OFFLINE_ROWS, OFFLINE_CONTENT]
        : [this.line, PAGE_ROWS, PAGE_BYTES];
      const page = await this.port.reader.owed(this.user, line, [...this.knownIds()], rows, bytes);
      const known = this.knownIds();
      const fresh = page.filter((message) => !known.has(message.msgId));
      if (!this.isOpen) return false;
      if (offline) return this.giveOffline(fresh, page.length === rows || size(page) >= bytes);
      for (const message of fresh) {
        this.cursor.take(message);
        this.give(message);
      }
      // A page that isn't full has all that was owed when it was asked for; what came since is noted as missed.
      return page.length === rows || size(page) >= bytes;
    } finally {
      this.settledWhileReading = undefined;
    }
  }

  /** Writes what fits into one `offline_list` frame. @param more whether the log has more than these */
  private giveOffline(messages: readonly StoredMessage[], more: boolean): boolean {
    const rows: string[] = [];
    let length = 0;
    for (const message of messages) {
      const { msg_id, to_user_id, from_user_id, content, created_at } = present(message);
      const row = JSON.stringify({ msg_id, to_user_id, from_user_id, content, created_at });
      length += Buffer.byteLength(row) + 1;
      if (length > OFFLINE_BYTES && rows.length > 0) break;
      rows.push(row);
    }
    const finished = !more && rows.length === messages.length;
    if (rows.length > 0 || (finished && this.offlineFrames === 0)) {
      const bytes = this.write(`{"type":"offline_list","data":[${rows.join(',')}]}`);
      if (bytes === 0) return false;
      this.offlineFrames++;
      for (const message of messages.slice(0, rows.length)) {
        this.note(message, Math.ceil(bytes / rows.length));
        // It may still be on its way here: it is known then.
        this.cursor.take(message);
      }
      if (rows.length > 0) this.ping();
    }
    if (finished) {
      this.offlineRequests--;
      this.offlineFrames = 0;
      this.cursor.passLine();
    }
    return true;
  }

  protected caughtUp(): void {}
  sendReceipt(): void {}
  sendTyping(): void {}
}

const size = (messages: readonly StoredMessage[]) =>
  messages.reduce((sum, message) => sum + Buffer.byteLength(message.content), 0);
