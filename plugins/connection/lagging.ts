import { GROUPS } from '../../schemas/limits.js';
import type { End } from '../../sql/conversations.js';
import type { LastPage, Position } from '../../sql/messages.js';
import type { Cursor } from './cursor.js';

/** Groups that a client is brought into at once. */
const ENTERED = 100;

/** Conversations that go on past where a client stands, as last read. */
export class Lagging {
  private readonly ends: End[];
  /** Those in which more has changed than the client was told. */
  private changedEnds: End[];
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
  changed(rows: number): End[] {
    let n = 0;
    return this.changedEnds.filter(({ conversation, change = 0 }) => {
      const wanted = n < rows;
      n += change - this.cursor.change(conversation);
      return wanted;
    });
  }

  /** In these the client knows all changes. */
  takeChanged(ends: readonly End[]): void {
    const done = new Set(ends);
    this.changedEnds = this.changedEnds.filter((end) => !done.has(end));
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
