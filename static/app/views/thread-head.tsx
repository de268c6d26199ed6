import type { Group } from '../../../schemas/group.js';
import { openOwn } from '../chosen.js';
import type { Client } from '../client.js';
import { now } from '../clock.js';
import { ago } from '../format.js';
import { t } from '../i18n/index.js';
import { groupIn } from '../peer.js';
import { closeThread, openCover } from '../route.js';
import { openSearch } from '../searching.js';
import type { Thread } from '../thread.js';
import { Avatar } from './avatar.js';
import { Icon } from './icons.js';
import { Name, nameOf } from './name.js';

export function ThreadHead({ client, thread }: { client: Client; thread: Thread }) {
  const user = thread.user.value;
  const self = user.user_id === client.me.user_id;
  const { state } = client.link.value;
  const inGroup = groupIn(thread.peer);
  const typist = thread.typing.value;
  const presence = client.people.of(user.user_id).value;
  const gone = thread.gone.value;
  const group = thread.group.value;
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
              <Name user={user} gone={gone} />
            </button>
          </h2>
          <p class="status" aria-live="off">
            {self ? (
              t('self')
            ) : user.deleted ? null : typist ? (
              <Typing name={inGroup === null ? undefined : nameOf(client.users.of(typist, inGroup))} />
            ) : group && (state === 'online' || state === 'replaced') ? (
              <About group={group} />
            ) : presence && !gone ? (
              <Seen presence={presence} />
            ) : (
              state !== 'online' && state !== 'replaced' && t('waiting')
            )}
          </p>
        </div>
      </div>
      {thread.conversationId !== null && (
        <button type="button" class="round seek" onClick={() => openSearch('', true)}>
          <Icon name="search" />
          <span class="vh">{t('searchHere')}</span>
        </button>
      )}
      {thread.conversationId !== null && (
        <button type="button" class="round set" aria-haspopup="dialog" onClick={() => openOwn(thread)}>
          <Icon name="more" />
          <span class="vh">{t('settingsOf')}</span>
        </button>
      )}
    </header>
  );
}

/** How many are in a group, and what it is about: as much of it as there is room for. */
function About({ group }: { group: Group }) {
  return (
    <span class="about">
      {group.role !== null && <span>{t('members', { n: group.members })}</span>}
      {group.role !== null && group.topic && <span aria-hidden="true"> · </span>}
      {group.topic && (
        <>
          <span class="vh">{t('topicIs')} </span>
          <bdi title={group.topic}>{group.topic}</bdi>
        </>
      )}
    </span>
  );
}

function Seen({ presence }: { presence: { online: boolean; last_seen_at: string | null } }) {
  if (presence.online) return <span class="on">{t('online')}</span>;
  const { last_seen_at: seen } = presence;
  if (seen === null) return <>{t('seenNever')}</>;
  return <>{now() - Date.parse(seen) < 60_000 ? t('seenNow') : t('seen', { when: ago(seen) })}</>;
}

/** @param name in a group, of who types */
export function Typing({ name }: { name?: string | undefined }) {
  return (
    <span class="typing">
      {name ? t('typingWho', { name }) : t('typing')}
      <i />
      <i />
      <i />
    </span>
  );
}
