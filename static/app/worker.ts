import { signal } from '@preact/signals';

/** A newer shell was fetched behind the one that is shown. */
export const updateReady = signal(false);

/** Without a secure context there is no service worker; the page then needs the network to open, and that is all. */
export function keepShell(): void {
  const workers = navigator.serviceWorker;
  if (!isSecureContext || !workers) return;
  const had = workers.controller !== null;
  workers.addEventListener('controllerchange', () => {
    if (had) updateReady.value = true;
  });
  workers.register('/sw.js').catch(() => {
    // Forbidden by the browser's settings: as on plain HTTP.
  });
}
