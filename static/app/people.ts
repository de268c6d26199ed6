import { type Signal, signal } from '@preact/signals';
import type { ExtendedServer } from '../../schemas/frames.js';
import type { ClientFrame } from './socket.js';

export type Presence = ExtendedServer['presence']['users'][number];

/** Who of the people on the screen is here. */
export function createPeople(send: (frame: ClientFrame) => boolean) {
  const known = new Map<number, Signal<Presence | null>>();
  let watched = '';

  const of = (id: number): Signal<Presence | null> => {
    const found = known.get(id) ?? signal<Presence | null>(null);
    known.set(id, found);
    return found;
  };
  return {
    of,
    learn(users: readonly Presence[]): void {
      for (const user of users) of(user.user_id).value = user;
    },
    /** Names everybody to watch, if that has changed. */
    watch(ids: readonly number[]): void {
      const next = ids.toSorted((a, b) => a - b).join();
      if (next === watched || ids.length === 0) return;
      if (send({ type: 'presence', user_ids: [...ids] })) watched = next;
    },
    /** With no line nothing is known: an old "online" would be a lie. */
    forget(): void {
      watched = '';
      for (const person of known.values()) person.value = null;
    },
  };
}
