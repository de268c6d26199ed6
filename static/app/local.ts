import type { Stores } from './records.js';

type Name = keyof Stores;
type Key = string | number;
const keys: { [K in Name]: string } = {
  outbox: 'id',
  drafts: 'user_id',
  threads: 'user.user_id',
  meta: 'key',
};

export type Local = ReturnType<typeof openLocal>;

const prefix = 'chat-user-';

/**
 * What this device keeps for one user, in IndexedDB. Where that is forbidden or full everything goes on in memory:
 * the promise that fails is told to nobody but `lasting`.
 */
export function openLocal(userId: number) {
  const opened = open(prefix + userId);
  // Without a database the answers come from nowhere, and that is fine.
  const run = async <T>(
    mode: IDBTransactionMode,
    name: Name,
    work: (store: IDBObjectStore) => IDBRequest<T>,
  ) => {
    const db = await opened;
    return db ? settled(work(db.transaction(name, mode).objectStore(name))) : null;
  };
  return {
    /** Whether what is written here survives a reload. */
    lasting: opened.then((db) => db !== null),
    all: async <K extends Name>(name: K): Promise<Stores[K][]> =>
      (await run('readonly', name, (store) => store.getAll()).catch(() => null)) ?? [],
    put: <K extends Name>(name: K, value: Stores[K]): Promise<unknown> =>
      run('readwrite', name, (store) => store.put(value)).catch(() => null),
    remove: (name: Name, key: Key): Promise<unknown> =>
      run('readwrite', name, (store) => store.delete(key)).catch(() => null),
    clear: (name: Name): Promise<unknown> =>
      run('readwrite', name, (store) => store.clear()).catch(() => null),
    close: async () => (await opened)?.close(),
  };
}

function open(name: string): Promise<IDBDatabase | null> {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => {
        for (const [store, keyPath] of Object.entries(keys))
          request.result.createObjectStore(store, { keyPath });
      };
      request.onsuccess = () => {
        // Another tab signs out: it must be able to delete this database.
        request.result.onversionchange = () => request.result.close();
        resolve(request.result);
      };
      request.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Signing out leaves nothing of anybody on this device. */
export async function forgetEverything(): Promise<void> {
  const listed = await indexedDB.databases?.().catch(() => []);
  await Promise.all(
    (listed ?? []).map(({ name }) => (name?.startsWith(prefix) ? deleted(name) : Promise.resolve())),
  );
}

const deleted = (name: string): Promise<void> =>
  new Promise((resolve) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => resolve();
    request.onblocked = () => resolve();
  });
