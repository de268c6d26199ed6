import { type Relation, relationsOf } from '../../sql/contacts.js';
import { Cache } from '../cache.js';
import { within } from '../db/failure.js';
import type { Asker } from '../db/lanes.js';
import { gathered } from '../gathered.js';

/** Users whose relations are kept, in each of two generations, and bytes. */
const USERS = 20_000;
const BYTES = 8_388_608;
/** Bytes of one of them, and of each number in it, about. */
const OWN_BYTES = 400;
const NUMBER_BYTES = 40;

const NOBODY: ReadonlySet<number> = new Set();
const NO_RELATION: Relation = { version: 0, blockers: NOBODY, closed: NOBODY };

/** Who keeps whom out: what the database said is kept until a ring says that it may be another by now. */
export class Relations {
  private readonly known = new Cache<number, Relation>(
    { entries: USERS, bytes: BYTES },
    ({ blockers, closed }) => OWN_BYTES + NUMBER_BYTES * (blockers.size + closed.size),
  );
  /** Those that are asked for, so that an answer from before a ring isn't kept. */
  private readonly asking = new Map<number, Promise<Relation>>();
  private readonly load: (user: number) => Promise<Relation | undefined>;

  constructor(lanes: Asker) {
    this.load = gathered((users: number[]) => within(lanes, (sql) => relationsOf(sql, users)));
  }

  forget(user: number): void {
    this.known.delete(user);
    this.asking.delete(user);
  }

  forgetAll(): void {
    this.known.clear();
    this.asking.clear();
  }

  /** What is known at this moment. */
  kept(user: number): Relation | undefined {
    return this.known.get(user);
  }

  /** @throws ChatError `overloaded` where the database can't answer now */
  async of(user: number): Promise<Relation> {
    for (;;) {
      const known = this.known.get(user);
      if (known !== undefined) return known;
      const asking = this.asking.get(user) ?? this.ask(user);
      const relation = await asking;
      // Forgotten meanwhile, it may be of before.
      if (this.known.get(user) === relation) return relation;
    }
  }

  private ask(user: number): Promise<Relation> {
    const asking = this.load(user).then(
      (found) => {
        const relation = found ?? NO_RELATION;
        if (this.asking.get(user) !== asking) return relation;
        this.asking.delete(user);
        this.known.set(user, relation);
        return relation;
      },
      (error: unknown) => {
        if (this.asking.get(user) === asking) this.asking.delete(user);
        throw error;
      },
    );
    this.asking.set(user, asking);
    return asking;
  }
}
