import { effect, signal } from '@preact/signals';
import type { Message } from '../../schemas/message.js';
import { announce } from './announce.js';
import { attentive, looking } from './attention.js';
import type { Client } from './client.js';
import { now } from './clock.js';
import { eventText } from './event-text.js';
import { type Event, namedIn } from './events.js';
import { t } from './i18n/later.js';
import { free } from './locks.js';
import { isMuted, tells } from './own.js';
import { groupIn } from './peer.js';
import { hrefOf, openThread } from './route.js';
import { notifications, notificationsAsked, sound } from './settings.js';
import { oneLine } from './text.js';
import type { Thread } from './thread.js';
import { nameOf } from './views/name.js';

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

/** Follows what was read, here or elsewhere: a notification of that is of nothing. */
export function watchNotifications(client: Client): () => void {
  const unclose = effect(() => {
    for (const thread of client.directory.all.value) {
      const isUnread = thread.unread.value > 0;
      const told = shown.get(thread.peer)?.seq ?? Number.POSITIVE_INFINITY;
      if ((!isUnread && unread.delete(thread.peer)) || told <= thread.readSeq) void withdraw(thread);
      if (isUnread) unread.add(thread.peer);
    }
  });
  void sweep(client);
  // Asked and answered in another tab.
  const unask = effect(() => {
    if (canNotify && notificationsAsked.value) permission.value = Notification.permission;
  });
  return () => {
    unclose();
    unask();
  };
}

/** What is shown now, by person or group. */
const shown = new Map<number, { notification: Notification | null; seq: number }>();
/** Where something was unread. */
const unread = new Set<number>();

/** A phone's notifications belong to the service worker, and outlive the page. */
async function withdraw({ peer }: Thread): Promise<void> {
  shown.get(peer)?.notification?.close();
  shown.delete(peer);
  if (!canNotify || permission.peek() !== 'granted') return;
  const worker = await navigator.serviceWorker?.getRegistration();
  for (const old of (await worker?.getNotifications?.({ tag: tagOf(peer) })) ?? []) old.close();
}

/** What a page before this one has shown, and was read since. */
async function sweep({ directory }: Client): Promise<void> {
  if (!canNotify || permission.peek() !== 'granted') return;
  const worker = await navigator.serviceWorker?.getRegistration();
  for (const old of (await worker?.getNotifications?.()) ?? [])
    if (directory.all.peek().some(({ peer, unread }) => tagOf(peer) === old.tag && unread.peek() === 0))
      old.close();
}

const tagOf = (peer: number): string => `thread-${peer}`;

/** No tab hears of a message that much later than another one. */
const toldFor = 10_000;

/** Of the tabs of this browser one tells of a message, and none while somebody looks at one of them. */
const mayTell = async ({ conversation_id, seq }: Message): Promise<boolean> =>
  (await free(looking, 'shared')) && free(`chat.told-${conversation_id}-${seq}`, 'exclusive', toldFor);

/** What is done to a group is nothing to be told of elsewhere: whoever looks at it hears it. */
async function happened(
  client: Client,
  thread: Thread,
  { from_user_id: from }: Message,
  event: Event,
): Promise<void> {
  const group = groupIn(thread.peer);
  if (group === null || !attentive.peek() || client.current.peek() !== thread) return;
  const people = await Promise.all([from, ...namedIn(event)].map((id) => client.users.named(id, group)));
  const called = (id: number) => people.find(({ user_id }) => user_id === id)?.username ?? '';
  announce(eventText(event, from, client.me.user_id, called));
}

/** Tells of what has come: whoever looks at the page hears it, whoever doesn't is notified, if they want that. */
export async function incoming(client: Client, thread: Thread, message: Message): Promise<void> {
  await client.directory.named(thread);
  const name = thread.user.peek().username;
  if (message.event) {
    await happened(client, thread, message, message.event);
    return;
  }
  const said = oneLine(message.content);
  const group = groupIn(thread.peer);
  const sender = group === null ? name : nameOf(await client.users.named(message.from_user_id, group));
  if (attentive.peek()) {
    const how = group === null ? 'said' : thread.mentionsMe(message) ? 'mentionedIn' : 'saidIn';
    announce(t(how, { name: sender, group: name, text: said }));
    return;
  }
  const moment = now();
  const { settings } = thread;
  if (
    isMuted(client.mutedUntil.peek(), moment) ||
    !tells(settings.peek(), thread.mentionsMe(message), moment)
  )
    return;
  if (!(await mayTell(message))) return;
  // The first message that comes while one is away is the moment to offer it, once one is back.
  if (notificationsAsked.peek() === 'no') notificationsAsked.value = 'later';
  if (sound.peek() === 'on') beep();
  if (notifications.peek() !== 'on' || permission.peek() !== 'granted') return;
  // What was deleted while that was found out is told to nobody.
  const latest = thread.messages.get(message.seq) ?? message;
  if (!latest.deleted) await show(thread, latest, name, sender, true);
}

/**
 * One for each person, and each of its messages is told: a browser that doesn't know `renotify` gets a new one.
 * @param isNew whether it makes itself heard
 */
async function show(
  thread: Thread,
  message: Message,
  name: string,
  sender: string,
  isNew: boolean,
): Promise<void> {
  const said = oneLine(message.content);
  const body = groupIn(thread.peer) === null ? said : t('saidBy', { name: sender, text: said });
  const quiet = isNew ? { renotify: true } : { silent: true };
  const options = { body, tag: tagOf(thread.peer), ...quiet, icon: '/icons/icon-192.png' };
  try {
    if (isNew) shown.get(thread.peer)?.notification?.close();
    const notification = new Notification(name, options);
    shown.set(thread.peer, { notification, seq: message.seq });
    notification.onclick = () => {
      window.focus();
      openThread(thread.peer);
      notification.close();
    };
  } catch {
    // Phones allow notifications only from the service worker.
    const data = hrefOf(thread.peer);
    shown.set(thread.peer, { notification: null, seq: message.seq });
    const ready = await navigator.serviceWorker?.ready;
    await ready?.showNotification(name, { ...options, data }).catch(() => {});
  }
}

/** What is shown of a message follows it; whoever looks at it hears what has become of it. */
export async function altering(
  client: Client,
  thread: Thread,
  before: Message,
  message: Message,
): Promise<void> {
  const isDeleted = message.deleted === true && !before.deleted;
  const isEdited = !message.deleted && message.content !== before.content;
  const group = groupIn(thread.peer);
  const told = shown.get(thread.peer)?.seq === message.seq;
  if (isDeleted && told) await withdraw(thread);
  const isMine = message.from_user_id === client.me.user_id;
  const reactions = isMine ? newReactions(client.me.user_id, before, message) : [];
  if (!isDeleted && !isEdited && reactions.length === 0) return;
  const nameIn = async (id: number) =>
    group === null ? thread.user.peek().username : nameOf(await client.users.named(id, group));
  const name = isMine ? '' : await nameIn(message.from_user_id);
  if (isEdited && told) await show(thread, message, thread.user.peek().username, name, false);
  if (!attentive.peek() || client.current.peek() !== thread) return;
  if (isDeleted && !isMine) announce(t('deletedBy', { name }));
  else if (isEdited && !isMine) announce(t('editedBy', { name, text: oneLine(message.content) }));
  for (const { emoji, user } of reactions) announce(t('reactedTo', { name: await nameIn(user), emoji }));
}

/** Reactions of others that are there now and weren't before, of each emoji the last. */
function newReactions(me: number, before: Message, now: Message): { emoji: string; user: number }[] {
  return (now.reactions ?? []).flatMap(({ emoji, users }) => {
    const known = before.reactions?.find((other) => other.emoji === emoji)?.users ?? [];
    const user = users.findLast((id) => id !== me && !known.includes(id));
    return user === undefined ? [] : [{ emoji, user }];
  });
}
