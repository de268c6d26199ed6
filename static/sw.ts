// Keeps the shell, so that the app opens with no network. Messages are none of its business: they live in IndexedDB.
declare const SHELL: string[];
declare const VERSION: string;

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Clicked extends Extendable {
  readonly notification: { readonly data: unknown; close(): void };
}
interface Page {
  focus(): Promise<Page>;
  navigate(url: string): Promise<unknown>;
}
interface Worker {
  skipWaiting(): Promise<void>;
  readonly clients: {
    claim(): Promise<void>;
    matchAll(options: { type: 'window' }): Promise<readonly Page[]>;
    openWindow(url: string): Promise<unknown>;
  };
}
const isExtendable = (event: Event): event is Extendable => 'waitUntil' in event;
const isFetching = (event: Event): event is Fetching => 'respondWith' in event;
const isClicked = (event: Event): event is Clicked => 'notification' in event;
const isWorker = (scope: unknown): scope is Worker =>
  typeof scope === 'object' && scope !== null && 'skipWaiting' in scope;

const name = `shell-${VERSION}`;

async function install(): Promise<void> {
  const cache = await caches.open(name);
  await cache.addAll(SHELL.map((path) => new Request(path, { cache: 'no-cache' })));
  if (isWorker(self)) await self.skipWaiting();
}

async function activate(): Promise<void> {
  const old = (await caches.keys()).filter((key) => key !== name);
  await Promise.all(old.map((key) => caches.delete(key)));
  if (isWorker(self)) await self.clients.claim();
}

async function answer(request: Request, key: string): Promise<Response> {
  return (await caches.match(key)) ?? fetch(request);
}

/** Shows the thread that a notification was about, in a page that is open if there is one. */
async function show(hash: unknown): Promise<void> {
  if (!isWorker(self)) return;
  const url = `/${typeof hash === 'string' ? hash : ''}`;
  const [page] = await self.clients.matchAll({ type: 'window' });
  if (page) await (await page.focus()).navigate(url);
  else await self.clients.openWindow(url);
}

self.addEventListener('notificationclick', (event) => {
  if (!isClicked(event)) return;
  event.notification.close();
  event.waitUntil(show(event.notification.data));
});
self.addEventListener('install', (event) => isExtendable(event) && event.waitUntil(install()));
self.addEventListener('activate', (event) => isExtendable(event) && event.waitUntil(activate()));
self.addEventListener('fetch', (event) => {
  if (!isFetching(event) || event.request.method !== 'GET') return;
  const { origin, pathname } = new URL(event.request.url);
  if (origin !== location.origin) return;
  // The page itself comes from the cache at once; a newer one is fetched with the worker, behind it.
  const key = pathname === '/index.html' ? '/' : pathname;
  if (SHELL.includes(key)) event.respondWith(answer(event.request, key));
});

export {};
