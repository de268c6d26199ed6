import type { StoredMessage } from '../../sql/messages.js';
import { frameOf } from '../message.js';
import { frameOf as bytesOf, TEXT } from './outlet.js';

/** The frame of the last message that was asked for: a message to many is the same bytes for all but its sender. */
export class Frames {
  private last: { message: StoredMessage; frame: Buffer } | undefined;

  of(message: StoredMessage): Buffer {
    if (this.last?.message !== message) {
      this.last = { message, frame: bytesOf(TEXT, JSON.stringify(frameOf(message))) };
    }
    return this.last.frame;
  }
}
