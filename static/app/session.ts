import { computed, signal } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { Session as SessionSchema } from '../../schemas/user.js';
import { leaveThread } from './route.js';
import { keep, kept } from './settings.js';
import { forgetAllBut, somethingNoted } from './traces.js';

export type Session = Static<typeof SessionSchema>;

const place = 'chat.session';

/** Who is signed in on this device. It survives a reload, and all tabs share it. */
export const session = signal<Session | null>(read());
/** The token is no longer good: the page asks to sign in again and loses nothing meanwhile. */
export const expired = signal(false);
/** Who signed in in another window, while this one was somebody else's: it asks before it changes hands. */
export const successor = signal<Session | null>(null);
/** Something of people who signed out is still on this device. */
export const leftBehind = signal(false);
export const userId = computed(() => session.value?.user_id ?? null);

/** Whose this window is, or was last. */
let owner = session.peek()?.user_id ?? null;
/** Whether other tabs and later pages see what is written here. */
let shared = session.peek() !== null;

function read(): Session | null {
  try {
    const value: unknown = JSON.parse(kept(place) ?? 'null');
    return isSession(value) ? value : null;
  } catch {
    return null;
  }
}

function isSession(value: unknown): value is Session {
  return typeof value === 'object' && value !== null && 'token' in value && 'user_id' in value;
}

/** Of whoever was here before nothing stays: neither what was kept nor the place. */
export function signIn(fresh: Session): void {
  if (owner !== null && owner !== fresh.user_id) leaveThread();
  const before = owner;
  owner = fresh.user_id;
  successor.value = null;
  put(fresh);
  void forget(fresh.user_id, before === fresh.user_id ? null : before);
}

function put(fresh: Session): void {
  shared = keep(place, JSON.stringify(fresh));
  session.value = fresh;
  expired.value = false;
}

export function renew(token: string): void {
  const now = session.peek();
  // Another tab may have signed out, or in as somebody else, a moment ago.
  if (now && (!shared || read()?.user_id === now.user_id)) put({ ...now, token });
}

export async function signOut(): Promise<void> {
  const before = owner;
  owner = null;
  keep(place, null);
  session.value = null;
  expired.value = false;
  leaveThread();
  await forget(null, before);
}

async function forget(stays: number | null, goes: number | null = null): Promise<void> {
  leftBehind.value = !(await forgetAllBut(stays, goes));
}

/** The window goes on as the one who has signed in elsewhere. */
export function follow(): void {
  if (successor.value) signIn(successor.value);
}

// Another tab signed in, out, or has a fresher token.
addEventListener('storage', (event) => {
  if (event.key !== place && event.key !== null) return;
  const other = read();
  if (other && owner !== null && other.user_id !== owner) {
    session.value = null;
    successor.value = other;
    return;
  }
  successor.value = null;
  if (other?.token === session.value?.token) return;
  if (other) owner = other.user_id;
  session.value = other;
  expired.value = false;
});

// What could not be deleted the last time, or was left by somebody else. A browser that shares nothing between windows
// doesn't say whether another one still needs it.
if (owner !== null || somethingNoted()) void forget(owner);
