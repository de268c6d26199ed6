import { signal } from '@preact/signals';
import { shortened } from './text.js';

/**
 * What a screen reader hears: only what has just come, never what scrolling brings into the document. Each is a line of
 * its own, since the same text put in place of itself would be no change.
 */
export const announced = signal<readonly { n: number; text: string }[]>([]);

const kept = 5;
const heardWithin = 2_000;
let n = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

export function announce(text: string): void {
  announced.value = [...announced.peek(), { n: n++, text: shortened(text, 300) }].slice(-kept);
  clearTimeout(timer);
  timer = setTimeout(sweep, heardWithin, false);
}

/** What lies below a dialog is said when it closes: what came meanwhile for the first time, and all that stayed again. */
function sweep(wasCovered: boolean): void {
  const isCovered = document.querySelector('dialog[open]') !== null;
  if (isCovered || wasCovered) timer = setTimeout(sweep, heardWithin, isCovered);
  else announced.value = [];
}
