import type postgres from 'postgres';
import type { Sql } from '../../sql/handle.js';
import type { History } from './history.js';
import type { Hosts } from './hosts.js';

/** A client of the database with one connection. */
export type Client = postgres.Sql<{ bigint: number }>;

/** Milliseconds that a question may take, its wait for a lane included. */
const ASK_MS = 5000;
/** Questions that may wait for a lane; one more is refused at once. */
const WAITING = 10_000;

/** The database didn't answer in time: what was asked may still happen. */
export class DeadlineError extends Error {
  override name = 'DeadlineError';
}

/**
 * Waits for an answer no longer than a deadline.
 * @param ms milliseconds
 * @throws DeadlineError
 */
export async function deadline<T>(answer: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(`the database didn't answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([answer, over]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the server answered that a statement failed. */
const isRefused = (error: unknown) =>
  error instanceof Error && 'severity' in error && error.severity === 'ERROR';

interface Lane {
  client: Client;
  /** Whether its connection leads to the history that is known. */
  proven: boolean;
}

/** Through whom the database is asked. */
export interface Asker {
  /**
   * Asks the database.
   * @param question uses the connection that it is given until its promise has ended, and no longer
   * @param ms milliseconds after which the answer is of no use
   * @throws DeadlineError, and what the question throws
   */
  ask<T>(question: (sql: Sql) => Promise<T>, ms?: number): Promise<T>;
}

/**
 * A few connections to the database, each with one question at a time, so that none waits behind a slow one while another lane
 * is free. An answer that is late takes its connection with it: nothing goes on that nobody waits for, and a connection that died
 * without a word is given up by the first who asks on it.
 */
export class Lanes implements Asker {
  /** Questions given up since the start. */
  late = 0;
  private ended = false;
  private readonly lanes: Lane[];
  private readonly free: Lane[];
  private readonly waiting = new Set<(lane: Lane) => void>();
  private readonly waitingFirst = new Set<(lane: Lane) => void>();
  /** Has its turn before all others that wait. */
  readonly first: Asker = { ask: (question, ms) => this.answer(question, ms, this.waitingFirst) };

  /**
   * @param count lanes
   * @param open makes a client; it connects when it is first asked, and says when a connection of it is closed
   * @param options renewable: whether a client whose answer is late is replaced, rather than waited for; onLate: called when one
   *   was; history: what each connection has to prove before it is asked anything; hosts: those that `open` chooses from
   */
  constructor(
    count: number,
    private readonly open: (onClose: () => void) => Client,
    private readonly options: {
      renewable: boolean;
      onLate?: () => void;
      history?: History;
      hosts?: Hosts;
    },
  ) {
    this.lanes = Array.from({ length: count }, () => {
      const lane: Lane = { client: open(() => this.doubt(lane)), proven: false };
      return lane;
    });
    this.free = [...this.lanes];
  }

  /** Its next connection may lead to anything. */
  private doubt(lane: Lane): void {
    lane.proven = false;
    this.options.history?.doubt();
  }

  ask<T>(question: (sql: Sql) => Promise<T>, ms?: number): Promise<T> {
    return this.answer(question, ms, this.waiting);
  }

  private async answer<T>(question: (sql: Sql) => Promise<T>, ms = ASK_MS, row = this.waiting): Promise<T> {
    const by = performance.now() + ms;
    const lane = this.free.pop() ?? (await this.turn(ms, row));
    if (!lane.proven && this.options.hosts?.isLeft(lane.client)) this.replace(lane);
    const answer = this.isProven(lane) ? question(lane.client) : this.askProven(lane, question);
    try {
      const result = await deadline(answer, Math.max(by - performance.now(), 0));
      this.giveBack(lane);
      return result;
    } catch (error) {
      if (error instanceof DeadlineError) this.giveUp(lane, answer);
      else this.clean(lane, error);
      throw error;
    }
  }

  private isProven(lane: Lane): boolean {
    return lane.proven && this.options.history?.isOver !== true;
  }

  private async askProven<T>(lane: Lane, question: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await this.proven(lane);
    return question(client);
  }

  /** The client of a lane, once it has proven itself: where several servers may be meant, each is tried. */
  private async proven(lane: Lane): Promise<Client> {
    const { history, hosts } = this.options;
    for (let left = hosts?.count ?? 1; ; left--) {
      const { client } = lane;
      try {
        await history?.prove(client);
        // Given up meanwhile, the lane has another client.
        lane.proven = lane.client === client;
        return client;
      } catch (error) {
        if (isRefused(error)) throw error;
        hosts?.leave(client);
        if (left === 1 || this.ended || lane.client !== client || history?.isOver) throw error;
        this.replace(lane);
      }
    }
  }

  /** Waits for a free lane. */
  private turn(ms: number, row: Set<(lane: Lane) => void>): Promise<Lane> {
    if (row.size >= WAITING) return Promise.reject(new DeadlineError('too many wait for the database'));
    return new Promise((resolve, reject) => {
      const take = (lane: Lane) => {
        clearTimeout(timer);
        row.delete(take);
        resolve(lane);
      };
      const timer = setTimeout(() => {
        row.delete(take);
        reject(new DeadlineError(`the database was busy for ${ms} ms`));
      }, ms);
      row.add(take);
    });
  }

  private giveBack(lane: Lane): void {
    const [take] = this.waitingFirst.size > 0 ? this.waitingFirst : this.waiting;
    if (take === undefined) this.free.push(lane);
    else take(lane);
  }

  private giveUp(lane: Lane, answer: Promise<unknown>): void {
    this.late++;
    if (this.options.renewable) {
      this.replace(lane);
      this.giveBack(lane);
      this.options.onLate?.();
    } else
      answer.then(
        () => this.giveBack(lane),
        (error: unknown) => this.clean(lane, error),
      );
  }

  /**
   * Makes a lane ready for the next after an error. The client counts the rows of its answers on over an error, and over a broken
   * connection, until a statement completes: the next answer would begin with as many holes (postgres 3.4).
   */
  private clean(lane: Lane, error: unknown): void {
    if (!isRefused(error) && this.options.renewable) {
      this.replace(lane);
      this.giveBack(lane);
    } else
      lane.client`select where false`.then(
        () => this.giveBack(lane),
        () => this.giveBack(lane),
      );
  }

  private replace(lane: Lane): void {
    const old = lane.client;
    this.doubt(lane);
    lane.client = this.open(() => this.doubt(lane));
    // It answers what it was asked with an error, which nobody waits for.
    void old.end({ timeout: 0 });
  }

  /** Replaces what isn't in use: it may be as dead as the connection that was given up. */
  renew(): void {
    for (const lane of this.free) this.replace(lane);
  }

  async end(): Promise<void> {
    this.ended = true;
    await Promise.all(this.lanes.map(({ client }) => client.end({ timeout: 5 })));
  }
}
