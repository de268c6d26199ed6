import type { Message } from '../../schemas/message.js';
import { dayOf } from './format.js';
import type { OutgoingState } from './outbox.js';
import type { Outgoing } from './records.js';
import type { Receipt, Thread } from './thread.js';
import type { Fate } from './views/bubble.js';

const groupWithin = 5 * 60_000;

/** A note to oneself is stored, and nobody else is to get it. */
export const nobody = { delivered_seq: 0, read_seq: 0 };

interface Question {
  index: number;
  thread: Thread;
  me: number;
  pending: readonly Outgoing[];
  states: ReadonlyMap<string, OutgoingState>;
  receipt: Receipt;
  online: boolean;
}

/** What the row at an index shows: first the log by `seq`, then what is on its way out. */
export function rowOf({ index, thread, me, pending, states, receipt, online }: Question) {
  const at = (i: number): Message | Outgoing | null | undefined =>
    i < thread.position ? thread.messages.get(i + 1) : pending[i - thread.position];
  const beside = (step: 1 | -1): number => {
    let i = index + step;
    while (at(i) === null) i += step;
    return i + 1 < thread.begins ? -1 : i;
  };
  const message = at(index) ?? undefined;
  const previous = beside(-1);
  const before = at(previous);
  const after = at(beside(1));
  const own = message !== undefined && isOwn(message, me);
  const newDay =
    message && (previous < 0 || (before && dayOf(before.created_at) !== dayOf(message.created_at)));
  return {
    index,
    key: message?.id ?? `seq-${index + 1}`,
    message,
    own,
    first: !together(before, message, me),
    last: !together(message, after, me),
    day: newDay ? dayOf(message.created_at) : null,
    fate:
      own && message && !isEvent(message)
        ? fateOf(message, states, thread.peer === me ? nobody : receipt, online)
        : null,
  };
}

const isEvent = (message: Message | Outgoing): boolean => 'event' in message && message.event !== undefined;

const senderOf = (message: Message | Outgoing, me: number): number =>
  'from_user_id' in message ? message.from_user_id : me;

const isOwn = (message: Message | Outgoing, me: number): boolean => senderOf(message, me) === me;

function together(
  one: Message | Outgoing | null | undefined,
  two: Message | Outgoing | null | undefined,
  me: number,
): boolean {
  if (!one || !two || isEvent(one) || isEvent(two) || senderOf(one, me) !== senderOf(two, me)) return false;
  return (
    dayOf(one.created_at) === dayOf(two.created_at) &&
    Date.parse(two.created_at) - Date.parse(one.created_at) < groupWithin
  );
}

export function fateOf(
  message: Message | Outgoing,
  states: ReadonlyMap<string, OutgoingState>,
  receipt: Receipt,
  online: boolean,
): Fate {
  if ('seq' in message) {
    if (message.seq <= receipt.read_seq) return 'read';
    return message.seq <= receipt.delivered_seq ? 'delivered' : 'sent';
  }
  if (message.error !== null) return 'failed';
  return states.get(message.id) ?? (online ? 'sending' : 'waiting');
}
