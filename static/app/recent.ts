import { signal } from '@preact/signals';
import type { Keeper } from './records.js';

const kept = 8;
const key = 'searches';

const isText = (value: unknown): value is string => typeof value === 'string';

function read(value: string): string[] {
  try {
    const list: unknown = JSON.parse(value);
    return Array.isArray(list) ? list.filter(isText).slice(0, kept) : [];
  } catch {
    return [];
  }
}

export type Recent = ReturnType<typeof createRecent>;

/** What was searched for in this browser, newest first. It is kept with what else is of this user, and goes with it. */
export function createRecent(local: Keeper) {
  const searches = signal<readonly string[]>([]);
  void local.all('meta').then((meta) => {
    searches.value = read(meta?.find((record) => record.key === key)?.value ?? '[]');
  });

  function keep(list: readonly string[]): void {
    searches.value = list;
    void local.write(
      list.length > 0
        ? { store: 'meta', put: { key, value: JSON.stringify(list) } }
        : { store: 'meta', remove: key },
    );
  }

  return {
    searches,
    /** It led somewhere. */
    note(query: string): void {
      const said = query.trim();
      if (said !== '') keep([said, ...searches.peek().filter((other) => other !== said)].slice(0, kept));
    },
    forget: () => keep([]),
  };
}
