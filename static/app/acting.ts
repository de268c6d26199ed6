import { signal } from '@preact/signals';
import type { Client } from './client.js';
import { openThread } from './route.js';
import type { Thread } from './thread.js';

// What somebody is in the middle of: selecting several messages, going to one.

/** The places of the messages that are selected in the open thread; null while none is to be. */
export const selected = signal<ReadonlySet<number> | null>(null);

export function select(seq: number): void {
  const next = new Set(selected.peek());
  if (!next.delete(seq)) next.add(seq);
  selected.value = next;
}

/** Opens a thread where a message stands. */
export function goTo(client: Client, thread: Thread, seq: number): void {
  thread.sought.value = seq;
  if (client.current.peek() !== thread) thread.place = { seq, shift: innerHeight / 4 };
  openThread(thread.peer);
}
