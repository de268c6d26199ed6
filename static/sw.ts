// Keeps the shell, so that the app opens with no network. Messages are none of its business: they live in IndexedDB.
/** The files of one build, and what each hashes to. */
declare const SHELL: Record<string, string>;
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

/** All of one build, or nothing: in the middle of an update one server answers with this file and another with that. */
async function install(): Promise<void> {
  const files = await Promise.all(Object.entries(SHELL).map(([path, hash]) => whole(path, hash)));
  const cache = await caches.open(name);
  await Promise.all(files.map(([path, answer]) => cache.put(path, answer)));
  if (isWorker(self)) await self.skipWaiting();
}

async function whole(path: string, hash: string): Promise<[string, Response]> {
  const answer = await fetch(path, { cache: 'no-cache' });
  const sum = await crypto.subtle.digest('SHA-256', await answer.clone().arrayBuffer());
  const found = Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (!answer.ok || found !== hash) throw new Error(`${path} is of another build`);
  return [path, answer];
}

async function activate(): Promise<void> {
  const old = (await caches.keys()).filter((key) => key !== name);
  await Promise.all(old.map((key) => caches.delete(key)));
  if (isWorker(self)) await self.clients.claim();
}

async function answer(request: Request, key: string): Promise<Response> {
  // Not from any cache: another build's may be there for a moment.
  return (await (await caches.open(name)).match(key)) ?? fetch(request);
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
  if (key in SHELL) event.respondWith(answer(event.request, key));
});

export {};
