import { signal } from '@preact/signals';
import { backoff } from './backoff.js';
import type { Change, Keeper, Stores } from './records.js';
import { databaseOf, noteDatabase } from './traces.js';
import { within } from './within.js';

const keys: { [K in keyof Stores]: string } = {
  outbox: 'id',
  drafts: 'user_id',
  threads: 'user.user_id',
  meta: 'key',
};

/** Changes of messages are kept where versions before see none: those would send them as messages. */
const alterations = 'alteration/';

/** A browser that doesn't answer is taken for one that keeps nothing, until it does. */
const openWithin = 3_000;
const answerWithin = 5_000;
/** What other tabs write comes in bursts, and most of what they send is on its way no longer than that. */
const newsAfter = 100;

/** Why what is written isn't kept: the device is full, or the browser keeps nothing. */
export type Failing = 'full' | 'none';

/**
 * What this device keeps for one user, in IndexedDB, shared by the tabs of a browser. Where that is forbidden, full or
 * silent, everything goes on in memory, `failing` says so, and what wasn't written is tried again.
 * @param onNews called when it may have what was not read: it keeps again, or another tab has written, or has left
 */
export function openLocal(userId: number, onNews: (left: boolean) => void) {
  const tabs = openChannel(databaseOf(userId));
  const failing = signal<Failing | null>(null);
  /** Names of the messages and drafts that only this page has. */
  const unkept = signal<ReadonlySet<string>>(new Set());
  /** The newest change of each record that isn't written yet, with those that belong to it. */
  const waiting = new Map<string, readonly Change[]>();
  let open: IDBDatabase | null = null;
  let opening: Promise<IDBDatabase> | undefined;
  let closed = false;
  let letGo = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let again: ReturnType<typeof setTimeout> | undefined;
  let news: ReturnType<typeof setTimeout> | undefined;

  if (tabs)
    tabs.onmessage = ({ data }) => {
      if (data === true) onNews(true);
      else news ??= setTimeout(hear, newsAfter);
    };

  function hear(): void {
    news = undefined;
    onNews(false);
  }

  /** Tells the other tabs that messages or drafts have changed, or that this one leaves and sends nothing any more. */
  const tell = (left: boolean) => tabs?.postMessage(left);

  function opened(): Promise<IDBDatabase> {
    if (performance.now() - letGo < answerWithin) throw new Error('just deleted');
    opening ??= openDatabase(databaseOf(userId)).then(
      (database) => {
        if (closed) database.close();
        open = database;
        // The browser took it away: the person cleared what sites keep, or the disk failed.
        database.onclose = lose;
        // Another window signs out and deletes it. It isn't made anew until we would have heard of that.
        database.onversionchange = () => {
          database.close();
          lose();
          letGo = performance.now();
        };
        return database;
      },
      (error) => {
        opening = undefined;
        throw error;
      },
    );
    return within(openWithin, opening);
  }

  function lose(): void {
    open = null;
    opening = undefined;
  }

  function close(): void {
    closed = true;
    tabs?.close();
    clearTimeout(news);
    clearTimeout(again);
    open?.close();
    open = null;
  }

  /** Begins at once where the database is open, so that a page that is left still writes. */
  async function commit(changes: readonly Change[]): Promise<void> {
    if (closed) throw new Error('closed');
    const database = open ?? (await opened());
    const names = [
      ...new Set(changes.flatMap(({ store }) => (store === 'outbox' ? ['outbox', 'meta'] : [store]))),
    ];
    // A message counts as kept when it is on the disk.
    const durability = names.includes('outbox') ? 'strict' : 'relaxed';
    const work = database.transaction(names, 'readwrite', { durability });
    for (const change of changes) {
      const store = work.objectStore(change.store);
      if ('remove' in change) {
        store.delete(change.remove);
        if (change.store === 'outbox') work.objectStore('meta').delete(`${alterations}${change.remove}`);
      } else if (change.store === 'outbox' && change.put.alters) {
        const put: Stores['meta'] = {
          key: `${alterations}${change.put.id}`,
          value: JSON.stringify(change.put),
        };
        work.objectStore('meta').put(put);
      } else store.put(change.put);
    }
    work.commit();
    // A full disk lets each request succeed, and then ends the whole.
    await within(answerWithin, finished(work));
  }

  async function attempt(changes: readonly Change[]): Promise<void> {
    const due = changes.filter((change) => waiting.get(nameOf(change)) === changes);
    try {
      if (due.length > 0) await commit(due);
      for (const change of due) if (waiting.get(nameOf(change)) === changes) waiting.delete(nameOf(change));
      note(due, false);
      if (!closed && due.some(({ store }) => store === 'outbox' || store === 'drafts')) tell(false);
    } catch (error) {
      if (closed) return;
      note(due, true);
      failing.value = error instanceof DOMException && error.name === 'QuotaExceededError' ? 'full' : 'none';
      again ??= setTimeout(retry, backoff(failures++));
    }
  }

  function note(changes: readonly Change[], failed: boolean): void {
    const next = new Set(unkept.peek());
    for (const change of changes) {
      const name = nameOf(change);
      const lost = 'put' in change && (change.store === 'outbox' || change.store === 'drafts');
      if (failed && lost) next.add(name);
      else next.delete(name);
    }
    if (next.size > 0 || unkept.peek().size > 0) unkept.value = next;
  }

  /** Each by itself: one that is too large doesn't hold up the others. */
  async function retry(): Promise<void> {
    again = undefined;
    for (const changes of new Set(waiting.values())) {
      await attempt(changes);
      if (again !== undefined && failing.peek() === 'none') return;
    }
    if (again !== undefined || closed) return;
    failures = 0;
    failing.value = null;
    onNews(false);
  }

  async function read<K extends keyof Stores>(name: K): Promise<Stores[K][]> {
    if (closed) throw new Error('closed');
    const database = open ?? (await opened());
    if (name !== 'outbox')
      return within(answerWithin, settled(database.transaction(name).objectStore(name).getAll()));
    const work = database.transaction(['outbox', 'meta']);
    const range = IDBKeyRange.bound(alterations, `${alterations}\uffff`);
    const [messages, changes] = await within(
      answerWithin,
      Promise.all([
        settled<Stores[K][]>(work.objectStore('outbox').getAll()),
        settled<Stores['meta'][]>(work.objectStore('meta').getAll(range)),
      ]),
    );
    return [...messages, ...changes.map(({ value }): Stores[K] => JSON.parse(value))];
  }

  const keeper: Keeper = {
    all: (name) =>
      read(name).catch(() => {
        if (closed) return null;
        failing.value ??= 'none';
        again ??= setTimeout(retry, backoff(failures++));
        return null;
      }),
    write(...changes) {
      for (const change of changes) waiting.set(nameOf(change), changes);
      return attempt(changes);
    },
    pending: (store, key) => waiting.has(`${store}/${key}`),
  };
  noteDatabase(userId);
  return { ...keeper, failing, unkept, close, leave: () => tell(true) };
}

/** Null where the browser lets no site keep anything: then there is nothing to share. */
function openChannel(name: string): BroadcastChannel | null {
  try {
    return new BroadcastChannel(name);
  } catch {
    return null;
  }
}

function nameOf(change: Change): string {
  if ('remove' in change) return `${change.store}/${change.remove}`;
  switch (change.store) {
    case 'outbox':
      return `outbox/${change.put.id}`;
    case 'drafts':
      return `drafts/${change.put.user_id}`;
    case 'threads':
      return `threads/${change.put.user.user_id}`;
    case 'meta':
      return `meta/${change.put.key}`;
  }
}

/** Throws, or is rejected, where the browser lets no site keep anything. */
async function openDatabase(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    for (const [store, keyPath] of Object.entries(keys)) request.result.createObjectStore(store, { keyPath });
  };
  return settled(request);
}

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const finished = (work: IDBTransaction): Promise<void> =>
  new Promise((resolve, reject) => {
    work.oncomplete = () => resolve();
    work.onabort = () => reject(work.error);
  });
