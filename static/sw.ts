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
interface Worker {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}
const isExtendable = (event: Event): event is Extendable => 'waitUntil' in event;
const isFetching = (event: Event): event is Fetching => 'respondWith' in event;
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
