import { computed, signal } from '@preact/signals';
import { ApiError, logout, type SignedIn } from './api.js';
import { leaveThread } from './route.js';
import { keep, kept } from './settings.js';
import { dropToken, holdToken, tokenOf } from './token.js';
import { forgetAllBut, somethingNoted } from './traces.js';

/** Who is signed in. `since` tells one sign-in from the next. */
export interface Session {
  user_id: number;
  username: string;
  since: number;
}

const place = 'chat.session';
/** Who signed out while the server couldn't be told. */
const leaving = 'chat.leaving';

/** Who is signed in on this device. It survives a reload, and all tabs share it. */
export const session = signal<Session | null>(read());
/** No token is to be had any more: the page asks to sign in again and loses nothing meanwhile. */
export const expired = signal(false);
/** Who signed in in another window, while this one was somebody else's: it asks before it changes hands. */
export const successor = signal<Session | null>(null);
/** Something of people who signed out is still on this device. */
export const leftBehind = signal(false);
export const userId = computed(() => session.value?.user_id ?? null);

/** Whose this window is, or was last. */
let owner = session.peek()?.user_id ?? null;
function read(): Session | null {
  try {
    const value: unknown = JSON.parse(kept(place) ?? 'null');
    return isSession(value)
      ? { user_id: value.user_id, username: value.username, since: value.since ?? 0 }
      : null;
  } catch {
    return null;
  }
}

function isSession(value: unknown): value is Omit<Session, 'since'> & Partial<Session> {
  return typeof value === 'object' && value !== null && 'username' in value && 'user_id' in value;
}

/** Of whoever was here before nothing stays: neither what was kept nor the place. */
export function signIn(fresh: SignedIn): void {
  holdToken(fresh);
  keep(leaving, null);
  goOnAs({ user_id: fresh.user_id, username: fresh.username, since: Date.now() });
}

function goOnAs(fresh: Session): void {
  if (owner !== null && owner !== fresh.user_id) leaveThread();
  const before = owner;
  owner = fresh.user_id;
  successor.value = null;
  keep(place, JSON.stringify(fresh));
  session.value = fresh;
  expired.value = false;
  void forget(fresh.user_id, before === fresh.user_id ? null : before);
}

export async function signOut(): Promise<void> {
  const before = owner;
  owner = null;
  keep(place, null);
  if (before !== null) void leave(before);
  session.value = null;
  expired.value = false;
  leaveThread();
  await forget(null, before);
}

/** Tells the server; where it isn't there, a later page does: no script can take the cookie away. */
async function leave(user: number): Promise<void> {
  keep(leaving, String(user));
  try {
    const token = await tokenOf(user);
    dropToken();
    await logout(token);
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'unauthorized') return;
  }
  keep(leaving, null);
}

async function forget(stays: number | null, goes: number | null = null): Promise<void> {
  leftBehind.value = !(await forgetAllBut(stays, goes));
}

/** The window goes on as the one who has signed in elsewhere. */
export function follow(): void {
  if (successor.value) goOnAs(successor.value);
}

// Another tab signed in or out.
addEventListener('storage', (event) => {
  if (event.key !== place && event.key !== null) return;
  const other = read();
  if (other && owner !== null && other.user_id !== owner) {
    session.value = null;
    successor.value = other;
    return;
  }
  successor.value = null;
  if (other?.since === session.value?.since) return;
  dropToken();
  if (other) owner = other.user_id;
  session.value = other;
  expired.value = false;
});

// What could not be deleted the last time, or was left by somebody else. A browser that shares nothing between windows
// doesn't say whether another one still needs it.
if (owner !== null || somethingNoted()) void forget(owner);

const left = Number(kept(leaving));
if (left > 0 && owner === null) void leave(left);
