import { type Signal, signal } from '@preact/signals';
import type { Keeper } from './records.js';

/** What somebody began to write to each person. */
export function createDrafts(local: Keeper) {
  const texts = new Map<number, Signal<string>>();
  const dirty = new Set<number>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const of = (user: number): Signal<string> => {
    const found = texts.get(user) ?? signal('');
    texts.set(user, found);
    return found;
  };

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    for (const user of dirty) {
      const text = of(user).peek();
      if (text) void local.put('drafts', { user_id: user, text });
      else void local.remove('drafts', user);
    }
    dirty.clear();
  }

  return {
    of,
    flush,
    people: () => [...texts.keys()],
    set(user: number, text: string): void {
      of(user).value = text;
      dirty.add(user);
      timer ??= setTimeout(flush, 250);
    },
    async load(): Promise<void> {
      const kept = new Map((await local.all('drafts')).map(({ user_id, text }) => [user_id, text]));
      // What is being typed here is newer than what another tab wrote down.
      for (const user of new Set([...kept.keys(), ...texts.keys()])) {
        if (!dirty.has(user)) of(user).value = kept.get(user) ?? '';
      }
    },
  };
}
