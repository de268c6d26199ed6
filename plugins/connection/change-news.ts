import type { Audience, ChangedMessage } from '../../sql/changes.js';
import { changedFrameOf } from '../message.js';
import { frameOf, TEXT } from './outlet.js';

/** What has changed in a conversation past some change, each message once, as it is now. */
export class ChangeNews {
  private readonly frames: (Buffer | undefined)[] = [];

  /**
   * @param after the change that it follows
   * @param messages in the order of changes, without a hole; one at least
   * @param audience who is in the conversation
   */
  constructor(
    readonly conversation: number,
    readonly after: number,
    readonly messages: readonly ChangedMessage[],
    private readonly audience: Audience,
  ) {}

  /** The last change. */
  get end(): number {
    return this.messages.at(-1)?.change ?? this.after;
  }

  /** The frame of a message, as all are given it. */
  frame(i: number): Buffer | undefined {
    const message = this.messages[i];
    if (message === undefined) return undefined;
    const from = (this.messages[i - 1]?.change ?? this.after) + 1;
    this.frames[i] ??= frameOf(TEXT, JSON.stringify(changedFrameOf(message, from)));
    return this.frames[i];
  }

  /** Whether a user sees a message of it. */
  isFor(user: number, { seq }: ChangedMessage): boolean {
    const sight = this.audience.sights.get(user);
    if (sight === undefined) return true;
    return seq >= sight.first && !sight.hidden.some(({ from, before }) => seq >= from && seq < before);
  }
}
