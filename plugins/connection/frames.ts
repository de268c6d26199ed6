import type { ExtendedFrame } from '../../schemas/frames.js';
import type { StoredMessage } from '../../sql/messages.js';
import { present } from '../message.js';
import { frameOf, TEXT } from './outlet.js';

/** The `chat` frame of the last message that was asked for: a message to many is the same bytes for all but its sender. */
export class Frames {
  private message: StoredMessage | undefined;
  private frame: Buffer = Buffer.alloc(0);

  of(message: StoredMessage): Buffer {
    if (message !== this.message) {
      const chat: ExtendedFrame = { type: 'chat', ...present(message) };
      this.frame = frameOf(TEXT, JSON.stringify(chat));
      this.message = message;
    }
    return this.frame;
  }
}
