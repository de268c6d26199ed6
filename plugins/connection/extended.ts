import type { ExtendedClient, ExtendedFrame } from '../schemas/frames.js';
import { LIMITS } from '../schemas/limits.js';
import { lastSeqs } from '../sql/conversations.js';
import { type Position, readAfter, type StoredMessage, settlePositions } from '../sql/messages.js';
import { Connection, type Given } from './connection.js';
import { within } from './db.js';
import { ChatError } from './errors.js';
import type { Delivery } from './messages.js';

/** Messages of one page of the log. */
const PAGE_ROWS = 200;
/** Conversations that one `sync` may name, in all its frames. */
const SYNC_CONVERSATIONS = 100_000;
/** Bytes of one of them, about. */
const POSITION_BYTES = 64;
/** Conversations whose last receipt is remembered, so that a late one is no step back. */
const RECEIPTS = 1000;

/** A connection of `chat.v2`: it holds positions, and acknowledges. */
export class ExtendedConnection extends Connection {
  readonly wantsReceipts = true;
  /** Whose presence it watches. */
  watched: readonly number[] = [];
  /** When it last said that it types, in milliseconds of `performance.now()`. */
  typedAt = Number.NEGATIVE_INFINITY;

  private synced = false;
  private syncing: { id?: string } | undefined;
  private claimed: Map<number, number> | undefined;
  private unconfirmed = new Map<number, Given[]>();
  private unconfirmedCount = 0;
  private unconfirmedBytes = 0;
  /** Conversations that go on past their positions, as last read. */
  private lagging: Position[] | undefined;
  /** Own messages past a position that `sent` has told of. */
  private told: Set<number> | undefined;
  private receipts: Map<number, { delivered: number; read: number }> | undefined;
  /** Conversations whose receipts the client had no room for, and their other users. */
  private untold: Map<number, number> | undefined;

  constructor(
    private readonly dispatch: (connection: ExtendedConnection, data: Buffer) => void | Promise<void>,
    ...rest: ConstructorParameters<typeof Connection>
  ) {
    super(...rest);
  }

  protected handle(data: Buffer): void | Promise<void> {
    return this.dispatch(this, data);
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

  /** Passes a message to the log. */
  chat(frame: ExtendedClient['chat'], content: string): void {
    this.countSend();
    this.port.append({
      from: this.user,
      to: frame.to_user_id ?? 0,
      conversation: frame.to_user_id === undefined ? (frame.conversation_id ?? 0) : 0,
      clientId: frame.id ?? '',
      content,
      sender: this,
    });
  }

  onStored(message: StoredMessage): void {
    this.uncountSend();
    this.send({
      type: 'sent',
      id: message.clientId,
      conversation_id: message.conversation,
      to_user_id: message.to,
      msg_id: message.msgId,
      seq: message.seq,
      created_at: new Date(message.createdAt).toISOString(),
    });
    if (message.to === this.user || !this.synced) return;
    this.noteOwn(message);
    if ((this.position(message.conversation) ?? 0) < message.seq) {
      this.told ??= new Set();
      this.told.add(message.msgId);
    }
  }

  onFailed(clientId: string, error: ChatError): void {
    this.uncountSend();
    this.sendError(error, clientId === '' ? undefined : clientId);
  }

  deliverCopy(message: Delivery): void {
    this.deliver(message);
  }

  override deliver(message: Delivery): void {
    // Before the client has said what it holds there is nothing to continue; it reads the log then.
    if (this.synced) super.deliver(message);
  }

  override fallBehind(): void {
    if (this.synced) super.fallBehind();
  }

  protected override position(conversation: number): number {
    return this.positions?.get(conversation) ?? 0;
  }

  /** An own one as well: `give` leaves out what `sent` has told of. */
  protected isForClient(): boolean {
    return true;
  }

  protected hasUnconfirmedRoom(): boolean {
    return (
      this.unconfirmedCount < LIMITS.unconfirmedMessages && this.unconfirmedBytes < LIMITS.unconfirmedBytes
    );
  }

  protected get wantsPages(): boolean {
    return false;
  }

  protected give(message: StoredMessage): void {
    const own = message.from === this.user;
    if (own && this.told?.delete(message.msgId)) return;
    const bytes = this.send({
      type: 'chat',
      conversation_id: message.conversation,
      msg_id: message.msgId,
      seq: message.seq,
      from_user_id: message.from,
      to_user_id: message.to,
      content: message.content,
      created_at: new Date(message.createdAt).toISOString(),
      ...(own && { id: message.clientId }),
    });
    if (bytes === 0) return;
    const owed = message.to === this.user;
    const list = this.unconfirmed.get(message.conversation) ?? [];
    list.push({
      to: this.user,
      msgId: owed ? message.msgId : 0,
      conversation: message.conversation,
      seq: message.seq,
      informs: owed ? message.from : 0,
      bytes,
    });
    this.unconfirmed.set(message.conversation, list);
    this.unconfirmedCount++;
    this.unconfirmedBytes += bytes;
  }

  /** How far the other user of a conversation has come. Other replicas tell of it too, in any order. */
  override sendReceipt(conversation: number, user: number, delivered: number, read: number): void {
    // A client that doesn't read is told when it does, how far it is then.
    if (!this.hasRoomForNews) {
      this.untold ??= new Map();
      if (this.untold.size < RECEIPTS) this.untold.set(conversation, user);
      return;
    }
    this.receipts ??= new Map();
    const before = this.receipts.get(conversation);
    if (before !== undefined && delivered <= before.delivered && read <= before.read) return;
    const receipt = {
      delivered: Math.max(delivered, before?.delivered ?? 0),
      read: Math.max(read, before?.read ?? 0),
    };
    if (before === undefined && this.receipts.size >= RECEIPTS) this.receipts.clear();
    this.receipts.set(conversation, receipt);
    this.send({
      type: 'receipt',
      conversation_id: conversation,
      user_id: user,
      delivered_seq: receipt.delivered,
      read_seq: receipt.read,
    });
  }

  override sendTyping(conversation: number, user: number): void {
    if (this.hasRoomForNews) this.send({ type: 'typing', conversation_id: conversation, user_id: user });
  }

  override onRoom(): void {
    super.onRoom();
    const { untold } = this;
    this.untold = undefined;
    for (const [conversation, user] of untold ?? [])
      this.port.informOf({ to: this.user, user, conversation });
  }

  protected override get claimedBytes(): number {
    return POSITION_BYTES * (this.claimed?.size ?? 0);
  }

  /**
   * Everything in a conversation up to a place has arrived.
   * @throws ChatError `invalid_position` past what was given
   */
  acknowledge(conversation: number, seq: number): void {
    if (!this.synced || seq > this.position(conversation)) throw new ChatError('invalid_position');
    const list = this.unconfirmed.get(conversation);
    if (list === undefined) return;
    const rest = list.findIndex((given) => given.seq > seq);
    const arrived = rest === -1 ? list.splice(0) : list.splice(0, rest);
    if (list.length === 0) this.unconfirmed.delete(conversation);
    this.unconfirmedCount -= arrived.length;
    for (const given of arrived) this.unconfirmedBytes -= given.bytes;
    this.port.confirmed(arrived.filter((given) => given.msgId > 0));
    this.progress();
  }

  knows(debts: readonly { conversation: number; seq: number }[]): boolean {
    return !this.synced || debts.every((debt) => debt.seq <= this.position(debt.conversation));
  }

  /**
   * Takes what the client holds; with the last page of it, sends what is missing, then `synced`. One that fails changes nothing
   * but that what was said so far is forgotten: the client says it again.
   * @throws ChatError
   */
  async sync(frame: ExtendedClient['sync']): Promise<void> {
    const id = frame.id === undefined ? {} : { id: frame.id };
    if (frame.epoch !== undefined && frame.epoch !== this.port.epoch) {
      this.claimed = undefined;
      this.send({ type: 'reset', ...id });
      return;
    }
    this.claimed ??= new Map();
    for (const { conversation_id, seq } of frame.positions) this.claimed.set(conversation_id, seq);
    if (this.claimed.size > SYNC_CONVERSATIONS) {
      this.claimed = undefined;
      throw new ChatError('bad_request', `more than ${SYNC_CONVERSATIONS} positions`);
    }
    if (frame.more === true) return;
    const { claimed } = this;
    this.claimed = undefined;
    const synced = this.synced;
    // What comes while the log is asked is in the log: it is read after that.
    this.synced = false;
    try {
      const positions = await this.accept(claimed, frame.rest === 'end', id);
      this.unconfirmed.clear();
      this.unconfirmedCount = 0;
      this.unconfirmedBytes = 0;
      this.positions = positions;
      this.lagging = undefined;
      this.told = undefined;
      this.syncing = id;
      this.synced = true;
    } catch (error) {
      this.synced = synced;
      throw error;
    } finally {
      this.fallBehind();
    }
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
    const rows = await within(this.port.delivery, (sql) => lastSeqs(sql, this.user));
    const ends = new Map(rows.map((end) => [end.conversation, end.seq]));
    const claimed = rest ? new Map([...ends, ...named]) : named;
    const kept = new Map<number, number>();
    const past: { conversation: number; seq: number }[] = [];
    for (const [conversation, seq] of claimed) {
      const end = ends.get(conversation) ?? 0;
      if (seq > end) past.push({ conversation, seq: end });
      if (ends.has(conversation)) kept.set(conversation, Math.min(seq, end));
    }
    await this.arrivedBefore(
      [...kept]
        .map(([conversation, seq]) => ({ conversation, seq }))
        .filter(({ conversation, seq }) => seq > 0 && seq === claimed.get(conversation)),
    );
    for (const { conversation, seq } of past)
      this.send({ type: 'reset', ...id, conversation_id: conversation, seq });
    return kept;
  }

  private async arrivedBefore(positions: readonly Position[]) {
    if (positions.length === 0) return;
    const settled = await within(this.port.delivery, (sql) => settlePositions(sql, this.user, positions));
    for (const { other, conversation } of settled)
      this.port.informOf({ to: other, user: this.user, conversation });
  }

  protected async read(): Promise<boolean> {
    if (this.lagging === undefined) {
      const ends = await this.port.delivery.ask((sql) => lastSeqs(sql, this.user));
      this.lagging = ends.filter((end) => end.seq > this.position(end.conversation));
    }
    if (this.lagging.length === 0) {
      this.lagging = undefined;
      return false;
    }
    const wanted: Position[] = [];
    for (let rows = 0, i = 0; rows < PAGE_ROWS && i < this.lagging.length; i++) {
      const { conversation, seq } = this.lagging[i] ?? { conversation: 0, seq: 0 };
      wanted.push({ conversation, seq: this.position(conversation) });
      rows += Math.max(seq - this.position(conversation), 0);
    }
    const page = await this.port.delivery.ask((sql) => readAfter(sql, this.user, wanted, PAGE_ROWS));
    // An own message may be seen in the log before its sender is told: `sent` comes first, so that it comes once.
    if (page.some((message) => message.from === this.user && !this.told?.has(message.msgId)))
      await this.answered();
    // A sync in between has other positions: what was read for the old ones is of no use.
    if (this.state !== 'ready' || this.lagging === undefined) return true;
    if (page.length === 0) {
      this.lagging.splice(0, wanted.length);
      // What came meanwhile is looked for before it counts as all.
      if (this.lagging.length === 0) this.lagging = undefined;
    } else {
      const first = page[0]?.conversation;
      const done = this.lagging.findIndex((position) => position.conversation === first);
      if (done > 0) this.lagging.splice(0, done);
    }
    for (const message of page) {
      if (message.seq !== this.position(message.conversation) + 1) continue;
      if (!this.hasRoom()) break;
      this.give(message);
      this.setPosition(message.conversation, message.seq);
    }
    return true;
  }

  protected override caughtUp(): void {
    this.told = undefined;
    if (this.syncing === undefined) return;
    this.send({ type: 'synced', ...this.syncing });
    this.syncing = undefined;
  }
}
