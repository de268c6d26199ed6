import { weightOf } from '../weight.js';
import type { Send } from './types.js';

const BATCH_MESSAGES = 1000;
const BATCH_BYTES = 1_048_576;

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
    this.bytes += weightOf(send.content);
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
      // Whoever has more comes again behind all others, in this very loop.
      this.backlog.delete(from);
      const send = waiting.sends[waiting.next++];
      if (send === undefined) continue;
      if (waiting.next < waiting.sends.length) this.backlog.set(from, waiting);
      bytes += weightOf(send.content);
      batch.push(send);
    }
    this.size -= batch.length;
    this.bytes -= bytes;
    return batch;
  }

  /** Takes all that waits. */
  takeAll(): Send[] {
    const all = this.latest;
    for (const { sends, next } of this.backlog.values()) all.push(...sends.slice(next));
    this.latest = [];
    this.backlog.clear();
    this.size = 0;
    this.bytes = 0;
    return all;
  }
}
