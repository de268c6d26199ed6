import { weightOf } from '../weight.js';
import type { Send } from './types.js';

const BATCH_MESSAGES = 1000;
const BATCH_BYTES = 1_048_576;
/** Of one sender in a turn: what is said in a row goes on together, which costs half of what it does one by one. */
const TURN_MESSAGES = 16;
const TURN_BYTES = 65_536;

/**
 * Sends that wait for a batch. As long as all fit into one they go as they came; where more wait, senders take turns, so that one
 * that floods delays nobody else. Each sender's own order is kept.
 */
export class SendQueue {
  /** Bytes that wait. */
  bytes = 0;
  /** How many wait. */
  size = 0;
  private latest: Send[] = [];
  /** What didn't fit into a batch, by sender, in their turns. */
  private readonly backlog = new Map<number, { sends: Send[]; next: number }>();

  push(send: Send): void {
    this.latest.push(send);
    this.size++;
    this.bytes += weightOf(send);
  }

  /** Takes the next batch. */
  take(): Send[] {
    if (this.backlog.size === 0 && this.size <= BATCH_MESSAGES && this.bytes <= BATCH_BYTES)
      return this.takeAll();
    for (const send of this.latest) {
      const waiting = this.backlog.get(send.from);
      if (waiting === undefined) this.backlog.set(send.from, { sends: [send], next: 0 });
      else waiting.sends.push(send);
    }
    this.latest = [];
    const batch: Send[] = [];
    let bytes = 0;
    for (const [from, waiting] of this.backlog) {
      if (batch.length >= BATCH_MESSAGES || bytes >= BATCH_BYTES) break;
      const [count, end] = [batch.length + TURN_MESSAGES, bytes + TURN_BYTES];
      while (batch.length < count && bytes < end) {
        const send = waiting.sends[waiting.next];
        if (send === undefined) break;
        waiting.next++;
        bytes += weightOf(send);
        batch.push(send);
      }
      // Whoever has more comes again behind all others, in this very loop.
      this.backlog.delete(from);
      if (waiting.next < waiting.sends.length) this.backlog.set(from, waiting);
    }
    this.size -= batch.length;
    this.bytes -= bytes;
    return batch;
  }

  /** Takes all that waits. */
  takeAll(): Send[] {
    const all = this.latest;
    for (const { sends, next } of this.backlog.values()) for (const send of sends.slice(next)) all.push(send);
    this.latest = [];
    this.backlog.clear();
    this.size = 0;
    this.bytes = 0;
    return all;
  }
}
