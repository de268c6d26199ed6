import type { StoredMessage } from '../sql/messages.js';

/** Whether a user in its conversation is to get a message: everybody but its sender, or who wrote to themselves. */
export const isFor = (user: number, { from, to }: Pick<StoredMessage, 'from' | 'to'>): boolean =>
  user !== from || user === to;

/** Where a message stands in the log, as its sender is told. */
export const presentPlace = (message: StoredMessage) => ({
  conversation_id: message.conversation,
  ...(message.to !== undefined && { to_user_id: message.to }),
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
  ...(message.to !== undefined && { to_user_id: message.to }),
  content: message.content,
  created_at: new Date(message.createdAt).toISOString(),
});
