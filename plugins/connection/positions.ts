import { SIZE } from '../../schemas/size.js';
import type { End, Standing } from '../../sql/conversations.js';
import type { Position } from '../../sql/messages.js';

const isUnnoted = (standing: Standing | undefined) => ((standing?.size ?? 0) & SIZE.unnoted) !== 0;

/** What a client says that it has of a conversation: everything up to `seq`, where the message was stored `at`. */
export interface Named {
  seq: number;
  /** Milliseconds since 1970; undefined where the client doesn't say, and is believed. */
  at: number | undefined;
}

/** What a client's positions are worth. */
export interface Compared {
  /** By conversation: where it goes on from. */
  kept: Map<number, number>;
  /** The conversations that go on from there, with their ends. */
  lagging: End[];
  /** What has arrived, for it says that it has it, and nobody knew. */
  arrived: Position[];
  /** The ends of the conversations in which it has something else than the log, or more. */
  resets: Position[];
}

/** The positions that say when their messages were stored. */
export const proofsOf = (named: ReadonlyMap<number, Named>): Position[] =>
  [...named]
    .filter(([, { seq, at }]) => seq > 0 && at !== undefined)
    .map(([conversation, { seq }]) => ({ conversation, seq }));

/**
 * Compares what a client says that it has with the log. A history that went back gives the same `seq` again only at a later time,
 * and two histories share what comes before a message that they share: so where the time is the same, all up to there is.
 * @param named its positions, by conversation
 * @param rest whether the conversations that aren't named are held to their ends
 * @param standings of all conversations of its user, with the messages at its positions
 */
export function comparePositions(
  named: ReadonlyMap<number, Named>,
  rest: boolean,
  standings: readonly Standing[],
): Compared {
  const kept = new Map(rest ? standings.map(({ conversation, end }) => [conversation, end]) : []);
  const there = new Map(standings.map((standing) => [standing.conversation, standing]));
  const arrived: Position[] = [];
  const resets: Position[] = [];
  for (const [conversation, { seq, at }] of named) {
    const standing = there.get(conversation);
    const end = standing?.end ?? 0;
    const valid = seq <= end && (at === undefined || standing?.at === undefined || standing.at === at);
    if (standing !== undefined) kept.set(conversation, valid ? seq : end);
    if (!valid) resets.push({ conversation, seq: end });
    else if (seq > (standing?.delivered ?? 0) && !isUnnoted(standing)) arrived.push({ conversation, seq });
  }
  const lagging = standings.flatMap(({ conversation, end, grouped = false, size = 0 }) =>
    end > (kept.get(conversation) ?? 0) ? [{ conversation, seq: end, grouped, size }] : [],
  );
  return { kept, lagging, arrived, resets };
}
