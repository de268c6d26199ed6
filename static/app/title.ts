import { effect } from '@preact/signals';
import { attentive } from './attention.js';
import type { Client } from './client.js';
import { t } from './i18n/index.js';

const short = (n: number): string => (n > 999 ? '999+' : String(n));

/** The title and the icon of the page say how much is unread, and how much of that mentions the user. */
export function watchTitle(client: Client): () => void {
  return effect(() => {
    // Another window counts where this one was replaced.
    const isReplaced = client.link.value.state === 'replaced';
    const { unread, mentions } = isReplaced ? { unread: 0, mentions: 0 } : client.directory.counts.value;
    const parts = [...(mentions > 0 ? [`@${short(mentions)}`] : []), short(unread)];
    document.title = unread > 0 ? `(${parts.join(' · ')}) ${t('app')}` : t('app');
    const href = unread > 0 && !attentive.value ? '/icons/dot.svg' : '/icons/icon.svg';
    const icon = document.querySelector('link[rel=icon]');
    if (icon?.getAttribute('href') !== href) icon?.setAttribute('href', href);
  });
}
