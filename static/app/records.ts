import type { Conversation } from '../../schemas/conversation.js';
import type { Message } from '../../schemas/message.js';
import type { User } from '../../schemas/user.js';

/** A message on its way out. It stays here until the server has said that it is stored. */
export interface Outgoing {
  id: string;
  /** Order of typing, across tabs and restarts. */
  n: number;
  to_user_id: number;
  content: string;
  created_at: string;
  /** Why the server will never take it as it is; null while it may still go. */
  error: string | null;
}

interface Draft {
  user_id: number;
  text: string;
}

/** What is shown of a conversation before the server has answered. */
export interface Held {
  user: User;
  conversation_id: number | null;
  position: number;
  read_seq: number;
  unread: number;
  receipt: Conversation['receipt'];
  tail: Message[];
}

export interface Stores {
  outbox: Outgoing;
  drafts: Draft;
  threads: Held;
  meta: { key: string; value: string };
}

/** What the rest needs of the device's store. */
export interface Keeper {
  all<K extends keyof Stores>(name: K): Promise<Stores[K][]>;
  /** Null where it could not be written. */
  put<K extends keyof Stores>(name: K, value: Stores[K]): Promise<unknown>;
  remove(name: keyof Stores, key: string | number): Promise<unknown>;
}
