import type { FastifyBaseLogger } from 'fastify';
import { moveCursors } from '../../sql/cursors.js';
import type { Arrived, Change } from '../connection/port.js';
import type { Db } from '../db/handle.js';

/** Milliseconds over which moves are gathered, and from one move of a cursor to its next. */
const GATHER_MS = 50;
const EACH_MS = 1000;
/** Cursors that wait at most: where the database is away for long, a client's next `sync` or `get_offline` says the rest. */
const WAITING = 50_000;
/** Moves of one statement, and milliseconds until one that failed is tried again. */
const MOVES = 1000;
const AGAIN_MS = 1000;

/** What waits to be written of one cursor. */
interface Waiting extends Arrived {
  informs: Set<number>;
  /** When it may be written, in milliseconds of `performance.now()`. */
  due: number;
}

const further = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || (b !== undefined && b > a) ? b : a;

/** Cursors that clients have moved: written a moment later, each at most once a second, and then told to those who wrote. */
export class Moves {
  private readonly waiting = new Map<string, Waiting>();
  /** When each cursor that was moved of late may be moved again. */
  private readonly next = new Map<string, number>();
  /** Users of whose plain clients something waits. */
  private readonly plain = new Set<number>();
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();
  private closed = false;

  /** @param inform told of what was written */
  constructor(
    private readonly log: FastifyBaseLogger,
    private readonly db: Pick<Db, 'delivery'>,
    private readonly counts: { moved: number },
    private readonly inform: (change: Change) => void,
  ) {}

  add(arrived: Arrived): void {
    this.keep(arrived);
    this.plan(GATHER_MS);
  }

  private keep({ user, conversation, delivered, pushed, fetched, informs, paced }: Arrived) {
    const key = `${user}:${conversation}`;
    const before = this.waiting.get(key);
    const isPlain = delivered === undefined;
    if (isPlain) this.plain.add(user);
    if (before !== undefined) {
      before.delivered = further(before.delivered, delivered);
      before.pushed = further(before.pushed, pushed);
      before.fetched = further(before.fetched, fetched);
      if (isPlain) before.due = 0;
      for (const other of informs) before.informs.add(other);
    } else if (this.waiting.size < WAITING) {
      // A plain client whose move isn't written yet is given what it has again, on another instance.
      const due = isPlain ? 0 : (this.next.get(key) ?? 0);
      const move = { user, conversation, delivered, pushed, fetched, paced };
      this.waiting.set(key, { ...move, informs: new Set(informs), due });
    }
  }

  private plan(ms: number) {
    if (this.closed) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.writeAfter(false);
    }, ms);
  }

  private writeAfter(all: boolean): Promise<void> {
    this.writing = this.writing.then(() => this.write(all));
    return this.writing;
  }

  /** Writes what is due, or all. */
  private async write(all: boolean): Promise<void> {
    const now = performance.now();
    // The oldest are first.
    for (const [key, at] of this.next) {
      if (at > now) break;
      this.next.delete(key);
    }
    const due = [...this.waiting].filter(([, move]) => all || move.due <= now).slice(0, MOVES);
    for (const [key] of due) {
      this.waiting.delete(key);
      this.next.delete(key);
      this.next.set(key, now + EACH_MS);
    }
    if (due.length < MOVES) this.plain.clear();
    let failed = false;
    try {
      if (due.length > 0) await this.writeThese(due.map(([, move]) => move));
    } catch (error) {
      failed = true;
      this.log.debug({ err: error, cursors: due.length }, 'cursors could not be moved, trying again');
      for (const [, move] of due) this.keep(move);
    }
    if (this.waiting.size > 0) this.plan(failed ? AGAIN_MS : GATHER_MS);
  }

  private async writeThese(moves: readonly Waiting[]) {
    const moved = await this.db.delivery.ask((sql) => moveCursors(sql, moves));
    this.counts.moved += moved.length;
    const asked = new Map(moves.map((move) => [`${move.user}:${move.conversation}`, move]));
    for (const { user, conversation } of moved) {
      const { informs = [], paced } = asked.get(`${user}:${conversation}`) ?? {};
      for (const to of informs) if (to !== user) this.inform({ to, user, conversation, paced });
    }
  }

  /** Writes what waits of a user's plain client, if something does. */
  async noted(user: number): Promise<void> {
    await (this.plain.has(user) ? this.writeAfter(true) : this.writing);
  }

  /** Forgets what waits: it is of another history. */
  forget(): void {
    this.waiting.clear();
    this.next.clear();
  }

  /** Writes all that waits, once. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.writing;
    while (this.waiting.size > 0) {
      const before = this.waiting.size;
      await this.writeAfter(true);
      if (this.waiting.size >= before) return;
    }
  }

  async close(): Promise<void> {
    await this.flush();
    this.closed = true;
    clearTimeout(this.timer);
  }
}
