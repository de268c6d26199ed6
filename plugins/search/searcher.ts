import { SEARCH } from '../../schemas/limits.js';
import {
  type Candidate,
  type Narrowed,
  type Read,
  readBlocks,
  scanBlocks,
  type Told,
  tellOf,
} from '../../sql/search.js';
import { within } from '../db/failure.js';
import type { Asker } from '../db/lanes.js';
import type { Query } from './query.js';
import { type Wanted, wanted } from './signs.js';

/** Messages that the first range of a search spans, whosoever they are, and how much wider the next one is where little was in it. */
const FIRST_WIDTH = 4096;
const WIDER = 4;
/** Blocks that are looked at by one statement, more or less: what else is asked is not to wait long. */
const STEP = 8192;
/** Blocks whose texts are read at once: first so many, and then so many. */
const AT_ONCE = 24;
const LATER = 48;
/** Milliseconds by which clocks of replicas may differ. */
const SKEW_MS = 600_000;

/** A message that has what is searched. */
interface Match extends Read {
  /** Whether it has the very accents. */
  exact: boolean;
}

export type Hit = Match & Told;

export interface Results {
  /** Newest first. */
  hits: Hit[];
  /** Messages below this number are still to be searched; undefined where none is. */
  next: number | undefined;
  /** How far back it went, in milliseconds since 1970; undefined where there was nothing. */
  back: number | undefined;
}

/**
 * Searches a user's conversations, newest first, range by range of numbers of messages, until there are enough hits, or so much is read
 * that somebody should say whether to go on.
 */
export class Search {
  private readonly hits: Match[] = [];
  private readonly wanted: Wanted;
  private readonly since = performance.now();
  /** Blocks that were looked at, and whose texts were read; characters of these. */
  private looked = 0;
  private read = 0;
  private characters = 0;
  private back: number | undefined;

  constructor(
    private readonly lanes: Asker,
    private readonly query: Query,
    private readonly by: Narrowed,
    private readonly limit: number,
  ) {
    this.wanted = wanted(query.folded, by.from);
  }

  /** @param before number of a message: what is older is searched; undefined: all */
  async run(before: number | undefined): Promise<Results> {
    let high = before;
    for (let width = FIRST_WIDTH; ; ) {
      const [above, span] = [high, width];
      const scan = await within(this.lanes, (sql) => scanBlocks(sql, this.by, this.wanted, above, span));
      this.looked += scan.read;
      const low = await this.look(scan.candidates, scan);
      if (low !== undefined) return this.results(low);
      if (scan.oldest !== null) this.back = Math.min(this.back ?? Infinity, scan.oldest.getTime());
      if (scan.low <= 1 || this.isTooOld(scan.newest)) return this.results(undefined);
      high = scan.low;
      if (this.hits.length >= this.limit || this.isEnough) return this.results(high);
      if (scan.candidates.length >= AT_ONCE) continue;
      const wide = (STEP * (scan.high - scan.low)) / Math.max(scan.read, 1);
      width = Math.max(FIRST_WIDTH, Math.floor(Math.min(width * WIDER, wide)));
    }
  }

  /** Whether so much is read that it goes on another time. */
  private get isEnough(): boolean {
    return (
      this.looked >= SEARCH.blocks ||
      this.read >= SEARCH.texts ||
      this.characters >= SEARCH.characters ||
      performance.now() - this.since >= SEARCH.milliseconds
    );
  }

  /** Whether nothing older can be new enough. */
  private isTooOld(newest: Date | null): boolean {
    const { after } = this.by;
    return after !== undefined && newest !== null && newest.getTime() < Date.parse(after) - SKEW_MS;
  }

  /**
   * Reads the texts of blocks, the newest first.
   * @returns the number of a message from which on all are found, where it ended before it had read all; undefined where it has
   */
  private async look(
    candidates: Candidate[],
    { low, high }: { low: number; high: number },
  ): Promise<number | undefined> {
    const left = candidates.sort((x, y) => y.lastId - x.lastId);
    while (left.length > 0) {
      const some = left.splice(0, this.read === 0 ? AT_ONCE : LATER);
      const messages = await within(this.lanes, (sql) => readBlocks(sql, this.by, { low, high }, some));
      this.read += some.length;
      for (const message of messages) {
        this.characters += message.content.length;
        const match = this.query.matches(message.content);
        if (match !== undefined) this.hits.push({ ...message, exact: match === 'exact' });
      }
      const next = left[0];
      if (next === undefined) return undefined;
      // What is newer than all that is left is found; but it has to have come further.
      const from = Math.min(next.lastId + 1, high);
      const found = this.hits.filter(({ msgId }) => msgId >= from).length;
      if (found >= this.limit || (this.isEnough && from < high)) return from;
    }
    return undefined;
  }

  /** @param from what is older is still to be searched */
  private async results(from: number | undefined): Promise<Results> {
    const sorted = this.hits
      .filter(({ msgId }) => from === undefined || msgId >= from)
      .sort((x, y) => y.msgId - x.msgId);
    const page = sorted.slice(0, this.limit);
    const told = new Map<number, Told>();
    if (page.length > 0)
      for (const one of await within(this.lanes, (sql) => tellOf(sql, this.by.user, page)))
        told.set(one.msg_id, one);
    const hits = page.flatMap((match) => {
      const about = told.get(match.msgId);
      return about === undefined ? [] : [{ ...match, ...about }];
    });
    const oldest = hits.at(-1)?.created_at.getTime();
    if (sorted.length > page.length) return { hits, next: page.at(-1)?.msgId, back: oldest };
    const back = this.back === undefined ? oldest : Math.min(this.back, oldest ?? Infinity);
    return { hits, next: from, back };
  }
}
