import { signal } from '@preact/signals';

/** A word about what was just done, or can't be: it stands there for a moment. */
export const noticed = signal<{ n: number; text: string } | null>(null);

const shownFor = 5_000;
let n = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

export function notice(text: string): void {
  clearTimeout(timer);
  noticed.value = { n: n++, text };
  timer = setTimeout(() => {
    noticed.value = null;
  }, shownFor);
}
