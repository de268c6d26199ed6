import type { End } from '../../sql/conversations.js';
import type { LastPage, StoredMessage } from '../../sql/messages.js';
import type { ChatError } from '../errors.js';
import type { Sender } from '../log/types.js';
import { type Counting, Cursor } from './cursor.js';
import { Lagging, type Stretch } from './lagging.js';
import type { Port, Transport, Who } from './port.js';
import { type Behind, LIVE, type State } from './state.js';
import { Told } from './told.js';

/** Messages of one page of the log. */
const PAGE_ROWS = 200;

/**
 * One client's connection, whatever it speaks. It is *live*, and is written messages as they are stored, or *behind*: then it
 * reads what it lacks from the log, page by page as it drains, until there is no more, and is live again in the same tick.
 */
export abstract class Connection extends Told implements Sender {
  /** Not to be written to until its ownership is known again. */
  private suspended = false;
  /** Whether a page of the log is being read. */
  private reading = false;
  /** When it last got on, by the clock, while it had something to get on with. */
  private progressAt: number | undefined;
  protected readonly cursor: Cursor;
  /** Conversations that go on past their positions, as last read. */
  protected lagging: Lagging | undefined;

  abstract readonly wantsReceipts: boolean;

  constructor(
    port: Port,
    transport: Transport,
    who: Who,
    private readonly counting: Counting,
  ) {
    super(port, transport, who);
    this.cursor = new Cursor(who.user, counting);
  }

  // ---- what the kinds differ in ----

  /** Where it goes on from its opening. @param missed whether something is in the log that it wasn't given */
  protected abstract opened(missed: boolean): State;
  /** How far its conversations go. */
  protected abstract ends(): Promise<End[]>;
  /** Writes the frame of a message and notes it as unconfirmed. */
  protected abstract give(message: StoredMessage): void;
  protected abstract hasUnconfirmedRoom(): boolean;
  /** Whether more than the live frames is wanted from the log. */
  protected abstract get wantsPages(): boolean;
  /** The client stands at this place from now on: nothing is left of what is before; in a group it may be hidden from its user. */
  protected abstract skipped(conversation: number, seq: number, grouped: boolean): void;
  /** The client stands where the last page of a group begins, whatever is before. */
  protected abstract joined(place: LastPage): void;
  /** Whether its client is told of a message only by how far its conversation goes. */
  protected abstract setsAside(message: StoredMessage): boolean;
  /** Reads what has changed in some conversations of what the client holds, and tells it. */
  protected abstract readChanged(
    lagging: Lagging,
    stretches: readonly Stretch[],
    rows: number,
  ): Promise<void>;
  /** Called when the log has no more for this connection. */
  protected abstract caughtUp(): void;
  abstract onStored(message: StoredMessage): void;
  abstract onFailed(clientId: string | undefined, error: ChatError): void;
  /** Pings for what isn't confirmed, where that is the way of confirming. */
  abstract requestPong(): void;

  // ---- where it stands ----

  /** Where the client stands in a conversation, once that is known. */
  protected standing(conversation: number): number | undefined {
    const { is } = this.state;
    return is === 'live' || is === 'behind' ? this.cursor.position(conversation) : undefined;
  }

  /**
   * Whether the client lacks something of a conversation that goes to `end`, or may once it is known where it stands.
   * @param many whether it isn't one of two
   */
  lacks(conversation: number, end: number, many: boolean): boolean {
    if ((many && !this.counting.many) || this.isParked(conversation)) return false;
    if (this.isOpening || this.state.is === 'syncing') return true;
    return (this.standing(conversation) ?? end) < end;
  }

  /** Whether it is given messages as they are stored. */
  get isLive(): boolean {
    return this.state.is === 'live';
  }

  /** The connection can be written to now. */
  ready(): void {
    if (this.state.is !== 'opening') return;
    this.state = this.opened(this.state.missed);
    this.transport.resume();
    this.progress();
  }

  /** Its ownership isn't known: nothing is written until it is. */
  suspend(): void {
    this.suspended = true;
    this.fallBehind();
  }

  /** Its ownership is known again. */
  resumed(): void {
    if (!this.suspended) return;
    this.suspended = false;
    this.pump();
  }

  // ---- messages to the client ----

  /** A message that concerns this user was stored. */
  deliver(message: StoredMessage): void {
    if (message.to === undefined && (!this.counting.many || this.setsAside(message))) return;
    const { state } = this;
    if ('missed' in state) state.missed = true;
    if (state.is !== 'live') return;
    if (!this.hasRoom() || this.cursor.isEntry(message)) return this.fallBehind();
    const verdict = this.cursor.arrived(message);
    if (verdict === 'hold') return this.hold(message);
    if (verdict === 'give') this.give(message);
    if (this.cursor.holds) this.giveHeld(message.conversation);
  }

  /** Whether a message that the client sent isn't delivered to it: who writes plainly to themselves hears of it as from anybody else. */
  isToldOf(message: StoredMessage): boolean {
    return this.counting.copies || message.to !== this.user;
  }

  /** The client's own message was stored, which it is told of. */
  protected noteSent(message: StoredMessage): void {
    const { state } = this;
    const verdict = this.cursor.sent(message);
    if (verdict === 'hold' && state.is === 'behind') state.missed = true;
    else if (verdict === 'hold' && state.is === 'live') this.hold(message);
    else if (this.cursor.holds) this.giveHeld(message.conversation);
  }

  /** Keeps a message that came before the one that it follows; after a moment the log is asked. */
  private hold(message: StoredMessage) {
    if (this.cursor.hold(message)) this.port.watchGap(this);
    else this.fallBehind();
  }

  private giveHeld(conversation: number) {
    let next = this.cursor.next(conversation);
    for (; next !== undefined; next = this.cursor.next(conversation)) this.give(next);
  }

  /** The moment for a missing message to come by itself is over. */
  closeGap(): void {
    if (this.cursor.holds) this.fallBehind();
  }

  /** Turns to the log for everything that is owed. */
  fallBehind(): void {
    const { state } = this;
    if ('missed' in state) state.missed = true;
    if (state.is === 'live') this.turnToLog();
    else this.pump();
  }

  /** Is behind from now on. @param missed whether something may have come past what is known of the log's ends */
  protected turnToLog(missed = true): void {
    this.cursor.dropHeld();
    this.progressAt = this.port.clock.now;
    this.state = { is: 'behind', missed };
    this.pump();
  }

  protected hasRoom(): boolean {
    return !this.suspended && !this.outlet.isFull && this.hasUnconfirmedRoom();
  }

  /** Goes on reading the log for this connection, if it wants that and there is room. */
  pump(): void {
    if (!this.reading && this.isReading) void this.readPages();
  }

  private get isReading(): boolean {
    return this.isOpen && (this.state.is === 'behind' || this.wantsPages) && this.hasRoom();
  }

  private async readPages() {
    this.reading = true;
    try {
      while (this.isReading) {
        const before: Behind | undefined = this.state.is === 'behind' ? this.state : undefined;
        if (before !== undefined) {
          // What a sync found to be all is not all any more.
          if (before.missed && this.lagging?.isEmpty === true) this.lagging = undefined;
          before.missed = false;
        }
        const more = await this.read();
        this.progressAt = this.port.clock.now;
        if (more || before === undefined || before.missed || this.state !== before) continue;
        this.state = LIVE;
        this.cursor.caughtUp((conversation) => this.isParked(conversation));
        this.caughtUp();
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
    this.reading = false;
  }

  /** Reads what comes next and gives it. @returns whether there may be more */
  protected async read(): Promise<boolean> {
    this.lagging ??= new Lagging(this.cursor, await this.ends());
    const { lagging } = this;
    const { reader } = this.port;
    if (lagging.isEmpty) {
      this.lagging = undefined;
      return false;
    }
    const changed = lagging.changed(PAGE_ROWS);
    if (changed.length > 0) {
      await this.readChanged(lagging, changed, PAGE_ROWS);
      return true;
    }
    const far = lagging.far();
    if (far.length > 0) {
      const pages = await reader.lastPages(this.user, far);
      // A sync in between has other positions.
      if (this.isOpen && this.lagging === lagging)
        for (const place of lagging.enter(far, pages)) this.joined(place);
      return true;
    }
    const wanted = lagging.wanted(PAGE_ROWS);
    const page = await reader.after(this.user, wanted, PAGE_ROWS);
    // An own message may be seen in the log before its sender is told: `sent` comes first, so that it comes once.
    if (
      this.counting.copies &&
      page.some((message) => message.from === this.user && !this.cursor.isTold(message))
    )
      await this.sends.answered();
    // What was read for other positions is of no use.
    if (!this.isOpen || this.lagging !== lagging) return true;
    for (const { conversation, seq } of lagging.takeDone(page[0]?.conversation, wanted.length))
      this.skip(conversation, seq, lagging.isGroup(conversation));
    // What came meanwhile is looked for before it counts as all.
    if (lagging.isEmpty) this.lagging = undefined;
    for (const message of page) {
      const { conversation, seq } = message;
      const position = this.cursor.position(conversation);
      if (seq <= position) continue;
      if (!this.hasRoom()) break;
      if (seq > position + 1) this.skip(conversation, seq - 1, lagging.isGroup(conversation));
      if (this.cursor.take(message) === 'give') this.give(message);
    }
    return true;
  }

  /** The log has nothing for its user from where the client stands up to a place. */
  private skip(conversation: number, seq: number, grouped: boolean) {
    if (this.cursor.skip(conversation, seq)) this.skipped(conversation, seq, grouped);
  }

  /** The client drained or confirmed something. */
  protected progress(): void {
    this.progressAt = this.port.clock.now;
    this.pump();
  }

  /** Whether it has been behind, or its transport full, for too long without getting on. */
  isStuck(now: number, ms: number): boolean {
    const behind = this.state.is === 'behind' || this.wantsPages;
    return (
      (behind && this.progressAt !== undefined && now - this.progressAt > ms) ||
      (this.outlet.fullFor ?? 0) > ms
    );
  }

  /** The client can be written to again. */
  onRoom(): void {
    this.progress();
    this.inbox.go();
  }

  override get bytes(): number {
    return this.transport.isGone ? 0 : super.bytes + this.cursor.heldBytes;
  }
}
