import type { FastifyBaseLogger } from 'fastify';
import { CHANGES, LIMITS } from '../../schemas/limits.js';
import {
  type Audience,
  audiencesOf,
  type ChangePage,
  type ChangePlace,
  readAllChanges,
} from '../../sql/changes.js';
import type { Bus } from '../bus/bus.js';
import { pack, type Ring } from '../bus/parcel.js';
import { Cache } from '../cache.js';
import { ChangeNews } from '../connection/change-news.js';
import type { Connection } from '../connection/connection.js';
import type { Db } from '../db/handle.js';
import type { Ownership } from './ownership.js';
import type { Registry } from './registry.js';
import type { Remote } from './remote.js';

/** Conversations whose last telling is remembered, in each of two generations; bytes of a member of one, about. */
const CONVERSATIONS = 20_000;
const MEMBER_BYTES = 8;
const AUDIENCE_BYTES = 200;
/** Conversations, and changed messages, that are read at once. */
const PLACES = 200;
const PAGE = 500;
/** Milliseconds until what could not be read is tried again. */
const AGAIN_MS = 1000;
/** Members up to which it is looked up which replicas have them; of more all replicas are told. */
const LOOKED_UP = 256;

/** What is told of changes. */
type Informed = Pick<Connection, 'deliverChanges' | 'terminate'>;

interface Waiting {
  /** When it is to be told, in milliseconds of `performance.now()`. */
  due: number;
  /** Whether this replica has stored it, and so tells the others. */
  own: boolean;
}

/**
 * Tells connections how messages change. A change is only a ring: what it rings for is read from the log, so that each replica tells
 * all changes of a conversation in their order, whoever stored them, each message as it is then, and a burst at once.
 */
export class Feed {
  private readonly told = new Cache<number, { change: number; next: number }>({ entries: CONVERSATIONS });
  private readonly audiences = new Cache<number, Audience>(
    { entries: CONVERSATIONS, bytes: LIMITS.rosterBytes },
    ({ members }) => AUDIENCE_BYTES + MEMBER_BYTES * members.length,
  );
  private readonly waiting = new Map<number, Waiting>();
  private telling: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private plannedFor = Number.POSITIVE_INFINITY;
  private closed = false;

  constructor(
    private readonly log: FastifyBaseLogger,
    private readonly db: Pick<Db, 'delivery'>,
    private readonly bus: Pick<Bus, 'broadcast'>,
    private readonly registry: Pick<Registry, 'has'> & { of(user: number): readonly Informed[] },
    private readonly ownership: Pick<Ownership, 'isElsewhere'>,
    private readonly remote: Pick<Remote, 'send'>,
    private readonly counts: { told: number },
  ) {}

  /** This replica has stored these changes of a conversation. */
  stored(ring: Ring): void {
    this.ring(ring, true);
  }

  /** Somebody has stored these, and tells others. */
  heard(ring: Ring): void {
    this.ring(ring, false);
  }

  private ring({ conversation, first, last }: Ring, own: boolean) {
    const told = this.told.get(conversation);
    if (told === undefined) this.told.set(conversation, { change: first - 1, next: 0 });
    else if (told.change >= last && !own) return;
    // So long ago that there is more to look at than what is to be told: who has that from then on reads it for themselves.
    else if (told.change < first - 1 - CHANGES.walk)
      this.told.set(conversation, { ...told, change: first - 1 });
    const before = this.waiting.get(conversation);
    if (before !== undefined) before.own ||= own;
    else this.waiting.set(conversation, { due: told?.next ?? 0, own });
    this.plan(this.waiting.get(conversation)?.due ?? 0);
  }

  /** Sees to it that what is due then is told. */
  private plan(due: number) {
    if (this.closed || this.telling !== undefined || due >= this.plannedFor) return;
    clearTimeout(this.timer);
    this.plannedFor = due;
    const start = () => {
      this.plannedFor = Number.POSITIVE_INFINITY;
      this.telling = this.tell().finally(() => {
        this.telling = undefined;
        let next = Number.POSITIVE_INFINITY;
        for (const waiting of this.waiting.values()) next = Math.min(next, waiting.due);
        this.plan(next);
      });
    };
    this.timer = setTimeout(start, Math.max(due - performance.now(), 0));
  }

  private changeTold(conversation: number): number {
    return this.told.get(conversation)?.change ?? 0;
  }

  /** Tells all that is due. */
  private async tell(): Promise<void> {
    const now = performance.now();
    const due = [...this.waiting].filter(([, waiting]) => waiting.due <= now).slice(0, PLACES);
    if (due.length === 0 || this.closed) return;
    // What rings from now on may be past what is read, and is told later.
    for (const [conversation] of due) {
      this.waiting.delete(conversation);
      this.told.set(conversation, { change: this.changeTold(conversation), next: now + CHANGES.gatherMs });
    }
    try {
      const places = due.map(([conversation]) => ({ conversation, after: this.changeTold(conversation) }));
      const pages = await this.db.delivery.ask((sql) => readAllChanges(sql, places, PAGE));
      // Later than what it is of: who is in it then was there, or isn't told.
      const ids = pages.map(({ conversation }) => conversation);
      const audiences = await this.db.delivery.ask((sql) =>
        audiencesOf(sql, ids, (conversation) => this.audiences.get(conversation)),
      );
      const full = pages.reduce((sum, { messages }) => sum + messages.length, 0) >= PAGE;
      for (const page of pages) {
        const audience = audiences.get(page.conversation);
        if (audience === undefined) continue;
        this.audiences.set(page.conversation, audience);
        this.give(page, audience);
      }
      if (full) this.goOn(due, pages.at(-1)?.conversation);
      await this.tellOthers(places.filter((_place, i) => due[i]?.[1].own === true));
    } catch (error) {
      this.log.debug({ err: error }, 'changes could not be told, trying again');
      for (const [conversation, waiting] of due)
        if (!this.waiting.has(conversation))
          this.waiting.set(conversation, { ...waiting, due: performance.now() + AGAIN_MS });
    }
  }

  /** A page was cut off in this conversation: there may be more of it, and of those after it. */
  private goOn(due: readonly (readonly [number, Waiting])[], cut: number | undefined) {
    const from = due.findIndex(([conversation]) => conversation === cut);
    for (const [conversation, waiting] of due.slice(Math.max(from, 0)))
      if (!this.waiting.has(conversation)) this.waiting.set(conversation, { ...waiting, due: 0 });
  }

  private give({ conversation, messages }: ChangePage, audience: Audience) {
    const { change: after = 0, next = 0 } = this.told.get(conversation) ?? {};
    const news = new ChangeNews(conversation, after, messages, audience);
    this.told.set(conversation, { change: news.end, next });
    for (const user of audience.members)
      for (const connection of this.registry.of(user)) {
        this.counts.told++;
        try {
          connection.deliverChanges(news);
        } catch (error) {
          // As with a message: its client comes back.
          this.log.error({ err: error, user }, 'a change could not be delivered');
          connection.terminate();
        }
      }
  }

  /** Rings at the other replicas that have members of these, which were told here up to some change before. */
  private async tellOthers(places: readonly ChangePlace[]) {
    const rings = places.map(({ conversation, after }) => {
      const last = this.told.get(conversation)?.change ?? after;
      const members = this.audiences.get(conversation)?.members ?? [];
      // What was told here already, since another replica rang first, may be news to a third.
      return { conversation, first: Math.min(after + 1, last), last, members };
    });
    const few = rings.filter(({ members }) => members.length <= LOOKED_UP);
    const many = rings.filter(({ members }) => members.length > LOOKED_UP);
    const away = few.flatMap(({ members, ...ring }) =>
      members
        .filter((to) => !this.registry.has(to) || this.ownership.isElsewhere(to))
        .map((to) => ({ to, ...ring })),
    );
    try {
      await this.remote.send(away, (list) => ({ rings: distinct(list) }));
      if (many.length > 0) await this.bus.broadcast(pack({ rings: distinct(many) }));
    } catch (error) {
      this.log.debug({ err: error }, 'changes are not told to other instances: repair will find them');
    }
  }

  /** Bytes of what is kept. */
  get bytes(): number {
    return this.audiences.bytes;
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.telling;
  }
}

/** Each conversation once. */
const distinct = (rings: readonly Ring[]): Ring[] => [
  ...new Map(
    rings.map(({ conversation, first, last }) => [conversation, { conversation, first, last }]),
  ).values(),
];
