import { randomBytes } from 'node:crypto';
import type { BaseLogger } from 'pino';
import { tryAppend } from '../../sql/append.js';
import { codeOf } from '../db/failure.js';
import type { Db } from '../db/handle.js';

/** Milliseconds between looks at whether messages can be stored again. */
const PROBE_MS = 250;
/** Contents that no page has room for by chance and that don't get smaller: one that is stored apart from its row, some that aren't. */
const bulk = () =>
  [12_000, ...Array.from({ length: 8 }, () => 1350)].map((bytes) => randomBytes(bytes).toString('base64'));
/** Milliseconds without storing after which an engine of our own is given up, unless its disk is full: that a new start won't mend. */
const GIVE_UP_MS = 30_000;
/** Milliseconds that what the log last said of the database is believed. */
const BELIEVED_MS = 2000;

const isDiskFull = (error: unknown) => codeOf(error) === '53100' || /File too large/.test(String(error));

/** Whether messages can be stored now. Times are in milliseconds of `performance.now()`. */
export class Health {
  private downSince: number | undefined;
  /** When the database was last seen to store. */
  private provenAt = Number.NEGATIVE_INFINITY;
  private proving: Promise<void> | undefined;
  private probeTimer: NodeJS.Timeout | undefined;
  private closed = false;

  /**
   * @param onDown called with every failure: nothing that waits will be stored soon
   * @param onUp called when it works again after a failure
   */
  constructor(
    private readonly db: Db,
    private readonly log: Pick<BaseLogger, 'info' | 'error'>,
    private readonly onDown: () => void,
    private readonly onUp: () => void,
  ) {}

  get isDown(): boolean {
    return this.downSince !== undefined;
  }

  /** Nothing can be stored: this is why. */
  goDown(error: unknown): void {
    if (this.downSince === undefined)
      this.log.error({ err: error }, 'the database stores nothing: sends are refused until it does');
    this.downSince ??= performance.now();
    if (performance.now() - this.downSince > GIVE_UP_MS && error instanceof Error && !isDiskFull(error))
      this.db.giveUp(error);
    this.onDown();
  }

  /** Something was stored. */
  goUp(): void {
    if (this.isDown) this.log.info('the database is back: messages are stored again');
    this.downSince = undefined;
    this.provenAt = performance.now();
  }

  /** Looks, again and again, whether messages can be stored again. */
  probe(): void {
    if (this.closed || this.probeTimer !== undefined) return;
    this.probeTimer = setTimeout(async () => {
      this.probeTimer = undefined;
      await this.prove();
      if (this.isDown) this.probe();
      else this.onUp();
    }, PROBE_MS);
  }

  /** Finds out whether messages can be stored, by storing some that are taken back: where none could be, many enough to need room. */
  private prove(): Promise<void> {
    const contents = this.isDown ? bulk() : [''];
    this.proving ??= this.db.log
      .ask((sql) => tryAppend(sql, contents), BELIEVED_MS)
      .then(
        () => this.goUp(),
        (error: unknown) => this.goDown(error),
      )
      .finally(() => {
        this.proving = undefined;
      });
    return this.proving;
  }

  /** Asks the database where it hasn't shown lately that it stores. @param busy whether it is being asked to store something */
  async isReady(busy: boolean): Promise<boolean> {
    if (!this.isDown && !busy && performance.now() - this.provenAt > BELIEVED_MS) {
      await this.prove();
      if (this.isDown) this.probe();
    }
    return !this.isDown;
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.probeTimer);
  }
}
