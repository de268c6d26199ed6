import { LIMITS } from '../../schemas/limits.js';
import type { Confirmed } from '../log/types.js';

/** A message that a client was written and hasn't acknowledged. */
interface Given {
  seq: number;
  /** Of its frame. */
  bytes: number;
  /** What is settled then; nothing for a copy of one's own message. */
  debt: Confirmed | undefined;
}

/** What a client was written and hasn't acknowledged, by conversation. */
export class Unconfirmed {
  private readonly given = new Map<number, Given[]>();
  private count = 0;
  private bytes = 0;

  get hasRoom(): boolean {
    return this.count < LIMITS.unconfirmedMessages && this.bytes < LIMITS.unconfirmedBytes;
  }

  add(conversation: number, given: Given): void {
    const list = this.given.get(conversation);
    if (list === undefined) this.given.set(conversation, [given]);
    else list.push(given);
    this.count++;
    this.bytes += given.bytes;
  }

  /** Everything in a conversation up to a place has arrived. @returns what is settled by that */
  takeUpTo(conversation: number, seq: number): Confirmed[] {
    const list = this.given.get(conversation);
    if (list === undefined) return [];
    const rest = list.findIndex((given) => given.seq > seq);
    const arrived = rest === -1 ? list.splice(0) : list.splice(0, rest);
    if (list.length === 0) this.given.delete(conversation);
    this.count -= arrived.length;
    for (const { bytes } of arrived) this.bytes -= bytes;
    return arrived.flatMap(({ debt }) => debt ?? []);
  }
}
