import type { FastifyBaseLogger } from 'fastify';
import { receiptsOf } from '../../sql/conversations.js';
import type { Change } from '../connection/port.js';
import type { Db } from '../db/handle.js';
import type { Ownership } from './ownership.js';
import type { Registry } from './registry.js';
import type { Remote } from './remote.js';

/** Milliseconds over which changes are gathered. */
const GATHER_MS = 50;
/** Milliseconds until what could not be told is tried again. */
const AGAIN_MS = 1000;
/** Changes that wait to be told; past them the next one tells. */
const CHANGES = 100_000;

/** Who has blocked a user: of them nothing is told to that user. */
export interface Hiding {
  knownBlockersOf(user: number): ReadonlySet<number> | undefined;
  /** @throws ChatError `overloaded` where that isn't known now */
  blockersOf(user: number): Promise<ReadonlySet<number>>;
}

const NOBODY: ReadonlySet<number> = new Set();

const keyOf = ({ to, user, conversation }: Change) => `${to}:${user}:${conversation}`;

/** `fromElsewhere`: another replica has said so, and sees to all others. */
type Told = Change & { fromElsewhere: boolean };

/** Tells people how far those whom they wrote to have received and read, and their other devices how far they have. */
export class Receipts {
  /** Set by the contacts. */
  hiding: Hiding = { knownBlockersOf: () => NOBODY, blockersOf: async () => NOBODY };
  private changes = new Map<string, Told>();
  /** When those were told that are told once a second, the oldest first, in milliseconds of `performance.now()`. */
  private readonly paced = new Map<string, number>();
  private telling = false;
  /** What could not be told, or not yet. */
  private readonly untold = new Map<string, Told>();
  private again: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly log: FastifyBaseLogger,
    private readonly db: Db,
    private readonly registry: Registry,
    private readonly ownership: Ownership,
    private readonly remote: Remote,
  ) {}

  /** Tells `to`, soon, how far `user` has received and read. */
  informOf(change: Change): void {
    this.add(change, false);
  }

  private add(change: Change, fromElsewhere: boolean) {
    if (this.closed || this.changes.size >= CHANGES) return;
    const key = keyOf(change);
    if (change.paced && this.isEarly(key)) return this.tellAgain([{ ...change, fromElsewhere }]);
    const before = this.changes.get(key);
    this.changes.set(key, { ...change, fromElsewhere: fromElsewhere && (before?.fromElsewhere ?? true) });
    if (this.telling) return;
    this.telling = true;
    setTimeout(() => void this.tell(), GATHER_MS);
  }

  /** Whether somebody was told of late. What isn't told now may be told in a moment, by whatever comes next. */
  private isEarly(key: string): boolean {
    const now = performance.now();
    for (const [oldest, at] of this.paced) {
      if (now - at < AGAIN_MS) break;
      this.paced.delete(oldest);
    }
    if (this.paced.has(key)) return true;
    this.paced.set(key, now);
    return false;
  }

  /** Of what another replica says, what concerns this one. */
  informHere(changes: readonly Change[]): void {
    for (const change of changes) if (this.registry.has(change.to)) this.add(change, true);
  }

  private async tell() {
    while (this.changes.size > 0 && !this.closed) {
      const changes = [...this.changes.values()];
      this.changes.clear();
      let untold: readonly Told[] = changes;
      try {
        await this.tellHere(changes);
        // Whoever has the connection reads for itself: what is read here may be late there.
        const away = changes.filter(
          ({ to, fromElsewhere }) =>
            !this.registry.has(to) || (!fromElsewhere && this.ownership.isElsewhere(to)),
        );
        untold = await this.remote.send(away, (list) => ({
          receipts: list.map(({ to, user, conversation }) => ({ to, user, conversation })),
        }));
      } catch (error) {
        this.log.debug({ err: error }, 'receipts could not be told, trying again');
      }
      this.tellAgain(untold);
    }
    this.telling = false;
  }

  /** Tries again in a moment: the bus or the database may be away, or the other replica may be late. */
  private tellAgain(changes: readonly Told[]) {
    if (changes.length === 0) return;
    for (const change of changes)
      if (this.untold.size < CHANGES) {
        const before = this.untold.get(keyOf(change));
        this.untold.set(keyOf(change), before?.fromElsewhere === false ? before : change);
      }
    this.again ??= setTimeout(() => {
      this.again = undefined;
      const due = [...this.untold.values()];
      this.untold.clear();
      for (const { fromElsewhere, ...change } of due) this.add(change, fromElsewhere);
    }, AGAIN_MS);
  }

  /** Reads how far it is now, so that nobody is told what isn't so, for those who can be told. */
  private async tellHere(changes: readonly Told[]) {
    const here = changes.flatMap((change) => {
      const connections = this.registry.of(change.to).filter(({ wantsReceipts }) => wantsReceipts);
      return connections.length > 0 ? [{ ...change, connections }] : [];
    });
    if (here.length === 0) return;
    const unknown = new Set(
      here.flatMap(({ to }) => (this.hiding.knownBlockersOf(to) === undefined ? [to] : [])),
    );
    await Promise.all([...unknown].map((to) => this.hiding.blockersOf(to)));
    const states = await this.db.delivery.ask((sql) => receiptsOf(sql, here));
    here.forEach(({ connections, fromElsewhere, ...change }, i) => {
      const state = states[i];
      if (state === undefined) return;
      const blockers = this.hiding.knownBlockersOf(change.to);
      // They may be others since a moment ago.
      if (blockers === undefined) this.add(change, fromElsewhere);
      if (blockers?.has(change.user) !== false) return;
      // Whoever has come back meanwhile may have been told more elsewhere than was read for the connection before.
      for (const connection of this.registry.of(change.to))
        if (!connections.includes(connection)) this.add(change, fromElsewhere);
        else connection.sendReceipt(change.conversation, change.user, state.delivered, state.read);
    });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.again);
  }
}
