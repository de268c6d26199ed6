import type { Client } from '../client.js';
import { t } from '../i18n/later.js';
import { groupIn } from '../peer.js';
import type { Thread } from '../thread.js';
import { Blocked } from './blocked.js';

/** In place of what one would write in: why nobody can. */
export function Closed({ client, thread }: { client: Client; thread: Thread }) {
  const user = thread.user.value;
  const group = thread.group.value;
  if (user.deleted) return <p class="closed">{t('deletedText')}</p>;
  if (!group) return <Blocked client={client} user={user} />;
  return (
    <p class="closed">
      {t(group.role === null ? 'notInGroup' : group.archived ? 'archived' : 'onlyModerators')}
    </p>
  );
}

/** In place of messages: there is nobody with this number, or no group. */
export function Nobody({ thread }: { thread: Thread }) {
  const isGroup = groupIn(thread.peer) !== null;
  return (
    <div class="hello">
      <p class="title">{t(isGroup ? 'noGroup' : 'strangerTitle')}</p>
      <p>{t(isGroup ? 'noGroupText' : 'strangerText')}</p>
    </div>
  );
}
