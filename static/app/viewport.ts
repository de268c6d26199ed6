import { batch, signal } from '@preact/signals';
import type { Heights } from './heights.js';
import { Scale } from './scale.js';
import type { Place } from './thread.js';

const overscan = 500;
/** Rows are drawn in steps, so that a scroll of a few pixels draws nothing. */
const step = 8;
const nearEnd = 6;

/**
 * The window on a long list. Only rows near it are drawn; the others are a height, guessed until they were drawn once.
 * Whatever turns out taller or shorter, the row that one looks at stays where it is.
 */
export class Viewport {
  readonly range = signal({ start: 0, end: 0 });
  readonly atEnd = signal(true);
  /** Between which rows the window is, as far as a part of them can be seen. */
  readonly seen = signal({ first: 0, last: -1 });
  readonly heights: Heights;

  #scroller: HTMLElement | null = null;
  #spacer: HTMLElement | null = null;
  #drawn: HTMLElement | null = null;
  /** The row that stays, and how far its top is below the top of the window. */
  #anchor = { index: 0, shift: 0 };
  #set = -1;
  /** How high the window was then: one that changed since is moved by the browser, not by a person. */
  #height = 0;
  /** The place in the list at the top of the window. */
  #top = 0;
  readonly #scale = new Scale();
  #frame = 0;

  constructor(heights: Heights) {
    this.heights = heights;
  }

  attach(scroller: HTMLElement, spacer: HTMLElement, drawn: HTMLElement): () => void {
    this.#scroller = scroller;
    this.#spacer = spacer;
    this.#drawn = drawn;
    const onScroll = () => this.#scrolled();
    const sizes = new ResizeObserver(() => {
      // Keep the place at once; draw more in the next frame, outside of the observer's own.
      this.#keep();
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        this.measure();
      });
    });
    scroller.addEventListener('scroll', onScroll, { passive: true });
    sizes.observe(scroller);
    sizes.observe(drawn);
    return () => {
      scroller.removeEventListener('scroll', onScroll);
      sizes.disconnect();
      cancelAnimationFrame(this.#frame);
      this.#scroller = null;
    };
  }

  resize(count: number): void {
    this.heights.resize(count);
    if (this.#scroller) this.#settle();
  }

  /** After each drawing: what the rows really take. */
  measure(): void {
    if (!this.#drawn) return;
    for (const row of this.#drawn.children) {
      if (!(row instanceof HTMLElement)) continue;
      const index = Number(row.dataset.i);
      const height = row.offsetHeight;
      if (index < this.heights.count && height > 0) this.heights.set(index, height);
    }
    const { start, end } = this.range.peek();
    this.#settle();
    const now = this.range.peek();
    // With everything in sight measured, a place that turns out to be the end is the end: what comes is followed.
    if (now.start === start && now.end === end && this.#touchesEnd()) this.atEnd.value = true;
  }

  #touchesEnd(): boolean {
    const scroller = this.#scroller;
    return !!scroller && this.#top + scroller.clientHeight >= this.heights.total - nearEnd;
  }

  toEnd(): void {
    this.atEnd.value = true;
    this.#settle();
  }

  /** Puts a row's top at `shift` below the top of the window. */
  show(index: number, shift: number): void {
    this.#anchor = { index: Math.max(0, Math.min(index, this.heights.count - 1)), shift };
    this.atEnd.value = false;
    this.#settle();
  }

  scrollBy(y: number): void {
    this.#scroller?.scrollBy(0, y);
  }

  /** Null at the end. */
  get place(): Place | null {
    return this.atEnd.peek() ? null : { seq: this.#anchor.index + 1, shift: this.#anchor.shift };
  }

  /** The last row of which at least a part can be seen. */
  get lastVisible(): number {
    if (!this.#scroller) return -1;
    return this.heights.find(this.#top + this.#scroller.clientHeight - 12);
  }

  #scrolled(): void {
    const scroller = this.#scroller;
    if (!scroller) return;
    const top = scroller.scrollTop;
    // Set by us: the place is known better than the scroll says.
    if (Math.abs(top - this.#set) <= 1) return;
    // A window that grew or shrank, as beside a field that does, was clamped by the browser: only a person scrolls.
    if (scroller.clientHeight !== this.#height) {
      this.#settle();
      return;
    }
    const far = Math.abs(top - this.#set) > scroller.clientHeight * 2;
    this.#set = top;
    this.#top = this.#scale.place(top, far);
    const index = this.heights.find(this.#top);
    this.#anchor = { index, shift: this.heights.offset(index) - this.#top };
    batch(() => {
      this.atEnd.value = this.#touchesEnd();
      // In a list that fits the browser has put everything in its place.
      if (this.heights.total > this.#scale.height) this.#settle();
      else this.#draw();
    });
  }

  #settle(): void {
    this.#keep();
    this.#draw();
  }

  #keep(): void {
    const { heights } = this;
    if (!this.#scroller || !this.#spacer || !this.#drawn) return;
    const scale = this.#scale;
    scale.resize(heights.total);
    this.#spacer.style.height = `${scale.height}px`;
    const { clientHeight } = this.#scroller;
    this.#top = this.atEnd.peek()
      ? Math.max(0, heights.total - clientHeight)
      : Math.max(0, heights.offset(this.#anchor.index) - this.#anchor.shift);
    const top = scale.keep(this.#top);
    this.#drawn.style.transform = `translateY(${heights.offset(this.range.peek().start) - scale.base}px)`;
    if (Math.abs(this.#scroller.scrollTop - top) > 0.5) this.#scroller.scrollTop = top;
    this.#set = this.#scroller.scrollTop;
    this.#height = this.#scroller.clientHeight;
  }

  #draw(): void {
    if (!this.#scroller) return;
    const { heights } = this;
    const top = this.#top;
    const start = heights.find(Math.max(0, top - overscan));
    const end = heights.find(top + this.#scroller.clientHeight + overscan) + 1;
    const next = {
      start: start - (start % step),
      end: Math.min(heights.count, end + step - (end % step)),
    };
    const { seen, range } = this;
    const first = heights.find(top);
    const last = this.lastVisible;
    if (first !== seen.peek().first || last !== seen.peek().last) seen.value = { first, last };
    if (next.start !== range.peek().start || next.end !== range.peek().end) range.value = next;
  }
}
