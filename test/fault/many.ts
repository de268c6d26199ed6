/** Conversations of more than two: who is in them, and how a diary names them. */
import type { Random } from './random.js';

/** A group as it was made. Its owner stays; others go and come back. */
export interface Group {
  owner: number;
  /** All of them, the owner too. */
  members: readonly number[];
  /** What those see who come: all of it, or what is stored from then on. */
  history: 'all' | 'joining';
}

/** Each group by its number. */
export type Many = ReadonlyMap<number, Group>;

/** What a diary has in the place of a receiver: below zero, so that it is no user. */
export const addressOf = (conversation: number): number => -conversation;

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
  return sizes.map((size) => {
    const [owner = 0, other = 0, ...more] = random.shuffle(extended);
    const rest = [...random.shuffle([...more, ...plain]), ...silent];
    const members = [owner, other, ...rest].slice(0, size);
    return { owner, members, history: random.chance(0.5) ? 'all' : 'joining' };
  });
}
