import { useEffect } from 'preact/hooks';
import type { Client } from '../client.js';
import { refuseFiles } from '../files.js';
import { t } from '../i18n/later.js';
import { canNotify, permission, turnOn, watchNotifications } from '../notify.js';
import { notificationsAsked } from '../settings.js';
import { Notice } from './banner.js';

/** Shows nothing: what goes on behind the page, and isn't missed in its first moment. */
export function Behind({ client }: { client: Client }) {
  useEffect(() => watchNotifications(client), [client]);
  useEffect(refuseFiles, []);
  return null;
}

/** Asks once, after something came while nobody looked. */
export function AskNotify() {
  if (!canNotify || permission.value !== 'default') return null;
  return (
    <Notice text={t('askNotify')}>
      <button type="button" class="link" onClick={() => void turnOn()}>
        {t('turnOn')}
      </button>
      <button
        type="button"
        class="link"
        onClick={() => {
          notificationsAsked.value = 'yes';
        }}
      >
        {t('notNow')}
      </button>
    </Notice>
  );
}
