import { computed, signal } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { Session as SessionSchema } from '../../schemas/user.js';
import { forgetEverything } from './local.js';
import { keep, kept } from './settings.js';

export type Session = Static<typeof SessionSchema>;

const place = 'chat.session';

/** Who is signed in on this device. It survives a reload, and all tabs share it. */
export const session = signal<Session | null>(read());
/** The token is no longer good: the page asks to sign in again and loses nothing meanwhile. */
export const expired = signal(false);
export const userId = computed(() => session.value?.user_id ?? null);

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

export function signIn(fresh: Session): void {
  keep(place, JSON.stringify(fresh));
  session.value = fresh;
  expired.value = false;
}

export function renew(token: string): void {
  if (session.value) signIn({ ...session.value, token });
}

export async function signOut(): Promise<void> {
  keep(place, null);
  session.value = null;
  expired.value = false;
  await forgetEverything();
}

// Another tab signed in, out, or has a fresher token.
addEventListener('storage', (event) => {
  if (event.key !== place && event.key !== null) return;
  const other = read();
  if (other?.token === session.value?.token) return;
  session.value = other;
  expired.value = false;
});
