import { randomBytes } from 'node:crypto';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import {
  type Block,
  conversationsAfter,
  layDown,
  lookForWork,
  putBlocks,
  type Reached,
  reach,
  type Text,
  takeUp,
  textsBehind,
  textsOf,
  type Work,
} from '../../sql/search-index.js';
import type { Asker } from '../db/lanes.js';
import { fold } from './fold.js';
import { BLOCK, Signs } from './signs.js';

/** Milliseconds from look to look, and to the next step while everything is gone through. */
const LOOK_MS = 1000;
const STEP_MS = 20;
/** Messages that are read at once, conversations of a step, and characters that are folded before others have their turn. */
const MESSAGES = 256;
const CONVERSATIONS = 200;
const CHARACTERS = 8192;
/** Milliseconds that a step may take up before it is looked again for what is new. */
const SLICE_MS = 500;

/** Milliseconds of a rest at most. */
const REST_MS = 1000;

/** Another replica has taken the work over. */
class Overtaken extends Error {}

/**
 * Reads the log behind everybody else, and keeps the blocks that searches read: one replica at a time does, and another goes on where it
 * ended. Whatever is written in blocks and not noted as done is found again.
 */
export class Indexer {
  /** Messages that were put into blocks since the start. */
  indexed = 0;
  /** Milliseconds that making them took, the database aside. */
  spentMs = 0;
  /** What part of all conversations is gone through, from 0 to 1, and how many seconds it is behind. */
  reach = 0;
  behind = 0;
  /** It rests so many times as long as it worked: who writes and reads has the machine. */
  rest = 7;
  private readonly holder = randomBytes(9).toString('base64url');
  private readonly signs = new Signs();
  private readonly stop = new AbortController();
  private working: Promise<void> | undefined;

  constructor(
    private readonly lanes: Asker,
    private readonly log: Pick<FastifyBaseLogger, 'debug'>,
  ) {}

  /** Begins to follow the log. */
  start(): void {
    this.working ??= this.follow();
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.working;
  }

  private async follow(): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      const hasMore = await this.step().catch((error: unknown) => {
        if (!(error instanceof Overtaken)) this.log.debug({ err: error }, 'could not index');
        return false;
      });
      await sleep(hasMore ? STEP_MS : LOOK_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** @returns whether there is more to be done */
  private async step(): Promise<boolean> {
    const work = await this.lanes.ask((sql) => lookForWork(sql, this.holder));
    this.reach = work.isPart ? 0 : reach(work.swept, work.last);
    this.behind = work.behind;
    const { moved, marks, isPart } = work;
    const isSweeping = isPart || work.swept !== undefined;
    if (!work.isFree || (moved.length === 0 && marks.length === 0 && !isSweeping)) return false;
    const mine = await this.lanes.ask((sql) => takeUp(sql, this.holder, isPart ? work.snapshot : undefined));
    if (mine === undefined) return false;
    await this.remake(mine, work);
    const from = isPart ? 0 : (work.swept ?? Number.MAX_SAFE_INTEGER);
    const [known, later] = [true, false].map((is) =>
      moved.filter(({ conversation }) => conversation <= from === is),
    );
    await this.index(mine, known ?? [], Number.POSITIVE_INFINITY);
    // These are gone through anyway: what is new in most of them is found at once nevertheless.
    await this.index(mine, later ?? [], SLICE_MS);
    const swept = isSweeping ? await this.sweep(mine, from) : undefined;
    await this.lanes.ask((sql) => layDown(sql, mine, { snapshot: work.snapshot, swept }));
    this.behind = 0;
    this.reach = reach(swept, work.last);
    return swept !== undefined || marks.length > 0;
  }

  /** Makes blocks anew whose texts were changed. */
  private async remake(mine: number, { marks }: Work): Promise<void> {
    if (marks.length === 0) return;
    const places = new Map(marks.map((mark) => [`${mark.conversation}:${mark.block}`, mark]));
    const texts = await this.lanes.ask((sql) => textsOf(sql, [...places.values()]));
    await this.put(
      mine,
      texts,
      marks.map(({ mark }) => mark),
    );
  }

  /** Puts into blocks what isn't in any of these conversations, for so many milliseconds. */
  private async index(mine: number, moved: readonly Reached[], atMost: number): Promise<void> {
    const since = performance.now();
    for (let left = moved; left.length > 0 && performance.now() - since < atMost; ) {
      const rest = left;
      const texts = await this.putBehind(mine, rest);
      const last = texts.at(-1)?.conversation;
      if (texts.length < MESSAGES) return;
      left = left.slice(left.findIndex(({ conversation }) => conversation === last));
    }
  }

  /** @returns up to where all conversations are gone through; undefined: all are */
  private async sweep(mine: number, from: number): Promise<number | undefined> {
    const since = performance.now();
    for (let swept = from; ; ) {
      const after = swept;
      const next = await this.lanes.ask((sql) => conversationsAfter(sql, after, CONVERSATIONS));
      if (next.length === 0) return undefined;
      for (let left = next; left.length > 0; ) {
        const rest = left;
        const texts = await this.putBehind(mine, rest);
        const at = texts.at(-1)?.conversation;
        left =
          texts.length < MESSAGES
            ? []
            : left.slice(left.findIndex(({ conversation }) => conversation === at));
        swept = (left[0]?.conversation ?? (next.at(-1)?.conversation ?? 0) + 1) - 1;
        if (performance.now() - since > SLICE_MS) return swept;
      }
    }
  }

  /** Puts some messages that aren't in blocks yet into some, and rests. */
  private async putBehind(mine: number, places: readonly Reached[]): Promise<Text[]> {
    const since = performance.now();
    const texts = await this.lanes.ask((sql) => textsBehind(sql, places, MESSAGES));
    await this.put(mine, texts, []);
    const ms = Math.min(this.rest * (performance.now() - since), REST_MS);
    await sleep(ms, undefined, { signal: this.stop.signal, ref: false });
    return texts;
  }

  private async put(mine: number, texts: readonly Text[], marks: readonly number[]): Promise<void> {
    if (texts.length === 0 && marks.length === 0) return;
    const blocks = await this.blocksOf(texts);
    if (!(await this.lanes.ask((sql) => putBlocks(sql, mine, blocks, marks)))) throw new Overtaken();
    this.indexed += texts.length;
  }

  private async blocksOf(texts: readonly Text[]): Promise<Block[]> {
    const blocks: Block[] = [];
    let since = performance.now();
    let folded = 0;
    for (let i = 0; i < texts.length; ) {
      const first = texts[i];
      if (first === undefined) break;
      const block = blockOf(first);
      let last = first;
      const at = { from: first.created_at.getTime(), to: first.created_at.getTime() };
      for (; i < texts.length; i++) {
        const text = texts[i];
        if (text === undefined || text.conversation !== first.conversation || blockOf(text) !== block) break;
        if (text.content !== '') this.signs.add(text.from_user_id, fold(text.content));
        folded += text.content.length;
        at.from = Math.min(at.from, text.created_at.getTime());
        at.to = Math.max(at.to, text.created_at.getTime());
        last = text;
      }
      blocks.push({
        conversation: first.conversation,
        block,
        indexed: last.seq - BLOCK * block,
        firstId: first.msg_id,
        lastId: last.msg_id,
        firstAt: at.from,
        lastAt: at.to,
        ...this.signs.take(),
      });
      if (folded < CHARACTERS) continue;
      folded = 0;
      this.spentMs += performance.now() - since;
      await turn();
      since = performance.now();
    }
    this.spentMs += performance.now() - since;
    return blocks;
  }
}

const blockOf = ({ seq }: Text): number => Math.floor((seq - 1) / BLOCK);
