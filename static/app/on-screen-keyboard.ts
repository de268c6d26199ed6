/**
 * Keeps the page in what is seen of it. iOS lays its keyboard over the page and pushes the page up from beneath, head and
 * all, since it knows no `interactive-widget`; what is left to see is only in `visualViewport`.
 */
export function keepInSight(): void {
  const view = window.visualViewport;
  if (!view) return;
  const root = document.documentElement;
  const fit = () => {
    // A page that is pinched larger is seen in part, and that is meant.
    const covered = view.scale < 1.01 && root.clientHeight - view.height > 60;
    root.style.setProperty('--seen-height', covered ? `${view.height}px` : '');
    root.style.setProperty('--seen-shift', covered ? `0 ${view.offsetTop}px` : '');
  };
  view.addEventListener('resize', fit);
  view.addEventListener('scroll', fit);
}
