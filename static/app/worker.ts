import { signal } from '@preact/signals';

/** A reload would show another build than this one. */
export const updateReady = signal(false);

const versionIn = (page: string): string | undefined =>
  /<meta name="version" content="([^"]*)"/.exec(page)?.[1];
const own = document.querySelector('meta[name=version]')?.getAttribute('content');

const hour = 3_600_000;
const soon = 60_000;
const answerWithin = 20_000;
let again: ReturnType<typeof setTimeout> | undefined;

/** Without a secure context there is no service worker; the page then needs the network to open, and that is all. */
export function keepShell(): void {
  // A page that is open for weeks on a line that holds.
  setInterval(check, hour);
  const workers = navigator.serviceWorker;
  if (!isSecureContext || !workers) return;
  workers.addEventListener('controllerchange', look);
  workers.register('/sw.js').catch(() => {
    // Forbidden by the browser's settings: as on plain HTTP.
  });
}

/** @param version the build of the page that the server has; undefined where it has none */
export function heardOf(version: string | undefined): void {
  clearTimeout(again);
  if (version === undefined || version === own || updateReady.peek()) return;
  void check();
  // In the middle of an update nothing whole may be there to be kept yet.
  again = setTimeout(heardOf, soon, version);
}

async function check(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration().catch(() => undefined);
  // A new worker takes over once it has all of its build.
  await registration?.update().catch(() => undefined);
  await look();
}

/** The worker's page where there is a worker, else the server's. */
async function look(): Promise<void> {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), answerWithin);
  const found = await fetch('/', { cache: 'no-cache', signal: end.signal })
    .then((page) => page.text())
    .then(versionIn, () => undefined);
  clearTimeout(timer);
  if (found !== undefined) updateReady.value = found !== own;
}
