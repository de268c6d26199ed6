import { useSignal, useSignalEffect } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { Client } from '../client.js';
import { t } from '../i18n/index.js';
import { board } from '../notice-board.js';
import { notificationsAsked } from '../settings.js';
import { updateReady } from '../worker.js';
import { Once } from './lazy.js';

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
        {state === 'online' && client.outbox.slowed.value !== null && (
          <Slowed until={client.outbox.slowed.value} />
        )}
        {client.failing.value && (
          <p class="banner warn">{t(client.failing.value === 'full' ? 'storageFull' : 'notLasting')}</p>
        )}
      </div>
      <Board />
      {updateReady.value && (
        <Notice text={t('updated')}>
          <button type="button" class="link" onClick={() => location.reload()}>
            {t('reload')}
          </button>
        </Notice>
      )}
      {state === 'online' && notificationsAsked.value === 'later' && (
        <Once>{({ AskNotify }) => <AskNotify />}</Once>
      )}
    </header>
  );
}

/** What whoever runs the server says. */
export function Board() {
  return (
    <div role="status">
      {board.value !== null && (
        <p class="banner" dir="auto">
          {board.value}
        </p>
      )}
    </div>
  );
}

export function Notice({ text, children }: { text: string; children: ComponentChildren }) {
  return (
    <p class="banner">
      {text} <span class="actions">{children}</span>
    </p>
  );
}

/** Counts while it is needed. @returns whole seconds until a moment, at least one */
function useSeconds(isNeeded: () => boolean): (until: number) => number {
  const now = useSignal(Date.now());
  useSignalEffect(() => {
    if (!isNeeded()) return;
    now.value = Date.now();
    const timer = setInterval(() => {
      now.value = Date.now();
    }, 1000);
    return () => clearInterval(timer);
  });
  return (until) => Math.max(1, Math.ceil((until - now.value) / 1000));
}

/** Sends wait since there were too many. */
function Slowed({ until }: { until: number }) {
  const n = useSeconds(() => true)(until);
  return <p class="banner warn">{t('slowed', { n })}</p>;
}

function LinkState({ client }: { client: Client }) {
  const seconds = useSeconds(() => client.link.value.state === 'waiting');
  const link = client.link.value;
  if (link.state === 'refused') {
    return (
      <p class="banner warn">
        {t('refused')} <TryNow client={client} />
      </p>
    );
  }
  if (link.state !== 'waiting')
    return <p class="banner">{t(link.state === 'syncing' ? 'syncing' : 'connecting')}</p>;
  const n = seconds(link.until);
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
