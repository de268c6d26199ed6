import { signal } from '@preact/signals';
import type { Message } from '../../schemas/message.js';
import type { Outgoing } from './records.js';
import { openCover } from './route.js';
import type { Thread } from './thread.js';

/** The message whose menu is open, or was opened last, and the button that opened it. */
export const asked = signal<{
  message: Message | Outgoing;
  button: HTMLElement;
  /** Where a pointer was. */
  at?: { x: number; y: number } | undefined;
} | null>(null);

/** What is done with the emoji that is picked: it reacts, or is written. */
export const picking = signal<{ what: 'react' | 'emoji'; run: (emoji: string) => void }>({
  what: 'emoji',
  run: () => {},
});

export function pickEmoji(what: 'react' | 'emoji', run: (emoji: string) => void): void {
  picking.value = { what, run };
  openCover('emoji');
}

/** The conversation that is to be set. */
export const chosen = signal<Thread | null>(null);

export function openOwn(thread: Thread): void {
  chosen.value = thread;
  openCover('own');
}

export function openMenu(
  message: Message | Outgoing,
  button: HTMLElement,
  at?: { x: number; y: number },
): void {
  asked.value = { message, button, at };
  openCover('menu');
}
