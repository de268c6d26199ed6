import { CLOSE } from '../../schemas/close.js';
import type { PlainFrame } from '../../schemas/frames.js';
import { LIMITS } from '../../schemas/limits.js';
import type { Waiting } from '../../sql/cursors.js';
import type { Position, StoredMessage } from '../../sql/messages.js';
import type { ChatError } from '../errors.js';
import { waitedTextOf } from '../message.js';
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
/** Where a client stands that has no conversation, or was given nothing: one map for all. */
const NOWHERE: ReadonlyMap<number, number> = new Map();
/** It knows no positions, so that the server keeps them, no conversations but of two, and it isn't told of its own messages. */
const COUNTING: Counting = { copies: false, many: false };

/** What the client was written and hasn't confirmed. */
interface Given {
  conversation: number;
  seq: number;
  /** Whether it had waited for `get_offline`. */
  waited: boolean;
  /** Who hears that it arrived, if its writer wants to. */
  informs: number | undefined;
  /** Of its frame, or of its part of one. */
  bytes: number;
}

/** How far a conversation was confirmed, of what was pushed and of what had waited; and the other of the two, where they are told. */
interface Moved {
  pushed: number | undefined;
  fetched: number | undefined;
  informs: number | undefined;
}

/**
 * A connection of the reference's protocol. It can't acknowledge, so a ping is written after its messages, and that very
 * ping's pong is the receipt of all that came before it.
 */
export class PlainConnection extends Connection {
  readonly wantsReceipts = false;
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
  /** Where it began in each conversation: only what is before that waits for it. */
  private places = NOWHERE;
  /** Of what waited, how far the client was given each conversation. */
  private fetched: Map<number, number> | undefined;

  readonly inbox: Inbox;

  /** @param dispatch handles one frame of the connection that it is given */
  constructor(
    dispatch: (connection: PlainConnection, data: Buffer) => void | Promise<void>,
    ...[port, transport, who]: ConstructorParameters<typeof Endpoint>
  ) {
    super(port, transport, who, COUNTING);
    this.inbox = new Inbox(this, dispatch.bind(undefined, this));
  }

  /** What comes after these places is pushed, what was there before waits for `get_offline`. */
  begin(places: ReadonlyMap<number, number>): void {
    this.places = places;
    this.cursor.restart(places.size === 0 ? undefined : new Map(places));
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

  /**
   * Answers with the ids of the users connected to this instance, ascending, once what was sent before is answered.
   * @param hidden those who are left out
   */
  requestOnline(hidden: ReadonlySet<number>): void | Promise<void> {
    const answer = () => {
      const users = this.port.users();
      const data = hidden.size === 0 ? users : users.filter((user) => !hidden.has(user));
      this.send({ type: 'online_list', data });
    };
    return this.sends.answered()?.then(answer) ?? answer();
  }

  onStored(message: StoredMessage): void {
    this.answered();
    if (this.isToldOf(message)) this.noteSent(message);
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

  private note(message: StoredMessage, waited: boolean, bytes: number) {
    this.unconfirmed.push({
      conversation: message.conversation,
      seq: message.seq,
      waited,
      informs: 'receipts' in message && message.receipts !== true ? undefined : message.from,
      bytes,
    });
    this.unconfirmedBytes += bytes;
    this.given++;
  }

  /** Where instances don't hear each other the log tells of a newer connection, which has what this one lacks. */
  protected async ends(): Promise<Position[]> {
    const ends = await this.port.reader.plainEnds(this.user, this.number);
    if (ends === undefined) this.close(CLOSE.replaced);
    return ends ?? [];
  }

  protected give(message: StoredMessage): void {
    const { from, content, deleted } = message;
    const frame = `{"type":"chat","to_user_id":${this.user},"from_user_id":${from},"content":${JSON.stringify(content)}}`;
    // Of what was deleted there is nothing to be shown: it counts as taken.
    const bytes = deleted ? 0 : this.write(frame);
    if (bytes === 0 && !deleted) return;
    this.note(message, false, bytes);
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
    const moved = new Map<number, Moved>();
    for (const { conversation, seq, waited, informs, bytes } of arrived) {
      this.unconfirmedBytes -= bytes;
      let one = moved.get(conversation);
      if (one === undefined) {
        one = { pushed: undefined, fetched: undefined, informs: undefined };
        moved.set(conversation, one);
      }
      if (waited) one.fetched = seq;
      else one.pushed = seq;
      one.informs ??= informs;
    }
    for (const [conversation, { pushed, fetched, informs }] of moved) {
      const to = informs === undefined ? [] : [informs];
      this.port.confirmed({ user: this.user, conversation, pushed, fetched, informs: to });
    }
    this.progress();
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

  protected override async read(): Promise<boolean> {
    if (this.offlineRequests === 0) return super.read();
    const { user, places, fetched = NOWHERE, port } = this;
    const page = await port.reader.waiting(user, places, fetched, OFFLINE_ROWS, OFFLINE_CONTENT);
    return this.isOpen && this.giveOffline(page);
  }

  /** Writes what fits into one `offline_list` frame. */
  private giveOffline({ messages, more }: Waiting): boolean {
    const rows: string[] = [];
    let length = 0;
    const taken: StoredMessage[] = [];
    for (const message of messages) {
      // There is nothing to be shown: it counts as taken.
      if (message.deleted) {
        taken.push(message);
        continue;
      }
      const row = waitedTextOf(this.user, message);
      length += Buffer.byteLength(row) + 1;
      if (length > OFFLINE_BYTES && rows.length > 0) break;
      rows.push(row);
      taken.push(message);
    }
    const finished = !more && taken.length === messages.length;
    let bytes = 0;
    if (rows.length > 0 || (finished && this.offlineFrames === 0)) {
      bytes = this.write(`{"type":"offline_list","data":[${rows.join(',')}]}`);
      if (bytes === 0) return false;
      this.offlineFrames++;
    }
    for (const message of taken) {
      this.note(message, true, message.deleted ? 0 : Math.ceil(bytes / rows.length));
      this.fetched ??= new Map();
      this.fetched.set(message.conversation, message.seq);
    }
    if (taken.length > 0) this.ping();
    if (finished) {
      this.offlineRequests--;
      this.offlineFrames = 0;
    }
    return true;
  }

  protected async readChanged(): Promise<void> {}
  protected caughtUp(): void {}
  protected skipped(): void {}
  protected joined(): void {}
  protected setsAside(): boolean {
    return false;
  }
  isParked(): boolean {
    return false;
  }
  lacksHead(): boolean {
    return false;
  }
  noteHead(): void {}
  sendReceipt(): void {}
  sendTyping(): void {}
  sendContacts(): void {}
  sendOwn(): void {}
}
