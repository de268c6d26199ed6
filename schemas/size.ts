import { GROUPS, LIMITS } from './limits.js';

/** What follows from how many are in a conversation, and from its kind, as bits. */
export const SIZE = {
  /** Nobody is told live how far the others are. */
  quiet: 1,
  /** Nor is it noted what has arrived. */
  unnoted: 2,
  /** Who says what is on their screen is given it only while it is. */
  parks: 4,
  /** It isn't one of two. */
  many: 8,
} as const;

/** The bits of a conversation that isn't one of two, with so many members. */
export function sizeOf(members: number, channel: boolean): number {
  const quiet = members > LIMITS.toldMembers ? SIZE.quiet : 0;
  const large = members > GROUPS.parked ? SIZE.unnoted | SIZE.parks : 0;
  return SIZE.many | quiet | large | (channel ? SIZE.parks : 0);
}
