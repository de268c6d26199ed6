import { useSignal } from '@preact/signals';
import type { User } from '../../../schemas/user.js';
import type { Client } from '../client.js';
import { useEverybody } from '../everybody.js';
import { t } from '../i18n/later.js';
import { composing } from '../keys.js';
import { closeCover, openCover, openThread } from '../route.js';
import { Dialog } from './dialog.js';
import { Filter } from './filter.js';
import { Icon } from './icons.js';
import { Person } from './sidebar.js';

/** Everybody who is here, to begin a conversation with, and the ways to those of more than two. */
export function People({ client }: { client: Client }) {
  const query = useSignal('');
  const { shown, problem, onScroll } = useEverybody(client.api, query);

  function open(user: User): void {
    client.directory.ensure(user);
    openThread(user.user_id);
  }

  return (
    <Dialog title={t('newConversation')} onClose={closeCover}>
      <div class="ways">
        <button type="button" class="plain" onClick={() => openCover('newGroup')}>
          <Icon name="group" />
          {t('newGroup')}
        </button>
        <button type="button" class="plain" onClick={() => openCover('channels')}>
          <Icon name="channel" />
          {t('channels')}
        </button>
      </div>
      <Filter
        query={query}
        label={t('search')}
        onKeyDown={(event) => {
          const first = shown[0];
          if (event.key === 'Enter' && !composing(event) && query.value.trim() && first) open(first);
        }}
      />
      <ul class="people" onScroll={onScroll}>
        {shown.map((user) => (
          <Person key={user.user_id} user={user} onOpen={open} />
        ))}
      </ul>
      <p class="note" role="status">
        {problem}
      </p>
    </Dialog>
  );
}
