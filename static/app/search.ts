import { type ReadonlySignal, signal, useSignalEffect } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { User } from '../../schemas/user.js';
import type { Api } from './api.js';

export type Found = readonly User[] | 'failed' | null;

const afterKey = 180;

/**
 * Asks for people a moment after the last key.
 * @returns null while an answer is awaited; one that comes too late is dropped
 */
export function useSearch(api: Api, query: ReadonlySignal<string>): ReadonlySignal<Found> {
  const found = useMemo(() => signal<Found>(null), []);
  useSignalEffect(() => {
    const wanted = query.value.trim();
    found.value = null;
    if (!wanted) return;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      const answer = await api.find(wanted, abort.signal).catch(() => null);
      if (!abort.signal.aborted) found.value = answer?.users ?? 'failed';
    }, afterKey);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  });
  return found;
}
