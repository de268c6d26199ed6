import type { Position } from '../../sql/messages.js';

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
  /** What has arrived, for it says that it has it. */
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
 * @param rows how far each of its user's conversations goes
 * @param times by conversation: when the message at the position was stored, where that was asked and it is still there
 */
export function comparePositions(
  named: ReadonlyMap<number, Named>,
  rest: boolean,
  rows: readonly Position[],
  times: ReadonlyMap<number, number | undefined>,
): Compared {
  const ends = new Map(rows.map((end) => [end.conversation, end.seq]));
  const compared: Compared = { kept: new Map(rest ? ends : []), arrived: [], resets: [] };
  for (const [conversation, { seq, at }] of named) {
    const end = ends.get(conversation) ?? 0;
    const time = times.get(conversation);
    const valid = seq <= end && (time === undefined || time === at);
    if (ends.has(conversation)) compared.kept.set(conversation, valid ? seq : end);
    if (!valid) compared.resets.push({ conversation, seq: end });
    else if (seq > 0) compared.arrived.push({ conversation, seq });
  }
  return compared;
}
