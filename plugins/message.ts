import type { ExtendedFrame } from '../schemas/frames.js';
import type { Message } from '../schemas/message.js';
import { presentBeside } from '../sql/beside.js';
import type { ChangedMessage } from '../sql/changes.js';
import type { Head } from '../sql/heads.js';
import type { StoredMessage } from '../sql/messages.js';

/** Whether a user in its conversation is to get a message: everybody but its sender, or who wrote to themselves. */
export const isFor = (user: number, { from, to }: Pick<StoredMessage, 'from' | 'to'>): boolean =>
  user !== from || user === to;

const MINUTE_MS = 60_000;
/** Up to its seconds, a time of the minute that was written last: most are of the one before, and to write all of a date costs much. */
let written = { minute: 0, text: '1970-01-01T00:00:' };

/** A time as JSON has it. @param at in milliseconds since 1970, whole ones */
function timeOf(at: number): string {
  const minute = Math.floor(at / MINUTE_MS);
  if (minute !== written.minute) written = { minute, text: new Date(at).toISOString().slice(0, 17) };
  const digits = String(100_000 + at - minute * MINUTE_MS);
  return `${written.text}${digits.slice(1, 3)}.${digits.slice(3)}Z`;
}

/** Where a message stands in the log, as its sender is told. */
export const presentPlace = (message: StoredMessage) => ({
  conversation_id: message.conversation,
  ...(message.to !== undefined && { to_user_id: message.to }),
  msg_id: message.msgId,
  seq: message.seq,
  created_at: timeOf(message.createdAt),
});

/** A message as people get it, by whatever way. */
const present = (message: StoredMessage) => ({
  conversation_id: message.conversation,
  msg_id: message.msgId,
  seq: message.seq,
  from_user_id: message.from,
  ...(message.to !== undefined && { to_user_id: message.to }),
  content: message.content,
  ...(message.beside && presentBeside(message.beside)),
  created_at: timeOf(message.createdAt),
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

/** The same as JSON. Most have nothing beside their text and never changed: written by hand that takes a fifth of the time. */
export function frameTextOf(message: StoredMessage, id?: string): string {
  const { event, beside, change, deleted } = message;
  if (event !== undefined || beside !== undefined || change !== undefined || deleted !== undefined)
    return JSON.stringify(frameOf(message, id));
  const { conversation, msgId, seq, from, to, content, createdAt } = message;
  const other = to === undefined ? '' : `,"to_user_id":${to}`;
  const own = id === undefined ? '' : `,"id":${JSON.stringify(id)}`;
  return `{"type":"chat","conversation_id":${conversation},"msg_id":${msgId},"seq":${seq},"from_user_id":${from}${other},"content":${JSON.stringify(content)},"created_at":"${timeOf(createdAt)}"${own}}`;
}

/** What its sender is told of a message that was stored, as JSON. */
export function sentTextOf({ conversation, msgId, seq, to, clientId, createdAt }: StoredMessage): string {
  const other = to === undefined ? '' : `,"to_user_id":${to}`;
  return `{"type":"sent","id":${JSON.stringify(clientId)},"conversation_id":${conversation}${other},"msg_id":${msgId},"seq":${seq},"created_at":"${timeOf(createdAt)}"}`;
}

/** A message that has waited for a plain client, as JSON. */
export const waitedTextOf = (user: number, { msgId, from, content, createdAt }: StoredMessage): string =>
  `{"msg_id":${msgId},"to_user_id":${user},"from_user_id":${from},"content":${JSON.stringify(content)},"created_at":"${timeOf(createdAt)}"}`;

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
