import { effect, signal } from '@preact/signals';
import type { ExtendedServer } from '../../schemas/frames.js';
import { announce } from './announce.js';
import { attentive, looking } from './attention.js';
import type { Client } from './client.js';
import { t } from './i18n/index.js';
import { free } from './locks.js';
import { hrefOf, openThread } from './route.js';
import { notifications, notificationsAsked, sound } from './settings.js';
import { oneLine } from './text.js';
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
  const unclose = effect(() => {
    // Whatever read it, here or elsewhere: a notification of what was read is of nothing.
    for (const thread of client.directory.all.value) if (thread.unread.value === 0) void withdraw(thread);
  });
  // Asked and answered in another tab.
  const unask = effect(() => {
    if (canNotify && notificationsAsked.value) permission.value = Notification.permission;
  });
  const untitle = effect(() => {
    // Another window counts where this one was replaced.
    const n = client.link.value.state === 'replaced' ? 0 : client.directory.unread.value;
    document.title = n > 0 ? `(${n > 999 ? '999+' : n}) ${t('app')}` : t('app');
    const href = n > 0 && !attentive.value ? '/icons/dot.svg' : '/icons/icon.svg';
    const icon = document.querySelector('link[rel=icon]');
    if (icon?.getAttribute('href') !== href) icon?.setAttribute('href', href);
  });
  return () => {
    unclose();
    unask();
    untitle();
  };
}

/** What is shown now, by person. */
const shown = new Map<number, Notification>();

/** A phone's notifications belong to the service worker, and outlive the page. */
async function withdraw({ peer }: Thread): Promise<void> {
  shown.get(peer)?.close();
  shown.delete(peer);
  if (!canNotify || permission.peek() !== 'granted') return;
  const worker = await navigator.serviceWorker?.getRegistration();
  for (const old of (await worker?.getNotifications?.({ tag: tagOf(peer) })) ?? []) old.close();
}

const tagOf = (peer: number): string => `thread-${peer}`;

/** No tab hears of a message that much later than another one. */
const toldFor = 10_000;

/** Of the tabs of this browser one tells of a message, and none while somebody looks at one of them. */
const mayTell = async ({ conversation_id, seq }: ExtendedServer['chat']): Promise<boolean> =>
  (await free(looking, 'shared')) && free(`chat.told-${conversation_id}-${seq}`, 'exclusive', toldFor);

async function incoming(client: Client, thread: Thread, message: ExtendedServer['chat']): Promise<void> {
  await client.directory.named(thread);
  const name = thread.user.peek().username;
  const body = oneLine(message.content);
  if (attentive.peek()) {
    announce(t('said', { name, text: body }));
    return;
  }
  if (!(await mayTell(message))) return;
  // The first message that comes while one is away is the moment to offer it, once one is back.
  if (notificationsAsked.peek() === 'no') notificationsAsked.value = 'later';
  if (sound.peek() === 'on') beep();
  if (notifications.peek() !== 'on' || permission.peek() !== 'granted') return;
  // One for each person, and each of its messages is told: a browser that doesn't know `renotify` gets a new one.
  const options = { body, tag: tagOf(thread.peer), renotify: true, icon: '/icons/icon-192.png' };
  try {
    shown.get(thread.peer)?.close();
    const notification = new Notification(name, options);
    shown.set(thread.peer, notification);
    notification.onclick = () => {
      window.focus();
      openThread(thread.peer);
      notification.close();
    };
  } catch {
    // Phones allow notifications only from the service worker.
    const data = hrefOf(thread.peer);
    const ready = await navigator.serviceWorker?.ready;
    await ready?.showNotification(name, { ...options, data }).catch(() => {});
  }
}
