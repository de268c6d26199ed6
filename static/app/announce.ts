import { signal } from '@preact/signals';

/** What a screen reader hears: only what has just come, never what scrolling brings into the document. */
export const announced = signal('');

export function announce(text: string): void {
  announced.value = text.slice(0, 300);
}
