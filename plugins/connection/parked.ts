import type { End } from '../../sql/conversations.js';
import type { Head } from '../../sql/heads.js';
import type { StoredMessage } from '../../sql/messages.js';
import { mentionIn } from '../message.js';
import { Connection } from './connection.js';
import { Parking } from './parking.js';

/** Milliseconds from one word on what is parked to the next. */
const HEAD_MS = 990;

/** A connection whose client may say what is on its screen. What is large and isn't there is *parked*: its messages aren't given. */
export abstract class ParkingConnection extends Connection {
  protected readonly parking = new Parking();
  /** When the client was last told of what is parked, by the clock. */
  private headsAt = Number.NEGATIVE_INFINITY;

  /** The client shows these conversations from now on, and no others. What it lacks of them follows. */
  show(conversations: readonly number[]): void {
    const more = this.parking.show(conversations);
    const { is } = this.state;
    // What is read, or held, may be of one that is parked now.
    if (is === 'behind' || (is === 'live' && (more || this.cursor.holds))) {
      this.lagging = undefined;
      this.fallBehind();
    }
  }

  isParked(conversation: number, size?: number): boolean {
    if (size !== undefined) this.parking.learn(conversation, size);
    return this.parking.has(conversation);
  }

  /** Whether it isn't known yet which conversations are parked: that is read with what the client says that it has. */
  protected get mayPark(): boolean {
    const { is } = this.state;
    return this.parking.isSaid && is !== 'live' && is !== 'behind';
  }

  /** Whether it is told who types. @param shown whether those alone are who show the conversation */
  protected hearsTyping(conversation: number, shown: boolean): boolean {
    return shown ? this.parking.shows(conversation) : !this.mayPark && !this.isParked(conversation);
  }

  protected setsAside(message: StoredMessage): boolean {
    const { conversation, seq, createdAt, size } = message;
    if (!this.isParked(conversation, size)) return false;
    this.noteHead({ conversation, seq, at: createdAt, mention: mentionIn(message, this.user) }, seq - 1);
    return true;
  }

  noteHead(head: Head, after: number): void {
    const { conversation, seq } = head;
    const stands = seq <= this.cursor.position(conversation);
    if (stands || !this.isParked(conversation)) return;
    const isNews = this.parking.note(head);
    this.parking.learnEnd(head, after, this.standing(conversation) ?? 0);
    if (isNews) this.port.headsSoon(this);
  }

  lacksHead({ conversation, seq, size = 0 }: End): boolean {
    return this.isParked(conversation, size) && this.isBehindHead(conversation, seq);
  }

  private isBehindHead(conversation: number, seq: number): boolean {
    // What its client says that it has may have been read already, without this.
    const stands = this.state.is === 'syncing' ? 0 : (this.standing(conversation) ?? seq);
    return stands < seq && !this.parking.hasAll(conversation, seq);
  }

  get mayTellHeads(): boolean {
    const { is } = this.state;
    const isTold = is === 'live' || is === 'behind';
    return isTold && this.hasRoomForNews && this.port.clock.now - this.headsAt > HEAD_MS;
  }

  /** @param more heads that are to be told, too */
  tellHeads(more: readonly Head[] = []): void {
    for (const head of more) this.noteHead(head, 0);
    const heads = this.parking.take();
    if (heads.length === 0) return;
    this.headsAt = this.port.clock.now;
    for (const frame of this.port.frames.heads(heads)) this.write(frame);
  }

  protected override noteSent(message: StoredMessage): void {
    // What is parked waits for nothing before it.
    const { conversation } = message;
    if (!this.isParked(conversation)) return super.noteSent(message);
    this.parking.noteOwn(message, this.cursor.position(conversation));
    this.cursor.sent(message);
  }

  /** How far each conversation goes that the client is given. Of the others it is told what it doesn't know. */
  protected async ends(): Promise<End[]> {
    const ends = await this.port.reader.ends(this.user);
    for (const { conversation, size = 0 } of ends) this.parking.learn(conversation, size);
    const unknown = ends.filter(
      ({ conversation, seq }) => this.isParked(conversation) && this.isBehindHead(conversation, seq),
    );
    for (const head of await this.headsOf(unknown)) this.noteHead(head, 0);
    return this.notParked(ends);
  }

  protected notParked(ends: readonly End[]): End[] {
    return ends.filter(({ conversation }) => !this.isParked(conversation));
  }

  protected async headsOf(ends: readonly End[]): Promise<Head[]> {
    const { reader } = this.port;
    if (ends.length === 0) return [];
    return reader.heads(
      this.user,
      ends.map(({ conversation }) => conversation),
    );
  }
}
