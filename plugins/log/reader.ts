import { GROUPS, LIMITS } from '../../schemas/limits.js';
import { type ChangedMessage, type HeldPlace, readChanges } from '../../sql/changes.js';
import { type End, lastSeqs, type Member, othersIn, plainLastSeqs } from '../../sql/conversations.js';
import { moveCursors, readWaiting, type Waiting } from '../../sql/cursors.js';
import { type Head, headsOf } from '../../sql/heads.js';
import { type LastPage, lastPages, type Position, type StoredMessage, timesOf } from '../../sql/messages.js';
import { readAfter } from '../../sql/packed.js';
import { type Comparing, type Proof, type Standing, standings } from '../../sql/standings.js';
import type { Reader } from '../connection/port.js';
import { within } from '../db/failure.js';
import type { Db } from '../db/handle.js';
import { gathered } from '../gathered.js';

/** Positions up to which who comes back is compared together with others, and how many of them: nobody waits for one who holds many. */
const TOGETHER = 200;
const COMPARED = 100;

/** Reads the log for connections, on lanes of their own. */
export class LogReader implements Reader {
  /** Of those who come back at a moment, as after a restart. */
  private readonly together: (asked: Comparing) => Promise<Standing[] | undefined>;

  constructor(private readonly db: Pick<Db, 'delivery' | 'history'>) {
    this.together = gathered(async (asked) => {
      const found = await this.compare(asked);
      return new Map(asked.map((one, i) => [one, found[i] ?? []]));
    }, COMPARED);
  }

  ends(user: number): Promise<End[]> {
    return within(this.db.delivery, (sql) => lastSeqs(sql, user));
  }

  plainEnds(user: number, number: number): Promise<Position[] | undefined> {
    return within(this.db.delivery, (sql) => plainLastSeqs(sql, user, number));
  }

  async standings(user: number, proofs: readonly Proof[]): Promise<Standing[]> {
    const asked = { user, proofs };
    if (proofs.length <= TOGETHER) return (await this.together(asked)) ?? [];
    const [found = []] = await this.compare([asked]);
    return found;
  }

  private compare(asked: readonly Comparing[]): Promise<Standing[][]> {
    return within(this.db.delivery, (sql) => standings(sql, asked));
  }

  async times(user: number, places: readonly Position[]): Promise<(number | undefined)[]> {
    return places.length === 0 ? [] : within(this.db.delivery, (sql) => timesOf(sql, user, places));
  }

  heads(user: number, conversations: readonly number[]): Promise<Head[]> {
    return within(this.db.delivery, (sql) => headsOf(sql, user, conversations));
  }

  lastPages(user: number, conversations: readonly number[]): Promise<LastPage[]> {
    return within(this.db.delivery, (sql) => lastPages(sql, user, conversations, GROUPS.lastPage));
  }

  changes(user: number, places: readonly HeldPlace[], limit: number): Promise<ChangedMessage[]> {
    return within(this.db.delivery, (sql) => readChanges(sql, user, places, limit));
  }

  async after(user: number, positions: readonly Position[], limit: number): Promise<StoredMessage[]> {
    const page = await within(this.db.delivery, (sql) => readAfter(sql, user, positions, limit));
    for (const message of page) this.db.history.saw(message);
    return page;
  }

  waiting(...asked: Parameters<Reader['waiting']>): Promise<Waiting> {
    return within(this.db.delivery, (sql) => readWaiting(sql, ...asked));
  }

  arrived(user: number, positions: readonly Position[]): Promise<Member[]> {
    return within(this.db.delivery, async (sql) => {
      const moved = await moveCursors(
        sql,
        positions.map(({ conversation, seq }) => ({ user, conversation, delivered: seq })),
      );
      if (moved.length === 0) return [];
      const conversations = moved.map(({ conversation }) => conversation);
      return othersIn(sql, user, conversations, LIMITS.toldMembers);
    });
  }
}
