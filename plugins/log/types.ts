import type { StoredMessage } from '../../sql/messages.js';
import type { ChatError } from '../errors.js';

/** Who hears what became of a send: exactly one of the two, once. */
export interface Sender {
  /** Whether the sender wants to know how far its messages got. */
  readonly wantsReceipts: boolean;
  onStored(message: StoredMessage): void;
  onFailed(clientId: string | undefined, error: ChatError): void;
}

/** Whom something is said to: a user, or those in a conversation. */
export type Target = { user: number } | { conversation: number };

/** A message that somebody asks to be stored. */
export interface Send {
  from: number;
  target: Target;
  /** The sender's own id, if it gave one. */
  clientId: string | undefined;
  content: string;
  sender: Sender;
}

/** A message just stored, on its way. */
export interface Arrival extends StoredMessage {
  /** Whether it was stored before, and may have been delivered then. */
  again: boolean;
  /** Whether the sender wants receipts. */
  receipts: boolean;
}

/** A message just stored, and who asked for that: they know of it. */
export interface Delivery {
  message: Arrival;
  senders: readonly Sender[];
}

/** What the log tells the hub. */
export interface LogListener {
  /** Messages that were stored, in the order of the log. */
  onStored(deliveries: readonly Delivery[]): void;
}
