import { LIMITS } from '../../schemas/limits.js';
import type { Flushing, Port, Transport, Turn } from './port.js';

/** First bytes of frames that are whole (RFC 6455, 5.2): never in pieces, so that a pong confirms whole messages. */
export const TEXT = 0x81;
export const PING = 0x89;
export const PONG = 0x8a;

/** Bytes in memory of a frame that waits, besides its own. */
const FRAME_BYTES = 128;

/** A frame of a server, unmasked. */
export function frameOf(head: number, content: string | Buffer): Buffer {
  const length = Buffer.byteLength(content);
  const start = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(start + length);
  frame[0] = head;
  if (start === 2) frame[1] = length;
  else if (start === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  if (typeof content === 'string') frame.write(content, start);
  else content.copy(frame, start);
  return frame;
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
  /** Frames of this turn, or that wait for the socket to drain, and their bytes in memory. */
  private frames: Buffer[] | undefined;
  private frameBytes = 0;
  private fullSince: number | undefined;

  constructor(
    private readonly owner: Owner,
    private readonly transport: Transport,
    private readonly port: Pick<Port, 'clock' | 'turn'>,
  ) {}

  /** Bytes that the client hasn't read, as far as they are kept here. */
  get bytes(): number {
    return this.transport.unsent + this.frameBytes;
  }

  /** Whether nothing is to be put here that can wait. */
  get isFull(): boolean {
    return this.bytes >= LIMITS.bufferBytes;
  }

  /** Milliseconds, by the clock, for which it has been full; undefined where it isn't. */
  get fullFor(): number | undefined {
    return this.fullSince === undefined ? undefined : this.port.clock.now - this.fullSince;
  }

  /** Writes a frame, with all others of this turn. @returns its length in bytes */
  put(head: number, content: string | Buffer): number {
    return this.push(frameOf(head, content));
  }

  /** The same of a frame that is made, which others may be given, too. */
  push(frame: Buffer): number {
    if (this.frames === undefined) {
      this.frames = [];
      this.port.turn.add(this);
    }
    this.frames.push(frame);
    this.frameBytes += frame.length + FRAME_BYTES;
    if (this.isFull) this.fullSince ??= this.port.clock.now;
    return frame.length;
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
    const { frames } = this;
    this.frames = undefined;
    this.frameBytes = 0;
    const first = frames?.[0];
    if (frames === undefined || first === undefined) return;
    this.transport.write(frames.length === 1 ? first : Buffer.concat(frames));
  }

  /** The socket has nothing left. */
  onDrain(): void {
    this.flushAll();
    this.fullSince = this.isFull ? this.port.clock.now : undefined;
    this.owner.onRoom();
  }
}
