import { type Signal, signal } from '@preact/signals';
import type { Message } from '../../schemas/message.js';
import type { Client } from './client.js';
import type { Outgoing } from './records.js';
import { openThread } from './route.js';
import type { Thread } from './thread.js';

// What somebody is in the middle of: editing a message, selecting several, going to one.

export interface Editing {
  thread: Thread;
  message: Message | Outgoing;
  /** The change of the state that is edited. */
  base: number;
  text: Signal<string>;
}

/** In place of what is written newly. */
export const editing = signal<Editing | null>(null);

export function edit(thread: Thread, message: Message | Outgoing, content: string): void {
  const base = 'seq' in message ? (message.change ?? 0) : 0;
  selected.value = null;
  editing.value = { thread, message, base, text: signal(content) };
}

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
