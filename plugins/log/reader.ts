import { lastSeqs } from '../../sql/conversations.js';
import {
  type Position,
  readAfter,
  readDebts,
  type StoredMessage,
  settlePositions,
} from '../../sql/messages.js';
import type { Reader } from '../connection/port.js';
import { within } from '../db/failure.js';
import type { Db } from '../db/handle.js';

/** Reads the log for connections, on lanes of their own. */
export class LogReader implements Reader {
  constructor(private readonly db: Pick<Db, 'delivery'>) {}

  ends(user: number): Promise<Position[]> {
    return within(this.db.delivery, (sql) => lastSeqs(sql, user));
  }

  after(user: number, positions: readonly Position[], limit: number): Promise<StoredMessage[]> {
    return within(this.db.delivery, (sql) => readAfter(sql, user, positions, limit));
  }

  owed(
    user: number,
    line: number,
    known: readonly number[],
    limit: number,
    bytes: number,
  ): Promise<StoredMessage[]> {
    return within(this.db.delivery, (sql) => readDebts(sql, user, line, known, limit, bytes));
  }

  settle(user: number, positions: readonly Position[]): Promise<{ conversation: number; other: number }[]> {
    return within(this.db.delivery, (sql) => settlePositions(sql, user, positions));
  }
}
