import type { Identity } from '../../sql/epoch.js';
import type { History } from './history.js';
import type { Asker, Client } from './lanes.js';

/** Conversations that appends wait for at once, each on a connection that is there only then. */
export const HELD_LANES = 2;

/** The database, as the rest of the server has it. */
export interface Db extends Readonly<Identity> {
  /** What people ask for, over HTTP and in frames. */
  readonly requests: Asker;
  /** What openings and delivery lean on, so that no list is in their way. */
  readonly delivery: Asker;
  /** The log's appends, one at a time. */
  readonly log: Asker;
  /** Changes of messages, one batch at a time. */
  readonly changes: Asker;
  /** Appends that wait for a row that somebody holds, and what ends appends. */
  readonly held: Asker;
  /** Questions given up since the start. */
  late(): number;
  /** A connection for what is done by hand and at the start. */
  readonly sql: Client;
  /** Name and version, for people. */
  readonly engine: string;
  /** What this process knows of the history that the database has. */
  readonly history: History;
  /** Transactions since the oldest number still in use was given; undefined where the server looks after that itself. */
  age(): number | undefined;
  /** Why the database is gone for good for this process; comes only if it is. */
  readonly dead: Promise<Error>;
  /** Says that it stores nothing any more and won't by itself: only the embedded engine is ours to start anew. */
  giveUp(error: Error): void;
}
