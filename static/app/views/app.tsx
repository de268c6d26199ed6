import { useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { announced } from '../announce.js';
import type { Client } from '../client.js';
import { t } from '../i18n/index.js';
import { noticed } from '../notice.js';
import { groupIn } from '../peer.js';
import { type Cover, closeCover, cover, openPeer } from '../route.js';
import { onShortcut } from '../shortcuts.js';
import type { Thread } from '../thread.js';
import { Banner } from './banner.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { Keys } from './keys.js';
import { Later, loadLater, Once } from './lazy.js';
import { Sidebar } from './sidebar.js';
import { ThreadView } from './thread.js';

/** Two panes, or on a phone the one of them that matters now. */
export function App({ client }: { client: Client }) {
  useEffect(() => onShortcut(client), [client]);
  // Whoever signs in next finds nothing on top.
  useEffect(() => closeCover, []);

  // Once everything else is here.
  useSignalEffect(() => {
    const { state } = client.link.value;
    // Without a line the worker has it, if there is one.
    const worker = navigator.serviceWorker?.controller;
    if (state === 'online' || (state === 'waiting' && worker)) void loadLater();
  });

  const thread = client.current.value;
  const isGroup = thread !== null && groupIn(thread.peer) !== null;
  const [before, after] = t('pickHint', { keys: '|' }).split('|');
  return (
    <div class={thread ? 'app open' : 'app'}>
      <Banner client={client} />
      <main class="panes">
        <Sidebar client={client} />
        <div class="main">
          {thread ? (
            <ThreadView key={openPeer.value} client={client} thread={thread} />
          ) : (
            <div class="pick">
              <Icon name="chats" />
              <h2 class="title">{t('pick')}</h2>
              <p>
                {before}
                <Keys keys="Mod+K" />
                {after}
              </p>
            </div>
          )}
        </div>
      </main>
      <div class="vh" role="log" aria-label={t('announcements')}>
        {announced.value.map(({ n, text }) => (
          <p key={n}>{text}</p>
        ))}
      </div>
      <Once>{({ Behind }) => <Behind client={client} />}</Once>
      {client.link.value.state === 'replaced' && <Replaced client={client} />}
      <Covered client={client} thread={thread} isGroup={isGroup} />
      <div role="status">
        {noticed.value && (
          <p key={noticed.value.n} class="toast">
            {noticed.value.text}
          </p>
        )}
      </div>
    </div>
  );
}

function Replaced({ client }: { client: Client }) {
  return (
    <Dialog title={t('replacedTitle')}>
      <p>{t('replacedText')}</p>
      <button type="button" class="primary" onClick={() => void client.reconnect()}>
        {t('useHere')}
      </button>
    </Dialog>
  );
}

/** What lies on top and comes later than the page. */
function Covered({ client, thread, isGroup }: { client: Client; thread: Thread | null; isGroup: boolean }) {
  const on = cover.value;
  const titles: { readonly [name in Cover]?: string } = {
    settings: t('menu'),
    people: t('newConversation'),
    shortcuts: t('shortcuts'),
    menu: t('actions'),
    own: t('settingsOf'),
    contacts: t('contacts'),
    devices: t('devices'),
    factor: t('factor'),
    admin: t('administration'),
    newGroup: t('newGroup'),
    channels: t('channels'),
    search: t('searchTitle'),
    ...(thread && { receipts: t('whoHasIt') }),
    ...(thread && { delete: t('actions'), emoji: t('emoji'), reactions: t('actions') }),
    ...(thread && { replies: t('actions'), pins: t('actions') }),
    saved: t('actions'),
    ...(thread && { profile: isGroup ? thread.user.value.username : t('profile') }),
  };
  const title = on === null ? undefined : titles[on];
  if (title === undefined) return null;
  return (
    <Later title={title}>
      {(views) => (
        <>
          {on === 'settings' && <views.Settings client={client} />}
          {on === 'people' && <views.People client={client} />}
          {on === 'shortcuts' && <views.Shortcuts />}
          {on === 'menu' && thread && <views.Menu client={client} thread={thread} />}
          {on === 'own' && <views.Own client={client} />}
          {on === 'contacts' && <views.Contacts client={client} />}
          {on === 'devices' && <views.Devices client={client} />}
          {on === 'factor' && <views.FactorDialog client={client} />}
          {on === 'admin' && <views.Admin client={client} />}
          {on === 'newGroup' && <views.NewGroup client={client} />}
          {on === 'channels' && <views.Channels client={client} />}
          {on === 'search' && <views.Search client={client} />}
          {on === 'receipts' && thread && <views.Receipts client={client} thread={thread} />}
          {on === 'delete' && thread && <views.Deletion client={client} thread={thread} />}
          {on === 'emoji' && thread && <views.EmojiPicker />}
          {on === 'reactions' && thread && <views.Reactors client={client} thread={thread} />}
          {on === 'replies' && thread && <views.Replies client={client} thread={thread} />}
          {on === 'pins' && thread && <views.Pins client={client} thread={thread} />}
          {on === 'saved' && <views.Saved client={client} />}
          {on === 'profile' && thread && isGroup && <views.GroupInfo client={client} thread={thread} />}
          {on === 'profile' && thread && !isGroup && <views.Profile client={client} thread={thread} />}
        </>
      )}
    </Later>
  );
}
