import { useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

/** Rows beyond the window, so that a key or a flick finds some. */
const beyond = 8;
/** Rows are drawn in steps, so that a scroll of a few pixels draws nothing. */
const step = 4;
/** What a row takes before one was measured. */
const usual = 68;

/** Of a long list of rows of one height, those near the window; the others are space. */
export function useWindow(box: RefObject<HTMLElement | null>, count: number) {
  const list = useRef<HTMLUListElement>(null);
  const height = useSignal(usual);
  const range = useSignal({ start: 0, end: 4 * beyond });

  function look(): void {
    const { current: outer } = box;
    const { current: inner } = list;
    if (!outer || !inner) return;
    const row = inner.querySelector<HTMLElement>(':scope > li')?.offsetHeight ?? 0;
    if (row > 0 && row !== height.peek()) height.value = row;
    const top = (outer.scrollTop + outer.offsetTop - inner.offsetTop) / height.peek();
    const rows = outer.clientHeight / height.peek();
    const start = Math.max(0, Math.floor((top - beyond) / step) * step);
    const end = Math.ceil((top + rows + beyond) / step) * step;
    if (start !== range.peek().start || end !== range.peek().end) range.value = { start, end };
  }

  useLayoutEffect(look, [count]);
  useLayoutEffect(() => {
    const sizes = new ResizeObserver(look);
    if (box.current) sizes.observe(box.current);
    return () => sizes.disconnect();
  }, []);
  const start = Math.min(range.value.start, count);
  const end = Math.min(Math.max(range.value.end, start), count);
  return {
    list,
    start,
    end,
    onScroll: look,
    /** Of the list itself. */
    style: { paddingTop: `${start * height.value}px`, paddingBottom: `${(count - end) * height.value}px` },
  };
}
