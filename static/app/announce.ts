import { signal } from '@preact/signals';
import { shortened } from './text.js';

/**
 * What a screen reader hears: only what has just come, never what scrolling brings into the document. Each is a line of
 * its own, since the same text put in place of itself would be no change.
 */
export const announced = signal<readonly { n: number; text: string }[]>([]);

const kept = 5;
let n = 0;

export function announce(text: string): void {
  announced.value = [...announced.peek(), { n: n++, text: shortened(text, 300) }].slice(-kept);
}
