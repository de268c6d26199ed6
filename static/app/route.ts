import { signal } from '@preact/signals';
import { groupIn, peerOf } from './peer.js';

// Only `/` is a page of the server's, so the place is kept behind the hash: `#/u/12` is the thread with user 12, `#/c/12` that
// of the group with this number.

function read(): number | null {
  const [, kind, digits] = /^#\/([uc])\/(\d{1,16})$/.exec(location.hash) ?? [];
  const number = Number(digits ?? 0);
  return number === 0 ? null : kind === 'c' ? peerOf(number) : number;
}

/** `#/m/9/12` is the message 12 of the conversation 9, whoever that is with. */
function readMessage(): { conversation: number; seq: number } | null {
  const [, conversation, seq] = /^#\/m\/(\d{1,15})\/(\d{1,15})$/.exec(location.hash) ?? [];
  return conversation && seq ? { conversation: Number(conversation), seq: Number(seq) } : null;
}

/** The message that the address leads to, until it is known whose thread that is in. */
export const linked = signal(readMessage());

export const linkTo = (conversation: number, seq: number): string =>
  `${location.origin}${location.pathname}#/m/${conversation}/${seq}`;

/** It is in the thread of this one; null: in none that is there for the user. */
export function arrive(peer: number | null): void {
  linked.value = null;
  const open = peer ?? openPeer.peek();
  history.replaceState(entry(), '', open === null ? location.pathname : hrefOf(open));
  openPeer.value = open;
}

/** The person or group whose thread is open: see `peer.ts`. */
export const openPeer = signal<number | null>(read());

let last = openPeer.peek() ?? 0;
openPeer.subscribe((peer) => {
  if (peer !== null) last = peer;
});
/** Whose thread was open before there was none; 0 before the first. */
export const lastPeer = (): number => last;

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
  'newGroup',
  'channels',
  'receipts',
  'own',
  'search',
  'delete',
  'emoji',
  'reactions',
  'replies',
  'pins',
  'saved',
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

export function hrefOf(peer: number): string {
  const group = groupIn(peer);
  return group === null ? `#/u/${peer}` : `#/c/${group}`;
}

/** Opened once the cover is gone; `list`: the thread goes, too. */
let next: number | 'list' | null = null;

export function openThread(peer: number): void {
  if (entry().cover) {
    next = peer;
    closeCover();
    return;
  }
  if (openPeer.value === peer) return;
  // Going from thread to thread leaves one entry, so that one gesture back shows the list.
  if (openPeer.value === null) history.pushState({ fromList: true, cover: null }, '', hrefOf(peer));
  else history.replaceState(entry(), '', hrefOf(peer));
  openPeer.value = peer;
}

export function closeThread(): void {
  if (openPeer.value === null) return;
  if (entry().fromList) history.back();
  else leaveThread();
}

/** The cover, and the thread below it. */
export function closeWithCover(): void {
  next = 'list';
  closeCover();
}

/** The list, whatever was open: for whoever comes next. */
export function leaveThread(): void {
  history.replaceState(null, '', location.pathname);
  openPeer.value = null;
}

const follow = () => {
  linked.value = readMessage();
  // What is open stays until it is known what to open instead.
  if (linked.value === null) openPeer.value = read();
  cover.value = entry().cover;
  if (next === null || cover.value) return;
  const peer = next;
  next = null;
  if (peer === 'list') closeThread();
  else openThread(peer);
};
addEventListener('popstate', follow);
addEventListener('hashchange', follow);
