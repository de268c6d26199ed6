import type { Message, Reaction } from '../../schemas/message.js';
import type { Outgoing } from './records.js';

/** What is shown of a message: as it is, or as it will be once what is on its way was done. */
export interface Shown {
  content: string;
  mentions?: number[] | undefined;
  mention_all?: true | undefined;
  deleted: boolean;
  edited: boolean;
  reactions: readonly Reaction[];
  /** The server hasn't said yet that it is so. */
  waiting: boolean;
  /** What the server will not do as it is. */
  failed: readonly Outgoing[];
}

/** Whether the reader is among those who react so. */
export const isMine = ({ mine, users }: Reaction, me: number): boolean => mine ?? users.includes(me);

const nothing: readonly Outgoing[] = [];

/**
 * @param alterations all that is on its way in its conversation
 */
export function altered(message: Message | Outgoing, alterations: readonly Outgoing[], me: number): Shown {
  const stored = 'seq' in message ? message : undefined;
  const shown: Shown = {
    content: message.content,
    mentions: message.mentions,
    mention_all: message.mention_all,
    deleted: stored?.deleted === true,
    edited: stored?.edited_at !== undefined,
    reactions: stored?.reactions ?? [],
    waiting: false,
    failed: nothing,
  };
  for (const item of alterations) {
    const { alters, error } = item;
    if (!alters || !(alters.seq === null ? alters.of === message.id : alters.seq === stored?.seq)) continue;
    if (error !== null) {
      shown.failed = [...shown.failed, item];
      continue;
    }
    shown.waiting = true;
    switch (alters.what) {
      case 'edit':
        if (shown.deleted) break;
        shown.content = item.content;
        shown.mentions = item.mentions;
        shown.mention_all = item.mention_all;
        shown.edited = true;
        break;
      case 'delete':
        shown.deleted = true;
        break;
      case 'react':
        shown.reactions = reacted(shown.reactions, alters.emoji, alters.on, me);
    }
  }
  if (shown.deleted)
    return { ...shown, content: '', mentions: undefined, mention_all: undefined, reactions: [] };
  return shown;
}

function reacted(
  reactions: readonly Reaction[],
  emoji: string,
  on: boolean,
  me: number,
): readonly Reaction[] {
  const found = reactions.find((reaction) => reaction.emoji === emoji);
  if (!found) return on ? [...reactions, { emoji, count: 1, users: [me], mine: true }] : reactions;
  if (isMine(found, me) === on) return reactions;
  const { count, users } = found;
  const others = users.filter((id) => id !== me);
  const next: Reaction = on
    ? { emoji, count: count + 1, users: [...users, me], mine: true }
    : { emoji, count: count - 1, users: others };
  return reactions
    .map((reaction) => (reaction === found ? next : reaction))
    .filter((reaction) => reaction.count > 0);
}
