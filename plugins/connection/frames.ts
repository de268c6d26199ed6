import type { ExtendedFrame } from '../../schemas/frames.js';
import type { StoredMessage } from '../../sql/messages.js';
import { present } from '../message.js';
import { frameOf, TEXT } from './outlet.js';

/** The `chat` frame of the last message that was asked for: a message to many is the same bytes for all but its sender. */
export class Frames {
  private last: { message: StoredMessage; frame: Buffer } | undefined;

  of(message: StoredMessage): Buffer {
    if (this.last?.message !== message) {
      const chat: ExtendedFrame = { type: 'chat', ...present(message) };
      this.last = { message, frame: frameOf(TEXT, JSON.stringify(chat)) };
    }
    return this.last.frame;
  }
}
