import { LIMITS } from '../../schemas/limits.js';
import type { Flushing, Port, Transport, Turn } from './port.js';

/** First bytes of frames that are whole (RFC 6455, 5.2): never in pieces, so that a pong confirms whole messages. */
export const TEXT = 0x81;
export const PING = 0x89;
export const PONG = 0x8a;

/** Bytes in memory of a frame that waits, besides its own. */
const FRAME_BYTES = 128;

/** Bytes before so many bytes of content (RFC 6455, 5.2). */
const startOf = (length: number) => (length < 126 ? 2 : length < 65_536 ? 4 : 10);

/** Writes what is before the content. @param at where that begins */
function writeStart(frame: Buffer, head: number, length: number, at: number): void {
  const start = startOf(length);
  frame[at - start] = head;
  if (start === 2) frame[at - 1] = length;
  else if (start === 4) {
    frame[at - 3] = 126;
    frame.writeUInt16BE(length, at - 2);
  } else {
    frame[at - 9] = 127;
    frame.writeBigUInt64BE(BigInt(length), at - 8);
  }
}

/** A frame of a server, unmasked. */
export function frameOf(head: number, content: string | Buffer): Buffer {
  const length = Buffer.byteLength(content);
  const start = startOf(length);
  const frame = Buffer.allocUnsafe(start + length);
  writeStart(frame, head, length, start);
  if (typeof content === 'string') frame.write(content, start);
  else content.copy(frame, start);
  return frame;
}

/** Some frames after each other. @param frames those that are made, and the texts of others @param bytes of all */
function joined(frames: readonly (Buffer | string)[], bytes: number): Buffer {
  const all = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const frame of frames) {
    if (typeof frame === 'string') {
      // A text of which each character is one byte is written once.
      let start = at + startOf(frame.length);
      let length = all.write(frame, start);
      if (startOf(length) !== start - at) {
        start = at + startOf(length);
        length = all.write(frame, start);
      }
      writeStart(all, TEXT, length, start);
      at = start + length;
    } else at += frame.copy(all, at);
  }
  return all;
}

/** All outlets that are written to in this turn of the event loop: one microtask for all costs a tenth of one for each. */
export class Outlets implements Turn {
  private waiting: Flushing[] = [];

  add(outlet: Flushing): void {
    if (this.waiting.push(outlet) === 1) queueMicrotask(() => this.end());
  }

  private end() {
    const { waiting } = this;
    this.waiting = [];
    for (const outlet of waiting) outlet.flush();
  }
}

/** Whose frames go out. */
interface Owner {
  /** It was full and isn't any more, or the socket has drained. */
  onRoom(): void;
}

/** What goes out to one client: all frames of a turn of the event loop in one system call, one packet. */
export class Outlet {
  /** Frames of this turn, or that wait for the socket to drain: those that are made, and the texts of others; and the bytes of all. */
  private frames: (Buffer | string)[] | undefined;
  private frameBytes = 0;
  private fullSince: number | undefined;

  constructor(
    private readonly owner: Owner,
    private readonly transport: Transport,
    private readonly port: Pick<Port, 'clock' | 'turn'>,
  ) {}

  /** Bytes that the client hasn't read, as far as they are kept here. */
  get bytes(): number {
    return this.transport.unsent + this.frameBytes + FRAME_BYTES * (this.frames?.length ?? 0);
  }

  /** Whether nothing is to be put here that can wait. */
  get isFull(): boolean {
    return this.bytes >= LIMITS.bufferBytes;
  }

  /** Milliseconds, by the clock, for which it has been full; undefined where it isn't. */
  get fullFor(): number | undefined {
    return this.fullSince === undefined ? undefined : this.port.clock.now - this.fullSince;
  }

  /** Writes a frame that is made, or a text, with all others of this turn. @returns the frame's length in bytes */
  push(frame: Buffer | string): number {
    const length = Buffer.byteLength(frame);
    const bytes = typeof frame === 'string' ? startOf(length) + length : length;
    if (this.frames === undefined) {
      this.frames = [];
      this.port.turn.add(this);
    }
    this.frames.push(frame);
    this.frameBytes += bytes;
    if (this.isFull) this.fullSince ??= this.port.clock.now;
    return bytes;
  }

  /** Its turn is over: writes out what waits, unless the socket has more than it takes: there each write would cost more than a short frame is long. */
  flush(): void {
    if (this.transport.isFull) return;
    this.flushAll();
    // What the system took at once is followed by no drain.
    if (this.fullSince === undefined || this.isFull) return;
    this.fullSince = undefined;
    this.owner.onRoom();
  }

  /** Writes out what waits, whatever the socket has. */
  flushAll(): void {
    const { frames, frameBytes } = this;
    if (frames === undefined) return;
    this.frames = undefined;
    this.frameBytes = 0;
    const [first] = frames;
    const isMade = frames.length === 1 && first instanceof Buffer;
    this.transport.write(isMade ? first : joined(frames, frameBytes));
  }

  /** The socket has nothing left. */
  onDrain(): void {
    this.flushAll();
    this.fullSince = this.isFull ? this.port.clock.now : undefined;
    this.owner.onRoom();
  }
}
