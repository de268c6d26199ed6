import { useSignal, useSignalEffect } from '@preact/signals';
import type { Profile as Person } from '../../../schemas/user.js';
import type { Client } from '../client.js';
import { dayName, dayOf } from '../format.js';
import { t } from '../i18n/later.js';
import { closeCover } from '../route.js';
import type { Thread } from '../thread.js';
import { Avatar } from './avatar.js';
import { Standing } from './contacts.js';
import { Dialog } from './dialog.js';
import { Name } from './name.js';

/** Who somebody is: what the server knows and may say. */
export function Profile({ client, thread }: { client: Client; thread: Thread }) {
  const person = useSignal<Person | 'failed' | null>(null);
  useSignalEffect(() => {
    client.api.user(thread.peer, thread.user.peek().username).then(
      (found) => {
        person.value = found;
      },
      () => {
        person.value = 'failed';
      },
    );
  });
  const user = thread.user.value;
  const known = person.value;
  return (
    <Dialog title={t('profile')} onClose={closeCover}>
      <div class="profile">
        <Avatar user={user} />
        <p class="title">
          <Name user={user} />
        </p>
      </div>
      <dl class="facts">
        <dt>{t('userId')}</dt>
        <dd>{user.user_id}</dd>
        <dt>{t('since')}</dt>
        <dd>
          {known === null
            ? '…'
            : known === 'failed'
              ? t('searchFailed')
              : known.deleted
                ? t('deletedUser')
                : known.created_at === null
                  ? t('sinceBefore')
                  : dayName(dayOf(known.created_at))}
        </dd>
      </dl>
      {thread.peer !== client.me.user_id && !thread.gone.value && <Standing client={client} user={user} />}
    </Dialog>
  );
}
