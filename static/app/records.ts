import type { Conversation } from '../../schemas/conversation.js';
import type { Group } from '../../schemas/group.js';
import type { Message } from '../../schemas/message.js';
import type { OwnSettings } from '../../schemas/settings.js';
import type { User } from '../../schemas/user.js';

/** What is to be done with a message that was said. `seq` is null until it is stored: then it is the one that goes as `of`. */
export type Alteration = { seq: number | null; of?: string | undefined } & (
  | { what: 'edit' /** The change of the state that it was made on. */; base: number }
  | { what: 'delete' }
  | { what: 'react'; emoji: string; on: boolean }
);

/** A message on its way out, or a change of one. It stays here until the server has said that it is stored. */
export interface Outgoing {
  id: string;
  /** Order of typing, across tabs and restarts. */
  n: number;
  /** Below zero a group: see `peer.ts`. */
  to_user_id: number;
  content: string;
  mentions?: number[] | undefined;
  mention_all?: true | undefined;
  reply_to?: number | undefined;
  /** It is a change of a message, and no message. */
  alters?: Alteration | undefined;
  created_at: string;
  /** Why the server will never take it as it is; null while it may still go. */
  error: string | null;
}

/** A message that is edited: by its place, or, while it isn't stored (`seq` is null), as the one that goes as `of`. */
export interface Edited {
  seq: number | null;
  of?: string | undefined;
  /** The change of the state that it is made on. */
  base: number;
}

interface Draft {
  /** Below zero a group, as above. */
  user_id: number;
  text: string;
  /** Who were chosen as mentioned, by the names that stand in the text; 0 for all. */
  named?: [string, number][] | undefined;
  /** The message that it answers. */
  reply_to?: number | undefined;
  /** What is edited in place of writing anew, and how far that is. */
  edits?: (Edited & { text: string }) | undefined;
}

/** What is shown of a conversation before the server has answered. */
export interface Held {
  /** Of a group its title stands for a name. */
  user: User;
  group?: Group | undefined;
  /** In a group what those are called who wrote the tail. */
  people?: User[] | undefined;
  conversation_id: number | null;
  position: number;
  /** When the message there was stored, in milliseconds since 1970; versions before didn't keep it. */
  at?: number | undefined;
  /** The last change that was told of, and when that was stored. */
  change?: number | undefined;
  changed_at?: number | undefined;
  read_seq: number;
  unread: number;
  /** Versions before didn't keep these two. */
  mentions?: number | undefined;
  settings?: OwnSettings | undefined;
  receipt: NonNullable<Conversation['receipt']>;
  tail: Message[];
}

export interface Stores {
  outbox: Outgoing;
  drafts: Draft;
  /** With the epoch that its numbers are of: a tab that hasn't heard of a newer one still writes. */
  threads: Held & { epoch: string };
  meta: { key: string; value: string };
}

/** One record to write or to take away. */
export type Change = {
  [K in keyof Stores]: { store: K; put: Stores[K] } | { store: K; remove: string | number };
}[keyof Stores];

/** What the rest needs of the device's store. */
export interface Keeper {
  /** Null where it can't be read: that is not the same as empty. */
  all<K extends keyof Stores>(name: K): Promise<Stores[K][] | null>;
  /** Writes all of them or none, at once; what fails is tried again. Resolves when the first try has ended. */
  write(...changes: Change[]): Promise<void>;
  /** Whether a change of this record isn't known to be written. */
  pending(store: keyof Stores, key: string | number): boolean;
}
