import { useSignal, useSignalEffect } from '@preact/signals';
import type { User } from '../../../schemas/user.js';
import type { Client } from '../client.js';
import { t } from '../i18n/index.js';
import { composing } from '../keys.js';
import { closeCover, openThread } from '../route.js';
import { useSearch } from '../search.js';
import { Dialog } from './dialog.js';
import { Person } from './sidebar.js';

const pageSize = 50;

/** Everybody who is here, to begin a conversation with. */
export function People({ client }: { client: Client }) {
  const query = useSignal('');
  const found = useSearch(client.api, query);
  const everybody = useSignal<readonly User[]>([]);
  /** Pages come one after the other: `end` after the last. */
  const state = useSignal<'idle' | 'asking' | 'failed' | 'end'>('idle');

  async function more(): Promise<void> {
    if (state.peek() === 'asking' || state.peek() === 'end') return;
    state.value = 'asking';
    try {
      const { users } = await client.api.everybody(everybody.peek().at(-1)?.user_id ?? null, pageSize);
      everybody.value = [...everybody.peek(), ...users];
      state.value = users.length < pageSize ? 'end' : 'idle';
    } catch {
      state.value = 'failed';
    }
  }
  useSignalEffect(() => void more());

  function open(user: User): void {
    client.directory.ensure(user);
    openThread(user.user_id);
  }

  const wanted = query.value.trim();
  const failed = wanted ? found.value === 'failed' : state.value === 'failed';
  const shown = wanted ? (found.value === 'failed' ? [] : (found.value ?? [])) : everybody.value;
  return (
    <Dialog title={t('newConversation')} onClose={closeCover}>
      <input
        class="filter"
        type="search"
        dir="auto"
        value={query.value}
        placeholder={t('search')}
        aria-label={t('search')}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onInput={(event) => {
          query.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          const first = shown[0];
          if (event.key === 'Enter' && !composing(event) && wanted && first) open(first);
        }}
      />
      <ul
        class="people"
        onScroll={({ currentTarget: box }) => {
          if (!wanted && box.scrollTop + box.clientHeight * 2 > box.scrollHeight) void more();
        }}
      >
        {shown.map((user) => (
          <Person key={user.user_id} user={user} onOpen={open} />
        ))}
      </ul>
      <p class="note" role="status">
        {failed
          ? t('searchFailed')
          : wanted && found.value !== null && shown.length === 0 && t('nobody', { query: wanted })}
      </p>
    </Dialog>
  );
}
