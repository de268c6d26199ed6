import { useSignal, useSignalEffect } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { Client } from '../client.js';
import { t } from '../i18n/index.js';
import { canNotify, permission, turnOn } from '../notify.js';
import { notificationsAsked } from '../settings.js';
import { updateReady } from '../worker.js';

/** A short absence isn't worth a word. */
const patience = 900;

/** What stands above everything: how the line is, in words. */
export function Banner({ client }: { client: Client }) {
  const patient = useSignal(true);
  const { state } = client.link.value;
  const settled = state === 'online' || state === 'replaced' || state === 'expired';

  useSignalEffect(() => {
    const now = client.link.value.state;
    if (now === 'online') {
      patient.value = true;
      return;
    }
    if (now === 'waiting') patient.value = false;
    const timer = setTimeout(() => {
      patient.value = false;
    }, patience);
    return () => clearTimeout(timer);
  });

  return (
    <header class="banners">
      <h1 class="vh">{t('app')}</h1>
      <div role="status">
        {!settled && !patient.value && <LinkState client={client} />}
        {state === 'online' && client.outbox.troubled.value && (
          <p class="banner warn">
            {t(client.failing.value ? 'degradedUnkept' : 'degraded')}{' '}
            <button type="button" class="link" onClick={client.outbox.retryNow}>
              {t('tryNow')}
            </button>
          </p>
        )}
        {client.failing.value && (
          <p class="banner warn">{t(client.failing.value === 'full' ? 'storageFull' : 'notLasting')}</p>
        )}
      </div>
      {updateReady.value && (
        <Notice text={t('updated')}>
          <button type="button" class="link" onClick={() => location.reload()}>
            {t('reload')}
          </button>
        </Notice>
      )}
      {state === 'online' &&
        notificationsAsked.value === 'later' &&
        canNotify &&
        permission.value === 'default' && (
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
        )}
    </header>
  );
}

function Notice({ text, children }: { text: string; children: ComponentChildren }) {
  return (
    <p class="banner">
      {text} <span class="actions">{children}</span>
    </p>
  );
}

function LinkState({ client }: { client: Client }) {
  const now = useSignal(Date.now());
  const link = client.link.value;
  useSignalEffect(() => {
    if (client.link.value.state !== 'waiting') return;
    now.value = Date.now();
    const timer = setInterval(() => {
      now.value = Date.now();
    }, 1000);
    return () => clearInterval(timer);
  });
  if (link.state === 'refused') {
    return (
      <p class="banner warn">
        {t('refused')} <TryNow client={client} />
      </p>
    );
  }
  if (link.state !== 'waiting')
    return <p class="banner">{t(link.state === 'syncing' ? 'syncing' : 'connecting')}</p>;
  const n = Math.max(1, Math.ceil((link.until - now.value) / 1000));
  return (
    <p class="banner warn">
      {navigator.onLine ? t('retryIn', { n }) : t(client.failing.value ? 'offlineUnkept' : 'offline')}{' '}
      <TryNow client={client} />
    </p>
  );
}

function TryNow({ client }: { client: Client }) {
  return (
    <button type="button" class="link" onClick={() => void client.reconnect()}>
      {t('tryNow')}
    </button>
  );
}
