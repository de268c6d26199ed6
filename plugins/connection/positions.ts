import { SIZE } from '../../schemas/size.js';
import type { End } from '../../sql/conversations.js';
import type { Position } from '../../sql/messages.js';
import type { Proof, Standing } from '../../sql/standings.js';

const isUnnoted = (standing: Standing | undefined) => ((standing?.size ?? 0) & SIZE.unnoted) !== 0;

/** What a client says that it has of a conversation: everything up to `seq`, where the message was stored `at`. */
export interface Named {
  seq: number;
  /** Milliseconds since 1970; undefined where the client doesn't say, and is believed. */
  at: number | undefined;
  /** The change up to which it has that; when that was stored is as `at`. */
  change?: number | undefined;
  changedAt?: number | undefined;
}

/** What a client's positions are worth. */
export interface Compared {
  /** By conversation: where it goes on from. */
  kept: Map<number, number>;
  /** The same of changes, of those that have any: most have none. */
  changes: Map<number, number>;
  /** The conversations that go on from there, with their ends. */
  lagging: End[];
  /** What has arrived, for it says that it has it, and nobody knew. */
  arrived: Position[];
  /** The ends of the conversations in which it has something else than the log, or more. */
  resets: End[];
}

/** The positions that say when their messages, or changes, were stored. */
export const proofsOf = (named: ReadonlyMap<number, Named>): Proof[] =>
  [...named]
    .map(([conversation, { seq, at, change = 0, changedAt }]) => ({
      conversation,
      seq: at === undefined ? 0 : seq,
      change: changedAt === undefined ? 0 : change,
    }))
    .filter(({ seq, change }) => seq > 0 || change > 0);

/** From which change on somebody is to be told; undefined where what they say is of another history. */
function changeFrom({ change = 0, changedAt }: Named, standing: Standing): number | undefined {
  // Who has left is told of no change.
  if (change === 0 || standing.left) return change;
  if (change > (standing.change ?? 0)) return undefined;
  if (changedAt === undefined || standing.provenAt === changedAt) return change;
  return standing.provenAt === undefined ? 0 : undefined;
}

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
  const changes = new Map<number, number>();
  if (rest)
    for (const { conversation, change = 0 } of standings) if (change > 0) changes.set(conversation, change);
  const there = new Map(standings.map((standing) => [standing.conversation, standing]));
  const arrived: Position[] = [];
  const resets: End[] = [];
  for (const [conversation, name] of named) {
    const { seq, at } = name;
    const standing = there.get(conversation);
    const end = standing?.end ?? 0;
    const from = standing === undefined ? 0 : changeFrom(name, standing);
    const valid =
      seq <= end &&
      from !== undefined &&
      (at === undefined || standing?.at === undefined || standing.at === at);
    if (standing !== undefined) {
      kept.set(conversation, valid ? seq : end);
      const change = valid ? from : (standing.change ?? 0);
      if (change > 0) changes.set(conversation, change);
      else changes.delete(conversation);
    }
    if (!valid)
      resets.push({ conversation, seq: end, change: standing?.change, changedAt: standing?.changedAt });
    else if (seq > (standing?.delivered ?? 0) && !isUnnoted(standing)) arrived.push({ conversation, seq });
  }
  const lagging = standings.flatMap(({ conversation, end, grouped = false, size = 0, change, changedAt }) =>
    end > (kept.get(conversation) ?? 0) || (change ?? 0) > (changes.get(conversation) ?? 0)
      ? [{ conversation, seq: end, grouped, size, change, changedAt }]
      : [],
  );
  return { kept, changes, lagging, arrived, resets };
}
