import { LIMITS } from '../../schemas/limits.js';

/** Whose frames wait. */
interface Owner {
  /** Told that the client has said something. */
  heard(): void;
  /** Whether what the client says doesn't count any more. */
  readonly isDeaf: boolean;
  /** Whether a frame may be handled now. Who says no calls `go` when that has changed. */
  readonly mayTake: boolean;
  /** Stops and goes on reading from the client. */
  pause(): void;
  resume(): void;
}

/** Frames of one client that are handled in one turn of the event loop: whoever says little waits for a few of each, not for all. */
const TURN = 16;

/** Frames of one client, handled one after the other. A client whose frames wait is not read any further. */
export class Inbox {
  /** Bytes that wait. */
  bytes = 0;
  /** Whether nothing more is read from the client. */
  isPaused = false;
  private frames: Buffer[] = [];
  private next = 0;
  private busy = false;
  private left = TURN;

  /** @param handle handles one frame, throws nothing, and returns what the next one waits for */
  constructor(
    private readonly owner: Owner,
    private readonly handle: (frame: Buffer) => void | Promise<void>,
  ) {}

  /** Takes a frame in. */
  push(frame: Buffer): void {
    this.owner.heard();
    if (!this.busy && this.next === this.frames.length && this.owner.mayTake) return this.take(frame);
    this.frames.push(frame);
    this.bytes += frame.length;
    const many = this.frames.length - this.next > LIMITS.inboxFrames || this.bytes > LIMITS.inboxBytes;
    if (many || !this.busy) this.pause();
  }

  /** Reads nothing more from the client until it goes on. */
  pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    this.owner.pause();
  }

  /** Handles what waits, as far as it may. */
  go(): void {
    while (!this.busy && this.next < this.frames.length) {
      if (!this.owner.mayTake) return;
      const frame = this.frames[this.next++];
      if (frame === undefined) return;
      this.bytes -= frame.length;
      this.take(frame);
    }
    if (this.next < this.frames.length) return;
    this.frames = [];
    this.next = 0;
    if (!this.isPaused || this.busy) return;
    this.isPaused = false;
    this.owner.resume();
  }

  private take(frame: Buffer): void {
    if (this.owner.isDeaf) return;
    const work = this.handle(frame);
    this.left--;
    if (work !== undefined || this.left === 0) this.waitFor(work);
  }

  /** Takes nothing until some work is done, and, at the end of its turn, until all others have had theirs. */
  private waitFor(work: void | Promise<void>): void {
    this.busy = true;
    const done = () => {
      this.busy = false;
      this.go();
    };
    const next = () => {
      if (this.left > 0) return done();
      this.left = TURN;
      setImmediate(done);
    };
    if (work === undefined) next();
    else work.then(next, next);
  }
}
