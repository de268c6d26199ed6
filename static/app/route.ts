import { signal } from '@preact/signals';

// Only `/` is a page of the server's, so the place is kept behind the hash: `#/u/12` is the thread with user 12.

const read = (): number | null => Number(/^#\/u\/(\d{1,16})$/.exec(location.hash)?.[1] ?? 0) || null;

/** The person whose thread is open. */
export const openUser = signal<number | null>(read());

let last = openUser.peek() ?? 0;
openUser.subscribe((user) => {
  if (user !== null) last = user;
});
/** The person whose thread was open before there was none; 0 before the first. */
export const lastUser = (): number => last;

/** What can lie on top of the page. */
const covers = [
  'settings',
  'shortcuts',
  'people',
  'profile',
  'menu',
  'devices',
  'factor',
  'contacts',
  'admin',
] as const;
export type Cover = (typeof covers)[number];

/** Our part of the history's entry: whether our list is the page before, so that "back" goes there, and what lies on top. */
interface Entry {
  fromList: boolean;
  cover: Cover | null;
}

function entry(): Entry {
  const state: unknown = history.state;
  if (typeof state !== 'object' || state === null) return { fromList: false, cover: null };
  const cover = 'cover' in state ? (covers.find((name) => name === state.cover) ?? null) : null;
  return { fromList: 'fromList' in state && state.fromList === true, cover };
}

/** What lies on top of the page: "back" takes it away first, on a phone as in a browser. */
export const cover = signal<Cover | null>(null);
// After a reload nothing lies there any more, whatever the history says.
if (entry().cover) history.replaceState({ ...entry(), cover: null }, '');

export function openCover(name: Cover): void {
  // One entry, whatever follows what on top.
  if (cover.peek() === null) history.pushState({ ...entry(), cover: name }, '');
  else history.replaceState({ ...entry(), cover: name }, '');
  cover.value = name;
}

export function closeCover(): void {
  if (cover.peek() === null) return;
  cover.value = null;
  if (entry().cover) history.back();
}

export const hrefOf = (user: number): string => `#/u/${user}`;

/** Opened once the cover is gone. */
let next: number | null = null;

export function openThread(user: number): void {
  if (entry().cover) {
    next = user;
    closeCover();
    return;
  }
  if (openUser.value === user) return;
  // Going from thread to thread leaves one entry, so that one gesture back shows the list.
  if (openUser.value === null) history.pushState({ fromList: true, cover: null }, '', hrefOf(user));
  else history.replaceState(entry(), '', hrefOf(user));
  openUser.value = user;
}

export function closeThread(): void {
  if (openUser.value === null) return;
  if (entry().fromList) history.back();
  else leaveThread();
}

/** The list, whatever was open: for whoever comes next. */
export function leaveThread(): void {
  history.replaceState(null, '', location.pathname);
  openUser.value = null;
}

const follow = () => {
  openUser.value = read();
  cover.value = entry().cover;
  if (next === null || cover.value) return;
  const user = next;
  next = null;
  openThread(user);
};
addEventListener('popstate', follow);
addEventListener('hashchange', follow);
