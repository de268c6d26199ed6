import type { ExtendedFrame } from '../../schemas/frames.js';
import type { ChangedMessage } from '../../sql/changes.js';
import type { End } from '../../sql/conversations.js';
import { changedFrameOf } from '../message.js';
import type { ChangeNews } from './change-news.js';
import type { Lagging, Stretch } from './lagging.js';
import { ParkingConnection } from './parked.js';

/**
 * A connection that is told how messages change: live, where that continues what it was told by one; else from the log, before
 * what is new. What is past its position it needn't be told: that comes as it is then.
 */
export abstract class Changing extends ParkingConnection {
  abstract send(frame: ExtendedFrame): number;

  override deliverChanges(news: ChangeNews): void {
    const { state, cursor } = this;
    const { conversation, messages } = news;
    if (this.isParked(conversation)) return;
    if ('missed' in state) state.missed = true;
    if (state.is !== 'live' || cursor.change(conversation) >= news.end) return;
    if (cursor.change(conversation) < news.after) return this.fallBehind();
    for (const [i, message] of messages.entries()) {
      if (message.change <= cursor.change(conversation)) continue;
      // One that it doesn't hold yet may be on its way as it was before.
      if (!this.hasRoom() || message.seq > cursor.position(conversation)) return this.fallBehind();
      const frame = news.isFor(this.user, message) ? news.frame(i) : undefined;
      if (frame !== undefined) this.write(frame);
      else
        this.tellEnd({
          conversation,
          seq: message.seq,
          change: message.change,
          changedAt: message.changedAt,
        });
      cursor.moveChange(conversation, message.change);
    }
  }

  /** What its client asked for is done, or was so already. */
  onChanged(message: ChangedMessage, id: string | undefined): void {
    this.answered();
    const { conversation, seq, change } = message;
    this.send(changedFrameOf(message, change, id));
    const isNext = change === this.cursor.change(conversation) + 1;
    if (this.isLive && isNext && seq <= this.cursor.position(conversation))
      this.cursor.moveChange(conversation, change);
  }

  protected async readChanged(lagging: Lagging, stretches: readonly Stretch[], rows: number): Promise<void> {
    const { cursor } = this;
    const places = stretches.flatMap(({ conversation, after, until: end }) => {
      const seq = cursor.position(conversation);
      // What it was told of, or will be in a moment, it holds though it is past its position.
      const own = this.sends.isEmpty ? cursor.firstTold(conversation) : seq + 1;
      return seq === 0 && own === undefined ? [] : [{ conversation, seq, after, end, own }];
    });
    const page = places.length === 0 ? [] : await this.port.reader.changes(this.user, places, rows);
    // As in a page of the log, `sent` comes first.
    if (
      page.some((message) => message.seq > cursor.position(message.conversation) && !cursor.isTold(message))
    )
      await this.sends.answered();
    // A sync in between has other positions.
    if (!this.isOpen || this.lagging !== lagging) return;
    for (const message of page) {
      const { conversation, change } = message;
      if (!this.hasRoom()) return;
      this.send(changedFrameOf(message, cursor.change(conversation) + 1));
      cursor.moveChange(conversation, change);
    }
    const cut = page.length < rows ? undefined : page.at(-1)?.conversation;
    const first = stretches.findIndex(({ conversation }) => conversation === cut);
    for (const end of lagging.takeChanged(first < 0 ? stretches : stretches.slice(0, first))) {
      if ((end.change ?? 0) > cursor.change(end.conversation)) this.tellEnd(end);
      cursor.moveChange(end.conversation, end.change ?? 0);
    }
  }

  /** Up to this change there is nothing more for the client. */
  private tellEnd({ conversation, change = 0, changedAt = 0 }: End) {
    this.send({ type: 'changes', conversation_id: conversation, change, at: changedAt });
  }
}
