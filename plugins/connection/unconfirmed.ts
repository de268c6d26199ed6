import { LIMITS } from '../../schemas/limits.js';

/** A message that a client was written and hasn't acknowledged. */
interface Given {
  seq: number;
  /** Of its frame. */
  bytes: number;
  /** Who wrote it; nobody for a copy of one's own message. */
  from: number | undefined;
}

const NOBODY: ReadonlySet<number> = new Set();

/** What a client was written and hasn't acknowledged, by conversation. */
export class Unconfirmed {
  private given: Map<number, Given[]> | undefined;
  private count = 0;
  private bytes = 0;

  get hasRoom(): boolean {
    return this.count < LIMITS.unconfirmedMessages && this.bytes < LIMITS.unconfirmedBytes;
  }

  add(conversation: number, given: Given): void {
    this.given ??= new Map();
    const list = this.given.get(conversation);
    if (list === undefined) this.given.set(conversation, [given]);
    else list.push(given);
    this.count++;
    this.bytes += given.bytes;
  }

  /** Everything in a conversation up to a place has arrived. @returns whose messages those were */
  takeUpTo(conversation: number, seq: number): ReadonlySet<number> {
    const list = this.given?.get(conversation);
    if (list === undefined) return NOBODY;
    const rest = list.findIndex((given) => given.seq > seq);
    const arrived = rest === -1 ? list.splice(0) : list.splice(0, rest);
    if (list.length === 0) this.given?.delete(conversation);
    this.count -= arrived.length;
    const writers = new Set<number>();
    for (const { bytes, from } of arrived) {
      this.bytes -= bytes;
      if (from !== undefined) writers.add(from);
    }
    return writers;
  }
}
