import type { ExtendedFrame } from '../schemas/frames.js';
import type { Message } from '../schemas/message.js';
import { presentBeside } from '../sql/beside.js';
import type { ChangedMessage } from '../sql/changes.js';
import type { Head } from '../sql/heads.js';
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
  ...(message.beside && presentBeside(message.beside)),
  created_at: new Date(message.createdAt).toISOString(),
  ...(message.change ? changeOf(message, message.change) : message.deleted && { deleted: message.deleted }),
});

/** What has become of it since. */
const changeOf = ({ editedAt, deleted, reactions, pinned }: StoredMessage, change: number) => ({
  change,
  ...(editedAt !== undefined && { edited_at: new Date(editedAt).toISOString() }),
  ...(deleted && { deleted }),
  ...(reactions !== undefined && { reactions }),
  ...(pinned && { pinned }),
});

/**
 * The frame that says how a message is now.
 * @param from the first change that it stands for
 * @param id of the frame that it answers
 */
export function changedFrameOf(message: ChangedMessage, from: number, id?: string): ExtendedFrame {
  const { to_user_id: _to, ...rest } = present(message);
  const { change, changedAt: at } = message;
  return {
    type: 'changed',
    ...(id !== undefined && { id }),
    ...rest,
    change,
    at,
    ...(from < change && { from_change: from }),
  };
}

/** The same in a page of history, for whoever asks for that. */
export const presentTo = (user: number, message: StoredMessage): Message => ({
  ...present(message),
  ...(message.event === undefined
    ? message.from === user && { id: message.clientId }
    : { type: 'event', event: message.event }),
});

/** The frame of a message. @param id the sender's own, in what goes back to the sender */
export function frameOf(message: StoredMessage, id?: string): ExtendedFrame {
  if (message.event === undefined)
    return { type: 'chat', ...present(message), ...(id !== undefined && { id }) };
  const { content: _content, to_user_id: _to, ...rest } = present(message);
  return { type: 'event', ...rest, event: message.event };
}

/** Its place, where it mentions a user, or all. */
export const mentionIn = (
  { from, seq, beside }: Pick<StoredMessage, 'from' | 'seq' | 'beside'>,
  user: number,
): number | undefined =>
  beside !== undefined && from !== user && (beside.all || beside.mentions?.includes(user)) ? seq : undefined;

/** How far a conversation goes, as who isn't given it is told. */
export const presentHead = ({ conversation, seq, at, mention }: Head) => ({
  conversation_id: conversation,
  seq,
  ...(at !== undefined && { at }),
  ...(mention !== undefined && { mention }),
});

/** Whether it is what brought a user into a group. */
export const bringsIn = (user: number, { from, event }: StoredMessage): boolean =>
  event?.action === 'made' || event?.action === 'joined'
    ? from === user
    : event?.action === 'added' && event.user_ids?.includes(user) === true;
