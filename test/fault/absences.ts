/** Who was out of a group, from where to where in its log. */
import type { Change, Done, Evidence, Place } from './diary.js';

/** What is past `left`, and before `back`, was said while they were out, or before they came. */
export interface Absence {
  left: number;
  /** Endless, as long as they haven't come back. */
  back: number;
  /** When somebody first asked that they go, and that they come back; endless where nobody did. */
  leaving: number;
  returning: number;
  /** When that was known to be done. */
  returned: number;
}

export type Doing = Pick<Place, 'conversation' | 'seq'> & { done: Done };

const keyOf = (conversation: number, user: number) => `${conversation} ${user}`;
const never = Number.POSITIVE_INFINITY;

/** How often and when it was asked that somebody goes or comes back, by group and user. */
function asked(changes: readonly Change[]): Map<string, Change[]> {
  const found = new Map<string, Change[]>();
  for (const change of changes) {
    const key = keyOf(change.conversation, change.user);
    found.set(key, [...(found.get(key) ?? []), change]);
  }
  return found;
}

export class Absences {
  readonly #many: Evidence['many'];
  readonly #asked: Map<string, Change[]>;
  readonly #of = new Map<string, Absence[]>();
  /** What was before who came by the first of all, where only those see it who were there. */
  readonly #before = new Map<string, Absence>();

  /** @param doings what is known to be done, in any order */
  constructor({ many, changes }: Pick<Evidence, 'many' | 'changes'>, doings: readonly Doing[]) {
    this.#many = many;
    this.#asked = asked(changes);
    const sorted = [...doings].sort((a, b) => a.seq - b.seq);
    for (const { conversation, seq, done } of sorted)
      for (const user of done.users) {
        const list = this.of(conversation, user);
        const last = list.at(-1);
        // What was asked the same number of times before is this change.
        const nth = (does: Change['does'], n: number) =>
          this.changesOf(conversation, user).filter((change) => change.does === does)[n];
        if (done.action === 'removed' && (last === undefined || last.back !== never)) {
          const leaving = nth('removed', list.length)?.begun ?? never;
          const absence = { left: seq, back: never, leaving, returning: never, returned: never };
          this.#of.set(keyOf(conversation, user), [...list, absence]);
        } else if (done.action === 'added' && last?.back === never) {
          const change = nth('added', list.length - 1);
          last.back = seq;
          last.returning = change?.begun ?? never;
          last.returned = change?.answered ?? never;
        } else if (done.action === 'added' && last === undefined && !this.#showsAll(conversation)) {
          const before = { left: 0, back: seq, leaving: 0, returning: 0, returned: 0 };
          this.#before.set(keyOf(conversation, user), before);
        }
      }
  }

  of(conversation: number, user: number): readonly Absence[] {
    return this.#of.get(keyOf(conversation, user)) ?? [];
  }

  changesOf(conversation: number, user: number): readonly Change[] {
    return this.#asked.get(keyOf(conversation, user)) ?? [];
  }

  /** The absence in which something was said. */
  during(conversation: number, user: number, seq: number): Absence | undefined {
    const before = this.#before.get(keyOf(conversation, user));
    const all = before === undefined ? this.of(conversation, user) : [before, ...this.of(conversation, user)];
    return all.find(({ left, back }) => left < seq && seq < back);
  }

  #showsAll(conversation: number): boolean {
    return this.#many.get(conversation)?.history === 'all';
  }

  /** Whether somebody is to find what is at a place, in the end. */
  sees(conversation: number, user: number, seq: number): boolean {
    const absence = this.during(conversation, user, seq);
    if (absence === undefined) return true;
    return this.#showsAll(conversation) && absence.back !== never;
  }

  /** Whether somebody may have been out at some time from one moment to another. */
  mayBeOut(conversation: number, user: number, from: number, to: number): boolean {
    const list = this.changesOf(conversation, user);
    return list.some(({ does, begun }, i) => {
      if (does !== 'removed' || begun > to) return false;
      const back = list[i + 1];
      return (back?.answered ?? never) >= from;
    });
  }
}
