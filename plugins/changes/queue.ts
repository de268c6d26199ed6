import type { ChangedMessage, NewChange } from '../../sql/changes.js';
import { weightOf } from '../weight.js';

/** Changes that one statement makes at most. */
const BATCH = 500;

/** A change that somebody asks for, and who hears what became of it: exactly one of the two, once. */
export interface AskedChange extends NewChange {
  done(message: ChangedMessage): void;
  failed(error: unknown): void;
}

/** Names the message of a change. */
export const messageOf = ({ conversation, seq }: NewChange) => `${conversation}:${seq}`;
const isReaction = ({ kind }: NewChange) => kind === 'react' || kind === 'unreact';

/**
 * Changes that wait for a batch. In one batch are no two of one message, but for reactions of which none depends on another: what
 * follows on it waits for the next, in its order.
 */
export class ChangeQueue {
  /** Bytes that wait. */
  bytes = 0;
  private waiting: AskedChange[] = [];

  get size(): number {
    return this.waiting.length;
  }

  push(...changes: readonly AskedChange[]): void {
    for (const change of changes) {
      this.waiting.push(change);
      this.bytes += weightOf({ content: change.content ?? '', beside: change.beside });
    }
  }

  /** Takes the next batch. */
  take(): AskedChange[] {
    const batch: AskedChange[] = [];
    const rest: AskedChange[] = [];
    /** By message: the reactions to it that are in the batch; undefined where it is changed otherwise. */
    const taken = new Map<string, Set<string> | undefined>();
    const full = new Set<string>();
    for (const change of this.waiting) {
      const message = messageOf(change);
      const reaction = isReaction(change) ? `${change.actor}:${change.emoji}` : undefined;
      const others = taken.get(message);
      const fits =
        batch.length < BATCH &&
        !full.has(message) &&
        (!taken.has(message) || (reaction !== undefined && others?.has(reaction) === false));
      if (!fits) {
        full.add(message);
        rest.push(change);
        continue;
      }
      if (reaction === undefined) taken.set(message, undefined);
      else taken.set(message, (others ?? new Set()).add(reaction));
      batch.push(change);
      this.bytes -= weightOf({ content: change.content ?? '', beside: change.beside });
    }
    this.waiting = rest;
    return batch;
  }
}
