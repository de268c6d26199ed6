import { type ReadonlySignal, useSignal, useSignalEffect } from '@preact/signals';
import type { User } from '../../schemas/user.js';
import type { Api } from './api.js';
import { t } from './i18n/index.js';
import { useSearch } from './search.js';

const pageSize = 50;

/** Everybody who is here, page by page, or those whom a query finds. */
export function useEverybody(api: Api, query: ReadonlySignal<string>) {
  const found = useSearch(api, query);
  const everybody = useSignal<readonly User[]>([]);
  /** Pages come one after the other: `end` after the last. */
  const state = useSignal<'idle' | 'asking' | 'failed' | 'end'>('idle');

  async function more(): Promise<void> {
    if (state.peek() === 'asking' || state.peek() === 'end') return;
    state.value = 'asking';
    try {
      const { users } = await api.everybody(everybody.peek().at(-1)?.user_id ?? null, pageSize);
      everybody.value = [...everybody.peek(), ...users];
      state.value = users.length < pageSize ? 'end' : 'idle';
    } catch {
      state.value = 'failed';
    }
  }
  useSignalEffect(() => void more());

  const wanted = query.value.trim();
  const failed = wanted ? found.value === 'failed' : state.value === 'failed';
  const shown = wanted ? (found.value === 'failed' ? [] : (found.value ?? [])) : everybody.value;
  const nobody = wanted !== '' && found.value !== null && shown.length === 0;
  return {
    shown,
    /** What is to be said of it; nothing where there is somebody. */
    problem: failed ? t('searchFailed') : nobody ? t('nobody', { query: wanted }) : '',
    /** What is seen of the list comes to its end. */
    onScroll({ currentTarget: box }: { currentTarget: HTMLElement }): void {
      if (!wanted && box.scrollTop + box.clientHeight * 2 > box.scrollHeight) void more();
    },
  };
}
