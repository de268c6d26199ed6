import type { BaseLogger } from 'pino';
import type { Token } from '../../schemas/token.js';
import type { ChangedMessage, HeldPlace } from '../../sql/changes.js';
import type { End, Member } from '../../sql/conversations.js';
import type { Move, Waiting } from '../../sql/cursors.js';
import type { Head } from '../../sql/heads.js';
import type { LastPage, Position, StoredMessage } from '../../sql/messages.js';
import type { Proof, Standing } from '../../sql/standings.js';
import type { Clock } from '../clock.js';

/** `to` is to hear that `user` has received or read more of a conversation. */
export interface Change {
  to: number;
  user: number;
  conversation: number;
  /** Not more than once a second: they are told of several users. */
  paced?: boolean | undefined;
}

/** A client of a user has come further in a conversation. */
export interface Arrived extends Move {
  /** Who hears of that, of those who wrote. */
  informs: Iterable<number>;
  /** Not more than once a second. */
  paced?: boolean | undefined;
}

/** What a connection asks the log for. Each throws ChatError `overloaded` where the database can't answer now. */
export interface Reader {
  /** How far each conversation of a user goes. */
  ends(user: number): Promise<End[]>;
  /** The same of those of two; undefined where a plain connection with a higher number has begun. */
  plainEnds(user: number, number: number): Promise<Position[] | undefined>;
  /** The same of all, with the messages at these positions and how far its user's devices have them. */
  standings(user: number, proofs: readonly Proof[]): Promise<Standing[]>;
  /** When the messages at these places were stored, in milliseconds since 1970; undefined where there is none for the user. */
  times(user: number, places: readonly Position[]): Promise<(number | undefined)[]>;
  /** How far these conversations go, for who isn't given them. */
  heads(user: number, conversations: readonly number[]): Promise<Head[]>;
  /** Where the last page of each of these groups begins for a user. */
  lastPages(user: number, conversations: readonly number[]): Promise<LastPage[]>;
  /** What has changed of what a user holds, each conversation in order. */
  changes(user: number, places: readonly HeldPlace[], limit: number): Promise<ChangedMessage[]>;
  /** What comes after positions of a user, each conversation in order. */
  after(user: number, positions: readonly Position[], limit: number): Promise<StoredMessage[]>;
  /**
   * What waits for a plain client, oldest first, past what it was given of each conversation and up to where its connection began;
   * `bytes` of content at most, though always one.
   */
  waiting(
    user: number,
    places: ReadonlyMap<number, number>,
    given: ReadonlyMap<number, number>,
    limit: number,
    bytes: number,
  ): Promise<Waiting>;
  /** Everything up to these positions has arrived. @returns whom else that concerns, where it was news */
  arrived(user: number, positions: readonly Position[]): Promise<Member[]>;
}

/** What a connection asks for. It knows nothing else of the instance that it belongs to. */
export interface Port {
  readonly log: Pick<BaseLogger, 'warn' | 'error'>;
  /** What silences are judged by. */
  readonly clock: Pick<Clock, 'now'>;
  /** Has what is written wait for the end of the turn. */
  readonly turn: Turn;
  /** The frame of a message, or its text, as the extended clients of a user are given it; those of how far conversations go. */
  readonly frames: {
    of(message: StoredMessage, user: number): Buffer | string;
    heads(heads: readonly Head[]): Buffer[];
  };
  /** Names the installation; clients that hold another one's messages begin afresh. */
  readonly epoch: string;
  readonly reader: Reader;
  /** Ids of the users with a connection to this instance, ascending. */
  users(): number[];
  /** What a connection was written has arrived: that is noted soon, and then senders told that want to know. */
  confirmed(arrived: Arrived): void;
  /** Tells `to`, soon, how far `user` has received and read. */
  informOf(change: Change): void;
  /** Has `requestPong` called as soon as the connection may ping. */
  pingSoon(one: Pinging): void;
  /** Has `pump` called in a moment. */
  pumpLater(one: Pumping): void;
  /** Has `tellHeads` called as soon as the connection may tell its client. */
  headsSoon(one: Telling): void;
  /** Has `closeGap` called once a missing message had its time to come by itself. */
  watchGap(one: Gapped): void;
}

export interface Flushing {
  flush(): void;
}
export interface Telling {
  readonly isGone: boolean;
  readonly mayTellHeads: boolean;
  tellHeads(): void;
}
/** A turn of the event loop. */
export interface Turn {
  /** Has `flush` called at the end of the turn. */
  add(one: Flushing): void;
}
export interface Pinging {
  readonly mayPing: boolean;
  requestPong(): void;
}
export interface Pumping {
  pump(): void;
}
export interface Gapped {
  closeGap(): void;
}

/** Whose connection it is. */
export interface Who {
  user: number;
  username: string;
  /** What lets it in. */
  token: Token;
  /** The user's newest connection has the highest. */
  number: number;
  /** Whether it suffers no other connection of the user of which this is true. */
  alone: boolean;
}

/** The client's end of the line. */
export interface Transport {
  /** Whether frames still go out. */
  readonly isOpen: boolean;
  /** Whether it is cut. */
  readonly isGone: boolean;
  /** Bytes that the client hasn't read, as far as they are kept in this process. */
  readonly unsent: number;
  /** Whether it has more than the system takes: the connection's `onDrain` is called once it hasn't. */
  readonly isFull: boolean;
  /** Writes whole frames. */
  write(bytes: Buffer): void;
  /** Stops and goes on reading from the client. */
  pause(): void;
  resume(): void;
  /** Says goodbye with a close frame. */
  close(code: number, reason: string): void;
  /** Cuts it. */
  terminate(): void;
}
