import { signal } from '@preact/signals';

// Only `/` is a page of the server's, so the place is kept behind the hash: `#/u/12` is the thread with user 12.

const read = (): number | null => Number(/^#\/u\/(\d{1,16})$/.exec(location.hash)?.[1] ?? 0) || null;

/** The person whose thread is open. */
export const openUser = signal<number | null>(read());

/** Whether the page before this one, in the history, is our list: then "back" goes there. */
const fromList = () => typeof history.state === 'object' && history.state?.fromList === true;

export const hrefOf = (user: number): string => `#/u/${user}`;

export function openThread(user: number): void {
  if (openUser.value === user) return;
  // Going from thread to thread leaves one entry, so that one gesture back shows the list.
  if (openUser.value === null) history.pushState({ fromList: true }, '', hrefOf(user));
  else history.replaceState(history.state, '', hrefOf(user));
  openUser.value = user;
}

export function closeThread(): void {
  if (openUser.value === null) return;
  if (fromList()) history.back();
  else leaveThread();
}

/** The list, whatever was open: for whoever comes next. */
export function leaveThread(): void {
  history.replaceState(null, '', location.pathname);
  openUser.value = null;
}

const follow = () => {
  openUser.value = read();
};
addEventListener('popstate', follow);
addEventListener('hashchange', follow);
