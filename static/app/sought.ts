import { type ReadonlySignal, useSignal, useSignalEffect } from '@preact/signals';
import type { RefObject } from 'preact';
import { cover } from './route.js';
import type { Thread } from './thread.js';
import type { Viewport } from './viewport.js';

/**
 * Brings a message into view that somebody was sent to, and puts the focus on it once it is there.
 * @param prepare called before, so that there is a place for it
 * @returns its place in the thread; 0 for none
 */
export function useSought(
  thread: Thread,
  viewport: Viewport,
  scroller: RefObject<HTMLElement | null>,
  drawn: RefObject<HTMLElement | null>,
  prepare: () => void,
): ReadonlySignal<number> {
  const found = useSignal(0);
  const unfocused = useSignal(0);

  useSignalEffect(() => {
    thread.version.value;
    const seq = thread.sought.value;
    const { current: box } = scroller;
    if (seq === 0 || seq > thread.position || !box) return;
    thread.sought.value = 0;
    prepare();
    viewport.show(seq - 1, box.clientHeight / 3);
    found.value = seq;
    unfocused.value = seq;
  });

  useSignalEffect(() => {
    thread.version.value;
    viewport.range.value;
    const seq = unfocused.value;
    if (seq === 0 || cover.value !== null) return;
    // Whatever closes over it gives the focus back first.
    const frame = requestAnimationFrame(() => {
      const more = drawn.current?.querySelector<HTMLElement>(`[data-i="${seq - 1}"] .more`);
      if (!more) return;
      unfocused.value = 0;
      more.focus({ preventScroll: true });
    });
    return () => cancelAnimationFrame(frame);
  });
  return found;
}
