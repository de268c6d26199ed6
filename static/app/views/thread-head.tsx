import type { Client } from '../client.js';
import { now } from '../clock.js';
import { ago } from '../format.js';
import { t } from '../i18n/index.js';
import { closeThread, openCover } from '../route.js';
import type { Thread } from '../thread.js';
import { Avatar } from './avatar.js';
import { Icon } from './icons.js';

export function ThreadHead({ client, thread }: { client: Client; thread: Thread }) {
  const user = thread.user.value;
  const self = user.user_id === client.me.user_id;
  const { state } = client.link.value;
  const presence = client.people.of(user.user_id).value;
  const gone = thread.gone.value;
  return (
    <header class="thread-head">
      <button type="button" class="round back" onClick={closeThread}>
        <Icon name="back" />
        <span class="vh">{t('back')}</span>
      </button>
      <div class="whole">
        <Avatar user={user} online={!self && presence?.online} />
        <div class="who">
          <h2>
            <button type="button" aria-haspopup="dialog" onClick={() => openCover('profile')}>
              <bdi>{user.username || (gone ? `#${user.user_id}` : '…')}</bdi>
            </button>
          </h2>
          <p class="status" aria-live="off">
            {self ? (
              t('self')
            ) : thread.typing.value ? (
              <Typing />
            ) : presence && !gone ? (
              <Seen presence={presence} />
            ) : (
              state !== 'online' && state !== 'replaced' && t('waiting')
            )}
          </p>
        </div>
      </div>
    </header>
  );
}

function Seen({ presence }: { presence: { online: boolean; last_seen_at: string | null } }) {
  if (presence.online) return <span class="on">{t('online')}</span>;
  const { last_seen_at: seen } = presence;
  if (seen === null) return <>{t('seenNever')}</>;
  return <>{now() - Date.parse(seen) < 60_000 ? t('seenNow') : t('seen', { when: ago(seen) })}</>;
}

export function Typing() {
  return (
    <span class="typing">
      {t('typing')}
      <i />
      <i />
      <i />
    </span>
  );
}
