/** What frames of `chat.v2` say: where a message stands, and what a diary has of them. */
import { type Done, nameOf, type Place, type State } from './diary.js';
import type { Frame } from './frame.js';
import { addressOf } from './many.js';

/** The user whom it is to, or the address of a conversation of more than two. */
export const receiverOf = (frame: Frame): number =>
  frame.has('to_user_id') ? frame.number('to_user_id') : addressOf(frame.number('conversation_id'));

/** When it was stored, in milliseconds since 1970. */
export const timeOf = (frame: Frame): number => Date.parse(frame.text('created_at'));

export function placeOf(frame: Frame): Place {
  const conversation = frame.number('conversation_id');
  return { conversation, seq: frame.number('seq'), msgId: frame.number('msg_id') };
}

/** Who wrote to whom, and where that stands. */
const wordOf = (frame: Frame) => ({
  ...placeOf(frame),
  from: frame.number('from_user_id'),
  to: receiverOf(frame),
});

/** How a message is, as any frame or row that has one says it. */
export function stateIn(frame: Frame): State {
  const kinds = frame.has('reactions') ? frame.list('reactions') : [];
  return {
    change: frame.has('change') ? frame.number('change') : 0,
    content: frame.text('content'),
    edited: frame.has('edited_at'),
    deleted: frame.has('deleted') && frame.flag('deleted'),
    reactions: kinds.map((kind) => `${kind.text('emoji')}:${kind.numbers('users').join()}`).join(' '),
    pinned: frame.has('pinned'),
  };
}

/** The same, of one that has changed, or is deleted to who has left. */
export const changeIn = (frame: Frame): { state?: State } =>
  frame.has('change') || frame.has('deleted') ? { state: stateIn(frame) } : {};

export const chatIn = (frame: Frame) => ({
  ...wordOf(frame),
  content: frame.text('content'),
  ...changeIn(frame),
});

export const changedIn = (frame: Frame) => ({
  ...placeOf(frame),
  state: stateIn(frame),
  ...(frame.has('id') && { id: frame.text('id') }),
  ...(frame.has('from_change') && { fromChange: frame.number('from_change') }),
});

/** What was done to a group, as a frame or a row of history says it. */
export function doneBy(event: Frame): Done {
  return { action: event.text('action'), users: event.has('user_ids') ? event.numbers('user_ids') : [] };
}

export function eventIn(frame: Frame) {
  const done = doneBy(frame.object('event'));
  return { ...wordOf(frame), content: nameOf(done, placeOf(frame)), done };
}

/** How far each conversation of a `head` goes. */
export const headsIn = (frame: Frame) =>
  frame.list('conversations').map((one) => {
    const stored = standsAt(one);
    return {
      conversation: one.number('conversation_id'),
      seq: one.number('seq'),
      ...(stored !== undefined && { stored }),
      ...(one.has('mention') && { mention: one.number('mention') }),
    };
  });

export const receiptIn = (frame: Frame) => ({
  conversation: frame.number('conversation_id'),
  user: frame.number('user_id'),
  delivered: frame.number('delivered_seq'),
  read: frame.number('read_seq'),
});

export const errorIn = (frame: Frame) => ({
  code: frame.text('code'),
  text: frame.text('content'),
  retryable: frame.flag('retryable'),
});

/** The `at` of a frame that says where a client stands. */
export const standsAt = (frame: Frame): number | undefined =>
  frame.has('at') ? frame.number('at') : undefined;

/** The id of a frame says what it is about: a receiver, and which of the messages to it. */
export const idOf = (to: number, nth: number | string): string => `${to}-${nth}`;
export const aboutWhom = (id: string): number => Number(id.slice(0, id.lastIndexOf('-')));
