import { LIMITS } from '../../schemas/limits.js';
import type { Head } from '../../sql/heads.js';
import type { StoredMessage } from '../../sql/messages.js';
import { frameTextOf, presentHead } from '../message.js';
import { frameOf as bytesOf, TEXT } from './outlet.js';

/** Frames that several are given, so that they are made once. */
export class Frames {
  private lastHead: { conversation: number; seq: number; frames: Buffer[] } | undefined;
  private last: { message: StoredMessage; frame: Buffer } | undefined;

  /**
   * The frame of a message, or its text where hardly anybody else is given it, which costs less: to its sender it has its id, and
   * between two there is one other. To many it is the same bytes for all, and the last one is kept.
   */
  of(message: StoredMessage, user: number): Buffer | string {
    if (message.from === user) return frameTextOf(message, message.clientId);
    if (message.to !== undefined) return frameTextOf(message);
    if (this.last?.message !== message) this.last = { message, frame: bytesOf(TEXT, frameTextOf(message)) };
    return this.last.frame;
  }

  /** The frames of these heads. Where many are told of one conversation only, and none of them is mentioned, that is the same for all. */
  heads(heads: readonly Head[]): Buffer[] {
    const [first] = heads;
    if (first === undefined) return [];
    const isCommon = heads.length === 1 && first.mention === undefined;
    const { lastHead } = this;
    if (isCommon && lastHead?.conversation === first.conversation && lastHead.seq === first.seq)
      return lastHead.frames;
    const frames: Buffer[] = [];
    for (let from = 0; from < heads.length; from += LIMITS.syncPositions) {
      const conversations = heads.slice(from, from + LIMITS.syncPositions).map(presentHead);
      frames.push(bytesOf(TEXT, JSON.stringify({ type: 'head', conversations })));
    }
    if (isCommon) this.lastHead = { conversation: first.conversation, seq: first.seq, frames };
    return frames;
  }
}
