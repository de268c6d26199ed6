import { signal } from '@preact/signals';
import { askNotice } from './api.js';

const askedEvery = 300_000;

/** What whoever runs the server says on every page; null for nothing. */
export const board = signal<string | null>(null);

/** Asks for it, and again every few minutes and whenever the page is looked at. What isn't answered stays as it was. */
export function watchBoard(): void {
  let asked = Number.NEGATIVE_INFINITY;
  const ask = async () => {
    if (document.hidden || performance.now() - asked < askedEvery) return;
    asked = performance.now();
    try {
      board.value = (await askNotice()).notice;
    } catch {
      // The page says otherwise that the server isn't there.
    }
  };
  void ask();
  setInterval(ask, askedEvery / 5);
  document.addEventListener('visibilitychange', ask);
}
