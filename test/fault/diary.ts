/**
 * What a client writes down, in the order in which it saw it. The checker knows a run from these alone, so nothing
 * here comes from the server's code. Times are milliseconds of one clock for the whole run; `connection` counts the
 * connections of one client from 1.
 */
import type { Many } from './many.js';

interface Line {
  at: number;
  connection: number;
}

/** A message as a client got it. */
interface Got extends Line {
  from: number;
  /** A user, or the address of a conversation of more than two. */
  to: number;
  content: string;
}

type Connect = Line & { type: 'connect'; replica: string };
/** `port` is the client's own: the proxy knows the connection by it. */
type Open = Line & { type: 'open'; port: number };
/** `own`: the client ended it. */
type Close = Line & { type: 'close'; code: number; own: boolean };
/** `n` counts the messages of one sender to one receiver; plain clients have no `id`. */
export type Send = Line & {
  type: 'send';
  to: number;
  n: number;
  content: string;
  id?: string;
  /** Users whom it mentions. */
  mentions?: readonly number[];
};
export type Failed = Line & { type: 'error'; code: string; text: string; retryable?: boolean; id?: string };

/** Told that it was not stored, its sender never sends it again. */
type GaveUp = Line & { type: 'gave-up'; id: string };

/** A plain client's first `get_offline` of a connection has its answer: what it said after that is taken, too. */
type Answered = Line & { type: 'answered' };

/**
 * A message as it is since its last change; `change` is 0 of one that never changed. Its reactions are one text: each kind with those
 * who reacted, in the server's order.
 */
export interface State {
  change: number;
  content: string;
  edited: boolean;
  deleted: boolean;
  reactions: string;
  pinned: boolean;
}

/** A plain client's live frame, and its row of an `offline_list`. */
export type Live = Got & { type: 'live' };
export type Row = Got & { type: 'row'; msgId: number };

/** A number in a conversation and the message that has it. */
export interface Place {
  conversation: number;
  seq: number;
  msgId: number;
}
/** `state` is there of what has changed. */
export type Chat = Got & Place & { type: 'chat'; id?: string; state?: State };
export type Sent = Line & Place & { type: 'sent'; id: string; to: number };
/** What was done to a group: to whom, where the action is about people. */
export interface Done {
  action: string;
  users: readonly number[];
}
/** It has no content of its own: all who hear of it name it by what was done, and where. */
export const nameOf = ({ action, users }: Done, { conversation, seq }: Pick<Place, 'conversation' | 'seq'>) =>
  `${action} ${users.join()} at ${conversation}:${seq}`;
export type Event = Got & Place & { type: 'event'; done: Done };

/** Read over HTTP: after a `reset` that named the conversation, a `joined`, or one's own removal. */
export type Page = Got & Place & { type: 'page'; done?: Done; state?: State };
/** In a group the client stands at a place now. */
type Joined = Line & { type: 'joined'; conversation: number; seq: number; hidden: boolean };

type Numbered = [conversation: number, n: number][];
/** `changes`: up to which change it knows each conversation, where that is past 0. */
type Sync = Line & { type: 'sync'; positions: Numbered; changes?: Numbered };
type Synced = Line & { type: 'synced' };
type Reset = Line & { type: 'reset'; conversation?: number; seq?: number; change?: number };

/** What a client wants of a message that it holds. */
export type Wish =
  | { does: 'edit'; content: string; base: number }
  | { does: 'delete' }
  | { does: 'react'; emoji: string; on: boolean }
  | { does: 'pin'; on: boolean };
/** It asks for that; again with the same id as long as it isn't answered. */
export type Ask = Line & Pick<Place, 'conversation' | 'seq'> & { type: 'ask'; id: string; wish: Wish };
/** A message has changed; with an `id` it is the answer to what was asked. */
export type Changed = Line & Place & { type: 'changed'; state: State; id?: string; fromChange?: number };
/** The same of what was asked over HTTP: the message as it is then. */
export type Settled = Line & Place & { type: 'settled'; state: State; id: string };
/** What an edit that came too late was answered: the message as it is. */
type Conflict = Line & Place & { type: 'conflict'; state: State };
/** The client stands at this change. */
type Changes = Line & { type: 'changes'; conversation: number; change: number };
/** It says that it shows these conversations, as the `nth` time, and no others; and the server has taken that in. */
export type Show = Line & { type: 'show'; nth: number; conversations: readonly number[] };
type Shown = Line & { type: 'shown'; nth: number };
/** How far a conversation goes that it isn't given; `stored` is when the message there was; `mention`, where the user was mentioned. */
export type Head = Line & {
  type: 'head';
  conversation: number;
  seq: number;
  stored?: number;
  mention?: number;
};
type Receipt = Line & {
  type: 'receipt';
  conversation: number;
  user: number;
  delivered: number;
  read: number;
};
/** A frame that the protocol doesn't have, or one that is not for this client. */
type Odd = Line & { type: 'odd'; text: string };

export type Entry =
  | Connect
  | Open
  | Close
  | Send
  | Failed
  | GaveUp
  | Answered
  | Live
  | Row
  | Chat
  | Sent
  | Page
  | Event
  | Joined
  | Sync
  | Synced
  | Reset
  | Ask
  | Changed
  | Settled
  | Conflict
  | Changes
  | Show
  | Shown
  | Head
  | Receipt
  | Odd;

export interface Diary {
  user: number;
  kind: 'plain' | 'extended';
  entries: Entry[];
}

/** One fault that was done. `users`: whom it can have touched; without, everybody. */
export interface Fault {
  kind: string;
  from: number;
  to: number;
  users?: readonly number[];
}

/**
 * A time in which something could not answer whatever it is made of: a stopped replica, PostgreSQL away, a stalled
 * line (by the client's port), the run's own process too busy to look. A plain sender has no receipts and can't tell
 * such a line from one that works, so its second of silence doesn't run then.
 */
export interface Away {
  what: 'postgres' | 'replica' | 'line' | 'us';
  name: string;
  from: number;
  to: number;
}

/** A message as history answers it. */
export interface PageMessage extends Place {
  from: number;
  to: number;
  content: string;
  done?: Done;
  state?: State;
  /** When, in milliseconds since 1970. */
  stored?: number;
}
/** Each conversation as its people can read it afterwards. */
export type History = Map<number, PageMessage[]>;

/** A change of who is in a group, as its owner asked for it, one after the other in each group. */
export interface Change {
  conversation: number;
  user: number;
  does: 'added' | 'removed';
  /** When it was asked for first. */
  begun: number;
  /** When it was known to be done; undefined if never. */
  answered: number | undefined;
}

/** What one member finds in a group over HTTP afterwards. */
export interface View {
  conversation: number;
  user: number;
  seqs: readonly number[];
  /** The end of it, as the list says. */
  last: number;
}

/** All that is known of a run. */
export interface Evidence {
  diaries: Diary[];
  /** Who is in the conversations of more than two. */
  many: Many;
  changes: readonly Change[];
  faults: Fault[];
  away: Away[];
  /** When it ended: connections still open then were closed by the run. */
  until: number;
  /** When everybody was to show everything. */
  shownAll?: number;
  history?: History;
  views?: readonly View[];
  /** The places that are pinned in each conversation, as its people find them listed. */
  pins?: ReadonlyMap<number, readonly number[]>;
}
