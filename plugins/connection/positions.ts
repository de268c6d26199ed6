import type { Position } from '../../sql/messages.js';

/** What a client's positions are worth. */
export interface Compared {
  /** By conversation: where it goes on from. */
  kept: Map<number, number>;
  /** What has arrived, for it says that it has it. */
  arrived: Position[];
  /** The ends of the conversations in which it says that it has more than there is. */
  past: Position[];
}

/**
 * Compares what a client says that it has with the log.
 * @param named its positions, by conversation
 * @param rest whether the conversations that aren't named are held to their ends
 * @param rows how far each of its user's conversations goes
 */
export function comparePositions(
  named: ReadonlyMap<number, number>,
  rest: boolean,
  rows: readonly Position[],
): Compared {
  const ends = new Map(rows.map((end) => [end.conversation, end.seq]));
  const compared: Compared = { kept: new Map(), arrived: [], past: [] };
  for (const [conversation, seq] of rest ? new Map([...ends, ...named]) : named) {
    const end = ends.get(conversation);
    if (seq > (end ?? 0)) compared.past.push({ conversation, seq: end ?? 0 });
    if (end === undefined) continue;
    compared.kept.set(conversation, Math.min(seq, end));
    if (seq > 0 && seq <= end) compared.arrived.push({ conversation, seq });
  }
  return compared;
}
