import type { Group } from '../../schemas/group.js';
import type { Message } from '../../schemas/message.js';

export type Event = NonNullable<Message['event']>;

/** What a group is after something was done to it, as the user sees it. */
export function changed(group: Group, event: Event, from: number, me: number): Group {
  const { action, user_ids: whom = [] } = event;
  const mine = whom.includes(me);
  switch (action) {
    case 'made':
    case 'renamed':
      return { ...group, title: event.title ?? group.title };
    case 'topic':
      return { ...group, topic: event.topic ?? group.topic ?? '' };
    case 'added':
      return { ...group, members: group.members + whom.length, role: mine ? 'member' : group.role };
    case 'joined':
      return { ...group, members: group.members + 1, role: from === me ? 'member' : group.role };
    case 'left':
      return { ...group, members: Math.max(0, group.members - 1), role: from === me ? null : group.role };
    case 'removed':
      return { ...group, members: Math.max(0, group.members - whom.length), role: mine ? null : group.role };
    case 'role':
      return { ...group, role: mine ? (event.role ?? group.role) : group.role };
    case 'posting':
      return { ...group, posting: event.posting ?? group.posting };
    case 'history':
      return { ...group, history: event.history ?? group.history };
    default:
      // A newer server's.
      return group;
  }
}

/** Whose names are read in a line: of many, the first ones. */
const namedAtMost = 3;
export const namedIn = ({ user_ids: whom = [] }: Event): readonly number[] =>
  whom.length > namedAtMost + 1 ? whom.slice(0, namedAtMost) : whom;
