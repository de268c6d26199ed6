import type { FastifyBaseLogger } from 'fastify';
import type { Debt } from '../sql/messages.js';
import type { Clock } from './clock.js';
import type { Connection } from './connection.js';
import type { Asker } from './lanes.js';
import type { Confirmed, Send } from './messages.js';
import type { Change } from './wire.js';

/** What a connection asks for. It knows nothing else of the instance that it belongs to. */
export interface Port {
  readonly log: FastifyBaseLogger;
  /** What silences are judged by. */
  readonly clock: Clock;
  /** Names the history that the log has; clients that hold another one begin afresh. */
  readonly epoch: string;
  /** The lanes to the database that pages of the log are read on. */
  readonly delivery: Asker;
  /** Debts confirmed but not deleted yet. */
  readonly settling: readonly Debt[];
  /** Ids of the users with a connection to this instance, ascending. */
  users(): number[];
  /** Stores a message, soon; its sender hears. */
  append(send: Send): void;
  /** What a connection was written has arrived: debts are deleted soon, and senders told that want to know. */
  confirmed(arrived: readonly Confirmed[]): void;
  /** Tells `to`, soon, how far `user` has received and read. */
  informOf(change: Change): void;
  /** Has `flush` called at the end of this turn of the event loop. */
  flushSoon(connection: Connection): void;
  /** Has `confirm` called as soon as the connection may ping. */
  pingSoon(connection: Connection): void;
  /** Has `pump` called in a moment. */
  pumpLater(connection: Connection): void;
  /** Has `closeGap` called once a missing message had its time to come by itself. */
  watchGap(connection: Connection): void;
}
