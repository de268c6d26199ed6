import { CHANGES, GROUPS } from '../../schemas/limits.js';
import type { End } from '../../sql/conversations.js';
import type { LastPage, Position } from '../../sql/messages.js';
import type { Cursor } from './cursor.js';

/** Groups that a client is brought into at once. */
const ENTERED = 100;

/**
 * Changes of a conversation that are looked at together: past `after` up to `until`. A message may have changed any number of times, of
 * which only the last is told, so that what is told is no bound of what is read.
 */
export interface Stretch extends End {
  after: number;
  until: number;
}

/** Conversations that go on past where a client stands, as last read. */
export class Lagging {
  private readonly ends: End[];
  /** Those in which more has changed than the client was told. */
  private changedEnds: End[];
  /** By conversation: up to which change the client needn't be told of more. */
  private readonly walked = new Map<number, number>();
  private readonly groups: ReadonlySet<number>;
  /** Groups where the client isn't far from the end, or was brought near. */
  private readonly near = new Set<number>();

  constructor(
    private readonly cursor: Cursor,
    ends: readonly End[],
  ) {
    this.ends = ends.filter(({ conversation, seq }) => seq > cursor.position(conversation));
    this.changedEnds = ends.filter(({ conversation, change = 0 }) => change > cursor.change(conversation));
    this.groups = new Set(
      this.ends.flatMap(({ conversation, grouped = false }) => (grouped ? [conversation] : [])),
    );
  }

  get isEmpty(): boolean {
    return this.ends.length === 0 && this.changedEnds.length === 0;
  }

  /** Those in which more has changed, as far as so many changes may go. What has changed is told before what is new is read. */
  changed(rows: number): Stretch[] {
    let n = 0;
    return this.changedEnds.flatMap((end) => {
      const { conversation, change = 0 } = end;
      const after = Math.max(this.cursor.change(conversation), this.walked.get(conversation) ?? 0);
      const wanted = n < rows;
      n += change - after;
      return wanted ? [{ ...end, after, until: Math.min(change, after + CHANGES.walk) }] : [];
    });
  }

  /** The client was given all of these. @returns those that were the last of their conversation: there it knows all changes */
  takeChanged(stretches: readonly Stretch[]): Stretch[] {
    for (const { conversation, until } of stretches) this.walked.set(conversation, until);
    const done = stretches.filter(({ until, change }) => until === change);
    const known = new Set(done.map(({ conversation }) => conversation));
    this.changedEnds = this.changedEnds.filter(({ conversation }) => !known.has(conversation));
    return done;
  }

  isGroup(conversation: number): boolean {
    return this.groups.has(conversation);
  }

  /** Groups of which the client lacks so much, or all, that it is to begin with the last page: some of them. */
  far(): number[] {
    if (this.near.size === this.groups.size) return [];
    const far = this.ends.filter(
      ({ conversation, seq }) =>
        this.groups.has(conversation) &&
        !this.near.has(conversation) &&
        (!this.cursor.knows(conversation) || seq - this.cursor.position(conversation) > GROUPS.behind),
    );
    return far.slice(0, ENTERED).map(({ conversation }) => conversation);
  }

  /**
   * The client stands where the last pages of these groups begin, unless it is further.
   * @param asked the groups
   * @param pages those that are there
   * @returns the places that are news to it
   */
  enter(asked: readonly number[], pages: readonly LastPage[]): LastPage[] {
    for (const conversation of asked) this.near.add(conversation);
    const news = pages.filter(
      ({ conversation, seq }) => !this.cursor.knows(conversation) || seq > this.cursor.position(conversation),
    );
    for (const { conversation, seq } of news) this.cursor.enter(conversation, seq);
    return news;
  }

  /** From where the next page is to be read, as far as so many rows may go. */
  wanted(rows: number): Position[] {
    const wanted: Position[] = [];
    for (let n = 0, i = 0; n < rows && i < this.ends.length; i++) {
      const { conversation, seq } = this.ends[i] ?? { conversation: 0, seq: 0 };
      const position = this.cursor.position(conversation);
      wanted.push({ conversation, seq: position });
      n += Math.max(seq - position, 0);
    }
    return wanted;
  }

  /**
   * Takes out the conversations that have nothing more, as a page says.
   * @param first the conversation that it begins with, if it has any
   * @param wanted how many it was asked of
   */
  takeDone(first: number | undefined, wanted: number): Position[] {
    const done = this.ends.findIndex(({ conversation }) => conversation === first);
    return this.ends.splice(0, done < 0 ? wanted : done);
  }
}
