import type { ExtendedClient, ExtendedFrame } from '../../schemas/frames.js';
import type { Position, StoredMessage } from '../../sql/messages.js';
import { ChatError } from '../errors.js';
import { isFor, present, presentPlace } from '../message.js';
import { Connection } from './connection.js';
import type { Counting } from './cursor.js';
import type { Endpoint } from './endpoint.js';
import { Inbox } from './inbox.js';
import { comparePositions } from './positions.js';
import { type State, WAITING } from './state.js';
import { ToldReceipts } from './told-receipts.js';
import { Unconfirmed } from './unconfirmed.js';

/** Messages of one page of the log. */
const PAGE_ROWS = 200;
/** Conversations that one `sync` may name, in all its frames. */
const SYNC_CONVERSATIONS = 100_000;
/** Bytes of one of them, about. */
const POSITION_BYTES = 64;
/** Milliseconds between two `typing` frames that are passed on. */
const TYPING_MS = 1000;

/** Positions are the client's own, and it counts its own messages. */
const COUNTING: Counting = { start: 0, copies: true, positions: Number.POSITIVE_INFINITY };

/** A connection of `chat.v2`: it holds positions, and acknowledges. */
export class ExtendedConnection extends Connection {
  readonly wantsReceipts = true;
  readonly knowsByDebts = false;
  /** When it last said that it types, by the clock. */
  private typedAt: number | undefined;
  /** What the client has named of its positions, in a `sync` that goes on. */
  private named: Map<number, number> | undefined;
  /** The `sync` that is answered with `synced` once the client has everything. */
  private toAnswer: { id?: string } | undefined;
  private unconfirmed = new Unconfirmed();
  /** Conversations that go on past their positions, as last read. */
  private lagging: Position[] | undefined;
  private readonly receipts = new ToldReceipts();
  /** The same of how far its own user has read. */
  private readonly reads = new ToldReceipts();

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
    });
    this.countBad(error);
  }

  // ---- what the client sends ----

  onStored(message: StoredMessage): void {
    this.answered();
    this.send({ type: 'sent', id: message.clientId, ...presentPlace(message) });
    const { is } = this.state;
    if (message.members.length > 1 && (is === 'live' || is === 'behind')) this.noteSent(message);
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
    const { conversation, seq, msgId, from, clientId } = message;
    const own = from === this.user;
    const bytes = this.send({ type: 'chat', ...present(message), ...(own && { id: clientId }) });
    if (bytes === 0) return;
    const debt = isFor(this.user, message)
      ? { to: this.user, msgId, conversation, informs: from }
      : undefined;
    this.unconfirmed.add(conversation, { seq, bytes, debt });
  }

  sendReceipt(conversation: number, user: number, delivered: number, read: number): void {
    if (user === this.user) return this.sendRead(conversation, read);
    if (!this.hasRoomForNews) return this.receipts.postpone(conversation, user);
    const now = this.receipts.grow(conversation, { delivered, read });
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
    else if (this.reads.grow(conversation, { delivered: 0, read }) !== undefined)
      this.send({ type: 'read', conversation_id: conversation, seq: read });
  }

  /** The client has said that its user has read so far. */
  noteRead(conversation: number, read: number): void {
    this.reads.grow(conversation, { delivered: 0, read });
  }

  sendTyping(conversation: number, user: number): void {
    if (this.hasRoomForNews) this.send({ type: 'typing', conversation_id: conversation, user_id: user });
  }

  override onRoom(): void {
    super.onRoom();
    for (const [conversation, user] of [...this.receipts.takePostponed(), ...this.reads.takePostponed()])
      this.port.informOf({ to: this.user, user, conversation });
  }

  // ---- what the client confirms ----

  /** Where the client stands in a conversation, once it has said where it stands. */
  private standing(conversation: number): number | undefined {
    const { is } = this.state;
    return is === 'live' || is === 'behind' ? this.cursor.position(conversation) : undefined;
  }

  /**
   * Everything in a conversation up to a place has arrived.
   * @throws ChatError `invalid_position` past what was given
   */
  acknowledge(conversation: number, seq: number): void {
    const position = this.standing(conversation);
    if (position === undefined || seq > position) throw new ChatError('invalid_position');
    this.port.confirmed(this.unconfirmed.takeUpTo(conversation, seq));
    this.progress();
  }

  mayLack(conversation: number, end: number): boolean {
    return (this.standing(conversation) ?? end) < end;
  }

  knows(): boolean {
    return true;
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
    for (const { conversation_id, seq } of frame.positions) this.named.set(conversation_id, seq);
    if (this.named.size > SYNC_CONVERSATIONS) {
      this.named = undefined;
      throw new ChatError('bad_request', `more than ${SYNC_CONVERSATIONS} positions`);
    }
    if (frame.more === true) return;
    const { named, state } = this;
    this.named = undefined;
    if (state.is === 'opening' || state.is === 'closing') return;
    // What comes while the log is asked is in the log: it is read after that.
    const syncing: State = { is: 'syncing' };
    this.state = syncing;
    let positions: Map<number, number>;
    try {
      positions = await this.accept(named, frame.rest === 'end', id);
    } catch (error) {
      if (this.state === syncing) {
        if (state.is === 'waiting') this.state = WAITING;
        else this.turnToLog();
      }
      throw error;
    }
    if (this.state !== syncing) return;
    this.unconfirmed = new Unconfirmed();
    this.cursor.restart(positions);
    this.lagging = undefined;
    this.toAnswer = id;
    this.turnToLog();
  }

  /**
   * Compares positions with the log, and settles what they say has arrived.
   * @param named by conversation
   * @param rest whether the conversations that aren't named are held to their ends
   * @param id of the frame, for its answers
   * @returns the positions to go on from
   */
  private async accept(
    named: ReadonlyMap<number, number>,
    rest: boolean,
    id: { id?: string },
  ): Promise<Map<number, number>> {
    const { kept, arrived, past } = comparePositions(named, rest, await this.port.reader.ends(this.user));
    await this.arrivedBefore(arrived);
    for (const { conversation, seq } of past)
      this.send({ type: 'reset', ...id, conversation_id: conversation, seq });
    return kept;
  }

  private async arrivedBefore(positions: readonly Position[]) {
    if (positions.length === 0) return;
    const settled = await this.port.reader.settle(this.user, positions);
    for (const { other, conversation } of settled)
      if (other !== this.user) this.port.informOf({ to: other, user: this.user, conversation });
  }

  protected async read(): Promise<boolean> {
    this.lagging ??= await this.behindTheirEnds();
    const { lagging } = this;
    if (lagging.length === 0) {
      this.lagging = undefined;
      return false;
    }
    const wanted: Position[] = [];
    for (let rows = 0, i = 0; rows < PAGE_ROWS && i < lagging.length; i++) {
      const { conversation, seq } = lagging[i] ?? { conversation: 0, seq: 0 };
      const position = this.cursor.position(conversation) ?? 0;
      wanted.push({ conversation, seq: position });
      rows += Math.max(seq - position, 0);
    }
    const page = await this.port.reader.after(this.user, wanted, PAGE_ROWS);
    // An own message may be seen in the log before its sender is told: `sent` comes first, so that it comes once.
    if (page.some((message) => message.from === this.user && !this.cursor.isTold(message)))
      await this.sends.answered();
    // A sync in between has other positions: what was read for the old ones is of no use.
    if (!this.isOpen || this.lagging !== lagging) return true;
    if (page.length === 0) {
      lagging.splice(0, wanted.length);
      // What came meanwhile is looked for before it counts as all.
      if (lagging.length === 0) this.lagging = undefined;
    } else {
      const first = page[0]?.conversation;
      const done = lagging.findIndex((position) => position.conversation === first);
      if (done > 0) lagging.splice(0, done);
    }
    for (const message of page) {
      if (!this.cursor.isNext(message)) continue;
      if (!this.hasRoom()) break;
      if (this.cursor.take(message) === 'give') this.give(message);
    }
    return true;
  }

  /** The conversations that go on past where the client stands. */
  private async behindTheirEnds(): Promise<Position[]> {
    const ends = await this.port.reader.ends(this.user);
    return ends.filter((end) => end.seq > (this.cursor.position(end.conversation) ?? 0));
  }

  protected caughtUp(): void {
    if (this.toAnswer === undefined) return;
    this.send({ type: 'synced', ...this.toAnswer });
    this.toAnswer = undefined;
  }

  override get bytes(): number {
    return this.transport.isGone ? 0 : super.bytes + POSITION_BYTES * (this.named?.size ?? 0);
  }

  // Acknowledging is the way to confirm.
  requestPong(): void {}
  onSettled(): void {}
  protected pingPayload(): string {
    return '';
  }
}
