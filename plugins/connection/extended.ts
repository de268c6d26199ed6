import type { ExtendedClient, ExtendedFrame } from '../../schemas/frames.js';
import { SIZE } from '../../schemas/size.js';
import type { Head } from '../../sql/heads.js';
import type { LastPage, Position, StoredMessage } from '../../sql/messages.js';
import { ChatError } from '../errors.js';
import { isFor, sentTextOf } from '../message.js';
import { Changing } from './changing.js';
import type { Counting } from './cursor.js';
import type { Endpoint } from './endpoint.js';
import { Inbox } from './inbox.js';
import { Lagging } from './lagging.js';
import { type OwnFrame, OwnFrames } from './own-frames.js';
import { type Compared, comparePositions, type Named, proofsOf } from './positions.js';
import { type State, WAITING } from './state.js';
import { ToldReceipts } from './told-receipts.js';
import { Unconfirmed } from './unconfirmed.js';

/** Conversations that one `sync` may name, in all its frames. */
const SYNC_CONVERSATIONS = 100_000;
/** Bytes of one of them, about. */
const POSITION_BYTES = 120;
/** Milliseconds between two `typing` frames that are passed on. */
const TYPING_MS = 1000;

/** Positions are the client's own, and it counts its own messages. */
const COUNTING: Counting = { copies: true, many: true };

/** A connection of `chat.v2`: it holds positions, and acknowledges. */
export class ExtendedConnection extends Changing {
  readonly wantsReceipts = true;
  /** When it last said that it types, by the clock. */
  private typedAt: number | undefined;
  /** What the client has named of its positions, in a `sync` that goes on. */
  private named: Map<number, Named> | undefined;
  /** The `sync` that is answered with `synced` once the client has everything. */
  private toAnswer: { id?: string } | undefined;
  private unconfirmed = new Unconfirmed();
  private readonly receipts = new ToldReceipts();
  /** The same of how far its own user has read. */
  private readonly reads = new ToldReceipts();
  /** What there was no room to say of its user's contacts. */
  private contactsVersion: number | undefined;
  private readonly own = new OwnFrames();

  readonly inbox: Inbox;

  /** @param dispatch handles one frame of the connection that it is given */
  constructor(
    dispatch: (connection: ExtendedConnection, data: Buffer) => void | Promise<void>,
    ...[port, transport, who]: ConstructorParameters<typeof Endpoint>
  ) {
    super(port, transport, who, COUNTING);
    this.inbox = new Inbox(this, dispatch.bind(undefined, this));
  }

  protected opened(): State {
    return WAITING;
  }

  /** Sends a frame of the protocol. */
  send(frame: ExtendedFrame): number {
    return this.write(JSON.stringify(frame));
  }

  sendError(error: ChatError, id?: string): void {
    this.send({
      type: 'error',
      ...(id !== undefined && { id }),
      code: error.code,
      content: error.message,
      retryable: error.retryable,
      ...(error.retryAfterMs !== undefined && { retry_after_ms: error.retryAfterMs }),
      ...(error.present !== undefined && { message: error.present }),
    });
    this.countBad(error);
  }

  // ---- what the client sends ----

  onStored(message: StoredMessage): void {
    this.answered();
    this.write(sentTextOf(message));
    const { is } = this.state;
    if (is === 'live' || is === 'behind') this.noteSent(message);
    else if (this.state.is === 'syncing') this.state.missed = true;
  }

  onFailed(clientId: string | undefined, error: ChatError): void {
    this.answered();
    this.sendError(error, clientId);
  }

  /** Whether it is to be passed on that the client types, now. */
  types(): boolean {
    const { now } = this.port.clock;
    if (this.typedAt !== undefined && now - this.typedAt < TYPING_MS) return false;
    this.typedAt = now;
    return true;
  }

  // ---- what the client is given ----

  protected hasUnconfirmedRoom(): boolean {
    return this.unconfirmed.hasRoom;
  }

  protected get wantsPages(): boolean {
    return false;
  }

  protected give(message: StoredMessage): void {
    const { conversation, seq, from } = message;
    const bytes = this.write(this.port.frames.of(message, this.user));
    if (bytes === 0) return;
    // Of what was done nobody wants to know how far it got.
    const informs = message.event === undefined && isFor(this.user, message);
    this.unconfirmed.add(conversation, { seq, bytes, from: informs ? from : undefined });
  }

  sendReceipt(conversation: number, user: number, delivered: number, read: number): void {
    if (user === this.user) return this.sendRead(conversation, read);
    if (this.isParked(conversation)) return;
    if (this.mayPark || !this.hasRoomForNews) return this.receipts.postpone(conversation, user);
    const now = this.receipts.grow(conversation, user, { delivered, read });
    if (now !== undefined)
      this.send({
        type: 'receipt',
        conversation_id: conversation,
        user_id: user,
        delivered_seq: now.delivered,
        read_seq: now.read,
      });
  }

  /** How far its user has read on another device. */
  private sendRead(conversation: number, read: number) {
    if (!this.hasRoomForNews) this.reads.postpone(conversation, this.user);
    else if (this.reads.grow(conversation, this.user, { delivered: 0, read }) !== undefined)
      this.send({ type: 'read', conversation_id: conversation, seq: read });
  }

  /** The client has said that its user has read so far. */
  noteRead(conversation: number, read: number): void {
    this.reads.grow(conversation, this.user, { delivered: 0, read });
  }

  sendTyping(conversation: number, user: number, shown: boolean): void {
    if (this.hearsTyping(conversation, shown) && this.hasRoomForNews)
      this.send({ type: 'typing', conversation_id: conversation, user_id: user });
  }

  sendContacts(version: number): void {
    if (this.hasRoomForNews) this.send({ type: 'contacts', version });
    else this.contactsVersion = version;
  }

  sendOwn(frame: OwnFrame): void {
    if (this.hasRoomForNews) this.send(frame);
    else this.own.postpone(frame);
  }

  override onRoom(): void {
    super.onRoom();
    const version = this.contactsVersion;
    this.contactsVersion = undefined;
    if (version !== undefined) this.sendContacts(version);
    for (const frame of this.own.take()) this.sendOwn(frame);
    this.tellPostponed();
  }

  private tellPostponed() {
    for (const { conversation, user } of [...this.receipts.takePostponed(), ...this.reads.takePostponed()])
      this.port.informOf({ to: this.user, user, conversation });
  }

  // ---- what the client confirms ----

  /**
   * Everything in a conversation up to a place has arrived.
   * @throws ChatError `invalid_position` past what was given
   */
  acknowledge(conversation: number, seq: number): void {
    const position = this.standing(conversation);
    if (position === undefined || seq > position) throw new ChatError('invalid_position');
    const writers = this.unconfirmed.takeUpTo(conversation, seq);
    const size = this.parking.sizeOf(conversation);
    if (writers.size > 0 && (size & SIZE.unnoted) === 0) {
      const informs = (size & SIZE.quiet) === 0 ? writers : [];
      const paced = (size & SIZE.many) !== 0;
      this.port.confirmed({ user: this.user, conversation, delivered: seq, informs, paced });
    }
    this.progress();
  }

  // ---- sync ----

  /**
   * Takes what the client holds; with the last page of it, sends what is missing, then `synced`. One that fails changes nothing
   * but that what was said so far is forgotten: the client says it again.
   * @throws ChatError
   */
  async sync(frame: ExtendedClient['sync']): Promise<void> {
    const id = frame.id === undefined ? {} : { id: frame.id };
    if (frame.epoch !== undefined && frame.epoch !== this.port.epoch) {
      this.named = undefined;
      this.send({ type: 'reset', ...id });
      return;
    }
    this.named ??= new Map();
    for (const { conversation_id, seq, at, change, changed_at } of frame.positions)
      this.named.set(conversation_id, { seq, at, change, changedAt: changed_at });
    if (this.named.size > SYNC_CONVERSATIONS) {
      this.named = undefined;
      throw new ChatError('bad_request', `more than ${SYNC_CONVERSATIONS} positions`);
    }
    if (frame.more === true) return;
    const { named, state } = this;
    this.named = undefined;
    if (state.is === 'opening' || state.is === 'closing') return;
    // What comes while the log is asked is in the log: it is read after that.
    const syncing: State = { is: 'syncing', missed: false };
    this.state = syncing;
    this.parking.restart();
    let compared: Compared;
    let heads: Head[];
    try {
      compared = await this.accept(named, frame.rest === 'end', id);
      heads = await this.headsOf(compared.lagging.filter((end) => this.isParked(end.conversation)));
    } catch (error) {
      if (this.state === syncing) {
        if (state.is === 'waiting') this.state = WAITING;
        else this.turnToLog();
      }
      throw error;
    }
    if (this.state !== syncing) return;
    this.unconfirmed = new Unconfirmed();
    this.cursor.restart(compared.kept, compared.changes);
    this.lagging = new Lagging(this.cursor, this.notParked(compared.lagging));
    this.tellHeads(heads);
    this.toAnswer = id;
    this.turnToLog(syncing.missed);
  }

  /**
   * Compares positions with the log, and notes what they say has arrived.
   * @param named by conversation
   * @param rest whether the conversations that aren't named are held to their ends
   * @param id of the frame, for its answers
   */
  private async accept(
    named: ReadonlyMap<number, Named>,
    rest: boolean,
    id: { id?: string },
  ): Promise<Compared> {
    const { reader } = this.port;
    const standings = await reader.standings(this.user, proofsOf(named));
    for (const { conversation, size = 0 } of standings) this.parking.learn(conversation, size);
    const compared = comparePositions(named, rest, standings);
    const { arrived, resets } = compared;
    await this.arrivedBefore(arrived);
    const timesThere = await reader.times(this.user, resets);
    for (const [i, { conversation, seq, change, changedAt }] of resets.entries()) {
      const at = timesThere[i];
      this.send({
        type: 'reset',
        ...id,
        conversation_id: conversation,
        seq,
        ...(at !== undefined && { at }),
        ...(change !== undefined && { change }),
        ...(changedAt !== undefined && { changed_at: changedAt }),
      });
    }
    return compared;
  }

  private async arrivedBefore(positions: readonly Position[]) {
    if (positions.length === 0) return;
    const moved = await this.port.reader.arrived(this.user, positions);
    for (const { user, conversation } of moved)
      this.port.informOf({ to: user, user: this.user, conversation });
  }

  protected skipped(conversation: number, seq: number, grouped: boolean): void {
    if (grouped) this.send({ type: 'joined', conversation_id: conversation, seq, hidden: true });
    else this.send({ type: 'reset', conversation_id: conversation, seq, keep: true });
  }

  protected joined({ conversation, seq, at }: LastPage): void {
    this.send({ type: 'joined', conversation_id: conversation, seq, ...(at !== undefined && { at }) });
  }

  protected caughtUp(): void {
    this.tellPostponed();
    if (this.toAnswer === undefined) return;
    this.send({ type: 'synced', ...this.toAnswer });
    this.toAnswer = undefined;
  }

  override get bytes(): number {
    return this.transport.isGone ? 0 : super.bytes + POSITION_BYTES * (this.named?.size ?? 0);
  }

  // Acknowledging is the way to confirm.
  requestPong(): void {}
  protected pingPayload(): string {
    return '';
  }
}
