import type { Message } from '../../schemas/message.js';
import type { Client } from './client.js';
import { now } from './clock.js';
import { groupIn } from './peer.js';
import type { Outgoing } from './records.js';
import type { Thread } from './thread.js';

// What the page offers. The server judges anew.

const leads = (thread: Thread): boolean => ['owner', 'moderator'].includes(thread.group.value?.role ?? '');

export function mayWrite(client: Client, thread: Thread): boolean {
  const group = thread.group.value;
  if (groupIn(thread.peer) === null)
    return thread.user.value.deleted !== true && client.contacts.of(thread.peer) !== 'blocked';
  return (
    group !== null && group.role !== null && !group.archived && (group.posting === 'all' || leads(thread))
  );
}

export const isOwn = (message: Message | Outgoing, me: number): boolean =>
  !('from_user_id' in message) || message.from_user_id === me;

/** An edit of what isn't stored yet waits with it. */
export function mayEdit(client: Client, thread: Thread, message: Message | Outgoing): boolean {
  if (!isOwn(message, client.me.user_id) || !mayWrite(client, thread)) return false;
  if (!('seq' in message)) return message.error === null;
  const { editMs } = client.limits.peek();
  return now() - Date.parse(message.created_at) < editMs;
}

export function mayDelete(client: Client, thread: Thread, message: Message | Outgoing): boolean {
  if (isOwn(message, client.me.user_id))
    return thread.group.value?.role !== null || groupIn(thread.peer) === null;
  return groupIn(thread.peer) !== null && leads(thread);
}
