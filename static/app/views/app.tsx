import { useEffect } from 'preact/hooks';
import { announced } from '../announce.js';
import type { Client } from '../client.js';
import { refuseFiles } from '../files.js';
import { t } from '../i18n/index.js';
import { noticed } from '../notice.js';
import { closeCover, cover, openUser } from '../route.js';
import { onShortcut } from '../shortcuts.js';
import { Admin } from './admin.js';
import { Banner } from './banner.js';
import { Contacts } from './contacts.js';
import { Devices } from './devices.js';
import { Dialog } from './dialog.js';
import { FactorDialog } from './factor.js';
import { Icon } from './icons.js';
import { Menu } from './menu.js';
import { People } from './people.js';
import { Profile } from './profile.js';
import { Settings } from './settings.js';
import { Keys, Shortcuts } from './shortcuts.js';
import { Sidebar } from './sidebar.js';
import { ThreadView } from './thread.js';

/** Two panes, or on a phone the one of them that matters now. */
export function App({ client }: { client: Client }) {
  useEffect(() => onShortcut(client), [client]);
  useEffect(refuseFiles, []);
  // Whoever signs in next finds nothing on top.
  useEffect(() => closeCover, []);

  const thread = client.current.value;
  const [before, after] = t('pickHint', { keys: '|' }).split('|');
  return (
    <div class={thread ? 'app open' : 'app'}>
      <Banner client={client} />
      <main class="panes">
        <Sidebar client={client} />
        <div class="main">
          {thread ? (
            <ThreadView key={openUser.value} client={client} thread={thread} />
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
      {client.link.value.state === 'replaced' && <Replaced client={client} />}
      {cover.value === 'settings' && <Settings client={client} />}
      {cover.value === 'shortcuts' && <Shortcuts />}
      {cover.value === 'devices' && <Devices client={client} />}
      {cover.value === 'factor' && <FactorDialog client={client} />}
      {cover.value === 'admin' && <Admin client={client} />}
      {cover.value === 'contacts' && <Contacts client={client} />}
      {cover.value === 'people' && <People client={client} />}
      {cover.value === 'profile' && thread && <Profile client={client} thread={thread} />}
      {cover.value === 'menu' && <Menu />}
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
