import { touch } from './keys.js';
import { hrefOf, lastPeer } from './route.js';

/** Where the focus goes when what had it is gone: to the first that is drawn. */
const places = () => [
  touch.matches ? '.scroller' : '.composer textarea',
  `a.conversation[href="${hrefOf(lastPeer())}"]`,
  touch.matches ? '.sidebar' : '#search',
];

/**
 * Keeps the focus somewhere: what had it goes away with a view, a banner or a button that is done, and browsers then
 * leave it nowhere, so that the next key starts at the top of the page.
 * @param root everything that is drawn is in it
 */
export function keepFocus(root: HTMLElement): void {
  let last: Element | null = null;
  /** What was around it, from the inside out. */
  let around: HTMLElement[] = [];

  root.addEventListener('focusin', ({ target }) => {
    if (!(target instanceof HTMLElement)) return;
    last = target;
    around = [];
    for (let box = target.parentElement; box && box !== root; box = box.parentElement) around.push(box);
  });

  function rescue(): void {
    const { activeElement, body } = document;
    if (!last || drawn(last) || (activeElement && activeElement !== body && activeElement !== last)) return;
    const found = places().map((place) => root.querySelector<HTMLElement>(place));
    const next = [...around.filter((box) => box.tabIndex >= 0), ...found].find((box) => box && drawn(box));
    next?.focus({ preventScroll: true });
  }
  new MutationObserver(rescue).observe(root, { childList: true, subtree: true });
}

/** A phone hides one of the two panes. */
const drawn = (element: Element): boolean => element.isConnected && element.getClientRects().length > 0;
