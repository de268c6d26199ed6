/** Conversations of more than two: who is in them, and how a diary names them. */
import type { Random } from './random.js';

/** A group as it was made. Its owner stays; others go and come back. */
export interface Group {
  owner: number;
  /** All of them, the owner too. */
  members: readonly number[];
  /** What those see who come: all of it, or what is stored from then on. */
  history: 'all' | 'joining';
  kind: 'group' | 'channel';
}

/** Members past which a group is given only to who shows it, of those who say what they show. */
const parkedPast = 256;

/** Whether who doesn't show it may be told only how far it goes. A few who are out for a while make no group small. */
export const parks = ({ kind, members }: Group): boolean => kind === 'channel' || members.length > parkedPast;

/** Each group by its number. */
export type Many = ReadonlyMap<number, Group>;

/** What a diary has in the place of a receiver: below zero, so that it is no user. */
export const addressOf = (conversation: number): number => -conversation;

/** Of the groups, which are channels. */
const everyChannel = 3;

/**
 * Draws groups of these sizes, of `extended` owners, who have somebody to talk to in each.
 * @param plain users who talk, and are given nothing of it
 * @param silent users who are there to be many
 */
export function drawGroups(
  sizes: readonly number[],
  { extended, plain, silent }: Record<'extended' | 'plain' | 'silent', readonly number[]>,
  random: Random,
): Group[] {
  return sizes.map((size, index) => {
    const [owner = 0, other = 0, ...more] = random.shuffle(extended);
    const rest = [...random.shuffle([...more, ...plain]), ...silent];
    const members = [owner, other, ...rest].slice(0, size);
    const history = random.chance(0.5) ? 'all' : 'joining';
    return { owner, members, history, kind: index % everyChannel === 0 ? 'channel' : 'group' };
  });
}
