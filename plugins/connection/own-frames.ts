import type { ExtendedServer } from '../../schemas/frames.js';

/** How a user stands in a conversation, or what they have set of all. */
export type OwnFrame = ExtendedServer['conversation'] | ExtendedServer['me'];

/** Conversations of which the newest frame is kept. */
const CONVERSATIONS = 1000;

/** What a client had no room to be told of what its user has set: of each conversation the newest. */
export class OwnFrames {
  private postponed: Map<number, OwnFrame> | undefined;

  postpone(frame: OwnFrame): void {
    const key = frame.type === 'me' ? 0 : frame.conversation_id;
    this.postponed ??= new Map();
    if (this.postponed.size < CONVERSATIONS || this.postponed.has(key)) this.postponed.set(key, frame);
  }

  /** What the client is to be told now. */
  take(): Iterable<OwnFrame> {
    const { postponed } = this;
    this.postponed = undefined;
    return postponed?.values() ?? [];
  }
}
