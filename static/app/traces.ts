import { keep, kept } from './settings.js';
import { within } from './within.js';

// Whose databases this browser may have. Not every one can list them (Firefox before 126 can't), so they are noted.
const place = 'chat.users';
const prefix = 'chat-user-';
const deleteWithin = 5_000;

export const databaseOf = (user: number): string => prefix + user;

function noted(): number[] {
  try {
    const value: unknown = JSON.parse(kept(place) ?? '[]');
    return Array.isArray(value) ? value.filter((id) => Number.isSafeInteger(id)) : [];
  } catch {
    return [];
  }
}

export const somethingNoted = (): boolean => noted().length > 0;

function note(users: ReadonlySet<number>): void {
  keep(place, users.size > 0 ? JSON.stringify([...users]) : null);
}

export const noteDatabase = (user: number): void => note(new Set([...noted(), user]));

/**
 * Deletes what this browser keeps of everybody but one; whoever isn't deleted stays noted, and goes the next time.
 * @param user who stays; null for nobody
 * @param also whose may be there though nothing could be noted
 * @returns whether all of it is gone
 */
export async function forgetAllBut(user: number | null, also: number | null = null): Promise<boolean> {
  const listed = await list();
  const there = new Set([...noted(), ...listed]);
  if (also !== null) there.add(also);
  if (user !== null) there.delete(user);
  const left = new Set<number>();
  await Promise.all(
    [...there].map((id) => within(deleteWithin, deleted(databaseOf(id))).catch(() => left.add(id))),
  );
  note(new Set([...noted().filter((id) => !there.has(id)), ...left]));
  return left.size === 0;
}

async function list(): Promise<number[]> {
  try {
    const all = await within(deleteWithin, indexedDB.databases());
    return all.flatMap(({ name }) => (name?.startsWith(prefix) ? [Number(name.slice(prefix.length))] : []));
  } catch {
    return [];
  }
}

// Not in time where another window doesn't let go of it.
async function deleted(name: string): Promise<void> {
  const request = indexedDB.deleteDatabase(name);
  await new Promise<void>((resolve, reject) => {
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error);
  });
}
