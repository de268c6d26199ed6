import { effect, signal } from '@preact/signals';
import type { ExtendedServer } from '../../schemas/frames.js';
import { announce } from './announce.js';
import { attentive } from './attention.js';
import type { Client } from './client.js';
import { t } from './i18n/index.js';
import { oneLine } from './markup.js';
import { hrefOf, openThread } from './route.js';
import { notifications, notificationsAsked, sound } from './settings.js';
import type { Thread } from './thread.js';

export const canNotify = isSecureContext && 'Notification' in window;
export const permission = signal<NotificationPermission>(canNotify ? Notification.permission : 'denied');

export async function turnOn(): Promise<void> {
  permission.value = await Notification.requestPermission();
  notifications.value = permission.value === 'granted' ? 'on' : 'off';
  notificationsAsked.value = 'yes';
}

/** A short soft tone, made here: no file to fetch. */
export function beep(): void {
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.08, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.25);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.25);
  tone.onended = () => void audio.close();
}

/** Tells about what comes while nobody looks: the title, the icon, and more if it was asked for. */
export function watchIncoming(client: Client): () => void {
  client.onIncoming = (thread, message) => void incoming(client, thread, message);
  return effect(() => {
    // Another window counts where this one was replaced.
    const n = client.link.value.state === 'replaced' ? 0 : client.directory.unread.value;
    document.title = n > 0 ? `(${n > 999 ? '999+' : n}) ${t('app')}` : t('app');
    const href = n > 0 && !attentive.value ? '/icons/dot.svg' : '/icons/icon.svg';
    const icon = document.querySelector('link[rel=icon]');
    if (icon?.getAttribute('href') !== href) icon?.setAttribute('href', href);
  });
}

async function incoming(client: Client, thread: Thread, message: ExtendedServer['chat']): Promise<void> {
  await client.directory.named(thread);
  const name = thread.user.peek().username;
  const body = oneLine(message.content);
  if (attentive.peek()) {
    if (client.current.peek() === thread) announce(t('said', { name, text: body }));
    return;
  }
  // The first message that comes while one is away is the moment to offer it, once one is back.
  if (notificationsAsked.peek() === 'no') notificationsAsked.value = 'later';
  if (sound.peek() === 'on') beep();
  if (notifications.peek() !== 'on' || permission.peek() !== 'granted') return;
  const options = { body, tag: `thread-${thread.peer}`, icon: '/icons/icon-192.png' };
  try {
    const shown = new Notification(name, options);
    shown.onclick = () => {
      window.focus();
      openThread(thread.peer);
      shown.close();
    };
  } catch {
    // Phones allow notifications only from the service worker.
    const data = hrefOf(thread.peer);
    const ready = await navigator.serviceWorker?.ready;
    await ready?.showNotification(name, { ...options, data }).catch(() => {});
  }
}
