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
/** Messages of a conversation that are known to have come before one that is missing. */
const AHEAD = 64;
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
  /** The newest message that came here, up to where all came, what came past that, and up to where all was told. */
  seq: number;
  whole: number;
  readonly ahead: Set<number>;
  told: number;
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
    const isNewest = message.seq > crowd.seq;
    const { all, mentions } = message.beside ?? {};
    // One that comes late may mention somebody all the same.
    const isMention = (all !== undefined || mentions !== undefined) && lacks(crowd, message.seq);
    if (isMention) crowd.mentioning.push(message);
    if (isNewest || isMention) crowd.news = isNewest ? message : (crowd.news ?? message);
    came(crowd, message.seq);
  }

  /** Who of a conversation is here, by who is in it. */
  private known(conversation: number, size: number, { version, members }: Roster): Crowd {
    const before = this.crowds.get(conversation);
    if (before !== undefined && before.version >= version) return before;
    const crowd: Crowd = {
      ...{ seq: 0, whole: 0, ahead: new Set<number>(), told: 0 },
      ...{ news: undefined, mentioning: [], toldAt: Number.NEGATIVE_INFINITY },
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

  /** Whether all of a conversation came here up to a place, and who is to be told is, or will be. */
  knows(conversation: number, seq: number): boolean {
    return (this.crowds.get(conversation)?.whole ?? 0) >= seq;
  }

  private note(conversation: number, seq: number) {
    const crowd = this.crowds.get(conversation);
    if (crowd !== undefined) came(crowd, seq);
  }

  /** Whoever is to be told of a conversation was told of all that is in the log up to a place. */
  settle(conversation: number, seq: number): void {
    const crowd = this.crowds.get(conversation);
    if (crowd === undefined) return;
    crowd.told = Math.max(crowd.told, seq);
    for (const each of crowd.ahead) if (each <= seq) crowd.ahead.delete(each);
    if (seq > crowd.whole) advance(crowd, seq);
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
    // Where something hasn't come that is before it, it isn't all that there is to tell.
    const after = crowd.whole < seq ? seq : crowd.told;
    crowd.told = Math.max(crowd.told, Math.min(crowd.whole, seq));
    for (const connection of parked)
      connection.noteHead(
        mentioning.length === 0 ? head : { ...head, mention: newestOf(mentioning, connection.user) },
        after,
      );
  }
}

/** Whether a message hasn't come yet. */
const lacks = ({ whole, ahead }: Crowd, seq: number): boolean => seq > whole && !ahead.has(seq);

/** A message came here. Of too many that are ahead repair sees to it. */
function came(crowd: Crowd, seq: number) {
  crowd.seq = Math.max(crowd.seq, seq);
  if (seq === crowd.whole + 1) advance(crowd, seq);
  else if (seq > crowd.whole && crowd.ahead.size < AHEAD) crowd.ahead.add(seq);
}

/** All came up to a place, and what follows it that is here. */
function advance(crowd: Crowd, seq: number) {
  crowd.whole = seq;
  while (crowd.ahead.delete(crowd.whole + 1)) crowd.whole++;
}

/** The place of the newest of these that mentions a user. */
export const newestOf = (messages: readonly Mentioning[], user: number): number | undefined =>
  messages.reduce<number | undefined>((newest, message) => {
    const here = mentionIn(message, user);
    return here === undefined || (newest !== undefined && newest > here) ? newest : here;
  }, undefined);
