import type { BaseLogger } from 'pino';
import { sizeOf } from '../../schemas/size.js';
import type { Roster } from '../../sql/append.js';
import { rosterOf } from '../../sql/conversations.js';
import type { Head, Mentioning } from '../../sql/heads.js';
import type { Connection } from '../connection/connection.js';
import type { Db } from '../db/handle.js';
import type { Arrival, Sender, Stored } from '../log/types.js';
import { mentionIn } from '../message.js';
import type { Registry } from './registry.js';

/** Conversations whose members are kept, and members of all of them. */
const CROWDS = 1000;
const MEMBERS = 500_000;
/** Messages that wait until it is known who is in their conversation; the others repair finds. */
const WAITING = 1000;
/** Milliseconds from one word to the next to those who haven't a conversation open. */
const HEAD_MS = 990;

/** Who of a conversation of many is here. */
interface Crowd {
  readonly version: number;
  /** Bits of schemas/size.ts. */
  readonly size: number;
  readonly members: ReadonlySet<number>;
  /** Who is given its messages, and who is told how far it goes. */
  readonly live: Set<Connection>;
  readonly parked: Set<Connection>;
  /** The newest message that came here. */
  seq: number;
  /** What is to be told, and what of it mentions somebody. */
  news: Arrival | undefined;
  mentioning: Mentioning[];
  /** When that was last done, by the clock. */
  toldAt: number;
}

/** A message whose conversation's members aren't known yet. */
interface Waiting {
  message: Arrival;
  version: number | undefined;
}

/**
 * Hands messages on in conversations of so many that nobody looks for each member with each message: who of them is here is kept, by
 * the version of their members, so that a message costs what those cost who have it open.
 */
export class Crowds {
  private readonly crowds = new Map<number, Crowd>();
  private members = 0;
  /** By conversation: what waits until it is known who is in it. */
  private readonly waiting = new Map<number, Waiting[]>();

  constructor(
    private readonly log: Pick<BaseLogger, 'debug'>,
    private readonly db: Pick<Db, 'delivery'>,
    private readonly registry: Registry,
    private readonly give: (connection: Connection, message: Arrival) => void,
  ) {}

  /** A message was stored by this replica. @param senders who know of it */
  onStored(message: Stored, senders: readonly Sender[]): void {
    const { conversation, members, version, size = 0 } = message;
    if (version !== undefined)
      return this.hand(this.known(conversation, size, { version, members }), message, senders);
    // What was done to the group has changed its members: these are who is to hear of it.
    for (const user of members) this.giveTo(user, message);
    this.note(conversation, message.seq);
  }

  /** Another replica has stored a message. @param version of who is in its conversation; undefined: another than before */
  onHeard(message: Arrival, version: number | undefined): void {
    const { conversation } = message;
    const waiting = this.waiting.get(conversation);
    if (waiting !== undefined) {
      if (waiting.length < WAITING) waiting.push({ message, version });
      return;
    }
    const crowd = this.crowds.get(conversation);
    if (crowd !== undefined && version !== undefined && version <= crowd.version)
      return this.hand(crowd, message, []);
    this.waiting.set(conversation, [{ message, version }]);
    void this.load(conversation);
  }

  /** Learns who is in a conversation, and hands on what waited for that. */
  private async load(conversation: number): Promise<void> {
    let late: Waiting[] = [];
    try {
      const roster = await this.db.delivery.ask((sql) => rosterOf(sql, conversation));
      const waiting = this.waiting.get(conversation) ?? [];
      if (roster !== undefined) {
        const crowd = this.known(conversation, sizeOf(roster.members.length, roster.channel), roster);
        late = waiting.filter(({ version = 0 }) => version > crowd.version);
        for (const one of waiting) if (!late.includes(one)) this.handNamed(crowd, one.message);
      }
    } catch (error) {
      this.log.debug({ err: error, conversation }, 'it is not known who is in it: repair will deliver');
    }
    if (late.length === 0) this.waiting.delete(conversation);
    else {
      this.waiting.set(conversation, late);
      await this.load(conversation);
    }
  }

  /** Hands a message on, and an event to whom it names, too: who isn't in it any more hears why. */
  private handNamed(crowd: Crowd, message: Arrival) {
    this.hand(crowd, message, []);
    if (message.event === undefined) return;
    for (const user of new Set([message.from, ...(message.event.user_ids ?? [])]))
      if (!crowd.members.has(user)) this.giveTo(user, message);
  }

  private giveTo(user: number, message: Arrival) {
    for (const connection of this.registry.of(user))
      if (!connection.isClosing) this.give(connection, message);
  }

  private hand(crowd: Crowd, message: Arrival, senders: readonly Sender[]) {
    for (const connection of crowd.live) {
      if (connection.isClosing || (senders.includes(connection) && connection.isToldOf(message))) continue;
      this.give(connection, message);
    }
    if (message.seq <= crowd.seq) return;
    crowd.seq = message.seq;
    crowd.news = message;
    if (message.beside?.all || message.beside?.mentions) crowd.mentioning.push(message);
  }

  /** Who of a conversation is here, by who is in it. */
  private known(conversation: number, size: number, { version, members }: Roster): Crowd {
    const before = this.crowds.get(conversation);
    if (before !== undefined && before.version >= version) return before;
    const crowd: Crowd = {
      ...{ seq: 0, news: undefined, mentioning: [], toldAt: Number.NEGATIVE_INFINITY },
      ...before,
      ...{
        version,
        size,
        members: new Set(members),
        live: new Set<Connection>(),
        parked: new Set<Connection>(),
      },
    };
    for (const user of members)
      for (const connection of this.registry.of(user)) this.placeIn(conversation, crowd, connection);
    this.drop(conversation);
    this.crowds.set(conversation, crowd);
    this.members += crowd.members.size;
    for (const [oldest, { news }] of this.crowds) {
      if (this.crowds.size <= CROWDS && this.members <= MEMBERS) break;
      if (oldest === conversation) break;
      if (news !== undefined) this.tellOf(oldest);
      this.drop(oldest);
    }
    return crowd;
  }

  private drop(conversation: number) {
    this.members -= this.crowds.get(conversation)?.members.size ?? 0;
    this.crowds.delete(conversation);
  }

  private placeIn(conversation: number, { size, live, parked }: Crowd, connection: Connection) {
    const isParked = connection.isParked(conversation, size);
    (isParked ? live : parked).delete(connection);
    (isParked ? parked : live).add(connection);
  }

  /** A connection has come, or its client shows something else. */
  place(connection: Connection): void {
    for (const [conversation, crowd] of this.crowds)
      if (crowd.members.has(connection.user)) this.placeIn(conversation, crowd, connection);
  }

  /** A connection is gone. */
  forget(connection: Connection): void {
    for (const { live, parked } of this.crowds.values()) {
      live.delete(connection);
      parked.delete(connection);
    }
  }

  /** Whether it is known here that a conversation goes so far, and who is to be told is, or will be. */
  knows(conversation: number, seq: number): boolean {
    return (this.crowds.get(conversation)?.seq ?? 0) >= seq;
  }

  private note(conversation: number, seq: number) {
    const crowd = this.crowds.get(conversation);
    if (crowd !== undefined) crowd.seq = Math.max(crowd.seq, seq);
  }

  /** Tells those who haven't it open how far each conversation goes, where that is news and some time has passed. */
  tell(now: number): void {
    for (const [conversation, crowd] of this.crowds) {
      if (crowd.news === undefined || now - crowd.toldAt < HEAD_MS) continue;
      crowd.toldAt = now;
      this.tellOf(conversation);
    }
  }

  private tellOf(conversation: number) {
    const crowd = this.crowds.get(conversation);
    if (crowd?.news === undefined) return;
    const { parked, mentioning } = crowd;
    const { seq, createdAt } = crowd.news;
    crowd.news = undefined;
    crowd.mentioning = [];
    const head: Head = { conversation, seq, at: createdAt, mention: undefined };
    for (const connection of parked)
      connection.noteHead(
        mentioning.length === 0 ? head : { ...head, mention: newestOf(mentioning, connection.user) },
      );
  }
}

/** The place of the newest of these that mentions a user. */
export const newestOf = (messages: readonly Mentioning[], user: number): number | undefined =>
  messages.reduce<number | undefined>((newest, message) => mentionIn(message, user) ?? newest, undefined);
