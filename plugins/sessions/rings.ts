import type { FastifyBaseLogger } from 'fastify';
import { CLOSE } from '../../schemas/close.js';
import { lookAtRings, pruneSessions } from '../../sql/sessions.js';
import type { Bus } from '../bus/bus.js';
import { pack } from '../bus/parcel.js';
import type { Connection } from '../connection/connection.js';
import type { Asker } from '../db/lanes.js';
import type { Hub } from '../hub/hub.js';
import type { Standings } from './standings.js';

/** Milliseconds from one look at the rings to the next. */
const LOOK_MS = 1500;
/** Minutes that rings are kept, milliseconds from one pruning to the next, and rows that one statement deletes. */
const KEPT_MINUTES = 10;
const PRUNE_MS = 60_000;
const PRUNE_ROWS = 5000;
/** Users who are asked for at once where all have to be. */
const USERS = 1000;

/** Has every replica hear that what it keeps of a user may be another by now, and ends the connections that must not go on. */
export class Rings {
  /** Users whose connections are to be looked at again. */
  private readonly due = new Set<number>();
  private settling: Promise<void> | undefined;
  /** What the last look could see. */
  private snapshot: string | undefined;
  private looking: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private prunedAt = performance.now();
  private closed = false;

  /** @param onPrint told which secret an instance on this database signs with, the last that started */
  constructor(
    private readonly log: FastifyBaseLogger,
    private readonly lanes: Asker,
    private readonly bus: Bus,
    private readonly hub: Pick<Hub, 'users' | 'isHere' | 'connectionsOf'>,
    private readonly standings: Standings,
    private readonly onPrint: (print: string) => void,
  ) {}

  /** Looks for the first time, to know where later looks go on, and plans them. */
  async start(): Promise<void> {
    await this.look();
    this.plan();
  }

  private plan() {
    if (this.closed) return;
    this.timer = setTimeout(
      async () => {
        this.looking = this.look();
        await this.looking;
        this.plan();
      },
      LOOK_MS * (0.75 + Math.random() / 2),
    );
  }

  private async look() {
    try {
      const { snapshot, isPart, users, print } = await this.lanes.ask((sql) =>
        lookAtRings(sql, this.snapshot),
      );
      if (isPart) this.standings.forgetAll();
      this.heard(isPart ? this.hub.users() : users);
      this.snapshot = snapshot;
      if (print !== null) this.onPrint(print);
      await this.prune();
    } catch (error) {
      this.log.debug({ err: error }, 'could not look for ended sessions');
    }
  }

  private async prune() {
    if (performance.now() - this.prunedAt < PRUNE_MS) return;
    this.prunedAt = performance.now();
    while (!this.closed && (await this.lanes.ask((sql) => pruneSessions(sql, KEPT_MINUTES, PRUNE_ROWS))));
  }

  /** What was committed of these users is told to all replicas. One that doesn't hear of it finds it by its next look. */
  async ring(users: readonly number[]): Promise<void> {
    this.heard(users);
    await this.bus
      .broadcast(pack({ users }))
      .catch((error: unknown) => this.log.debug({ err: error }, 'a ring is not told'));
  }

  /** A replica has said so. */
  heard(users: readonly number[]): void {
    for (const user of users) {
      this.standings.forget(user);
      if (this.hub.isHere(user)) this.due.add(user);
    }
    this.settling ??= this.settle().finally(() => {
      this.settling = undefined;
    });
  }

  /** Looks at the connections of who is due, some at a time. Those who couldn't be asked for stay due until the next look. */
  private async settle() {
    const failed: number[] = [];
    while (this.due.size > 0 && !this.closed) {
      const users = [...this.due].slice(0, USERS);
      for (const user of users) this.due.delete(user);
      await Promise.all(
        users.map(async (user) => {
          try {
            for (const connection of this.hub.connectionsOf(user)) await this.recheck(connection);
          } catch {
            failed.push(user);
          }
        }),
      );
    }
    for (const user of failed) this.due.add(user);
  }

  /** Ends a connection whose token isn't valid any more. @throws ChatError `overloaded` where that can't be known now */
  async recheck(connection: Connection): Promise<void> {
    if (!(await this.standings.isValid(connection.token))) connection.close(CLOSE.expired);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.looking;
    await this.settling;
  }
}
