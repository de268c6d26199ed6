import type { Sql } from '../../sql/handle.js';
import { testify, type Witness } from '../../sql/history.js';

/** What a connection leads to can't be worked with. Nothing was asked there. */
class UnprovenError extends Error {
  override name = 'UnprovenError';
  readonly code: string = 'UNPROVEN';
}

/** The database has another history than this process knows, and will not have that one again. */
export class OtherHistoryError extends UnprovenError {
  override name = 'OtherHistoryError';
}

/**
 * Whether the database still has the history that this process knows. Its files may be put back under us, and a standby may be
 * promoted that lacks the last commits, without anything that names server or database being another. So what is known proves
 * itself as a client's position does: the newest message that was seen is there, of the same time. Where it isn't, nothing that this process
 * remembers means anything, and what it would still write could reach somebody else: it asks nothing more, and ends.
 */
export class History {
  /** Comes when the database has another history. */
  readonly over: Promise<OtherHistoryError>;
  private end: (error: OtherHistoryError) => void = () => {};
  private error: OtherHistoryError | undefined;
  private newest: Witness | undefined;
  /** Connections that were lost, and how many of them when it was last proven. */
  private doubts = 0;
  private settled = 0;

  constructor() {
    this.over = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  get isOver(): boolean {
    return this.error !== undefined;
  }

  /** This message was stored, or read. */
  saw(message: Witness): void {
    if (this.newest === undefined || message.msgId >= this.newest.msgId) this.newest = message;
  }

  /** Another replica says that this message was stored. Where a connection was lost, that one may know another history already. */
  heard(message: Witness): void {
    if (this.doubts === this.settled) this.saw(message);
  }

  /** A connection was lost: the next may lead to anything. */
  doubt(): void {
    this.doubts++;
  }

  /** @throws UnprovenError where a connection leads to a standby, or to another history */
  async prove(sql: Sql): Promise<void> {
    if (this.error !== undefined) throw this.error;
    const { newest: known, doubts } = this;
    const { standby, at, gone, newest } = await testify(sql, known);
    if (standby) throw new UnprovenError('the database is a standby, which may lack what was stored');
    if (known !== undefined && at !== known.createdAt && !gone) this.lose();
    if (newest !== undefined) this.saw(newest);
    this.settled = doubts;
  }

  /** It has another history. @throws OtherHistoryError always */
  lose(): never {
    this.error ??= new OtherHistoryError(
      'The database has another history than this server knows: it was put back, or a standby without the last messages took over. The server ends, to be started afresh.',
    );
    this.end(this.error);
    throw this.error;
  }
}
