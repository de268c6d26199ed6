import type { StoredMessage } from '../sql/messages.js';

/** Whether a user is to get a message: everybody in its conversation but its sender, or who wrote to themselves. */
export const isFor = (user: number, { from, members }: StoredMessage): boolean =>
  user !== from || members.length === 1;

/** Between two: the one who didn't send it, or who wrote to themselves. */
export function otherOf({ from, members }: StoredMessage): number {
  for (const member of members) if (member !== from) return member;
  return from;
}

/** Where a message stands in the log, as its sender is told. */
export const presentPlace = (message: StoredMessage) => ({
  conversation_id: message.conversation,
  to_user_id: otherOf(message),
  msg_id: message.msgId,
  seq: message.seq,
  created_at: new Date(message.createdAt).toISOString(),
});

/** A message as people get it, by whatever way. */
export const present = (message: StoredMessage) => ({
  conversation_id: message.conversation,
  msg_id: message.msgId,
  seq: message.seq,
  from_user_id: message.from,
  to_user_id: otherOf(message),
  content: message.content,
  created_at: new Date(message.createdAt).toISOString(),
});
