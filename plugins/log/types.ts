import type { Beside } from '../../sql/beside.js';
import type { StoredMessage, Target } from '../../sql/messages.js';
import type { ChatError } from '../errors.js';

/** Who hears what became of a send: exactly one of the two, once. */
export interface Sender {
  /** Whether the sender wants to know how far its messages got. */
  readonly wantsReceipts: boolean;
  onStored(message: StoredMessage): void;
  onFailed(clientId: string | undefined, error: ChatError): void;
}

/** A message that somebody asks to be stored. */
export interface Send {
  from: number;
  /** A conversation may be one of two, too. */
  target: Target;
  /** The sender's own id, if it gave one. */
  clientId: string | undefined;
  content: string;
  /** What is said beside it; of whom it mentions nothing counts in a conversation of two. */
  beside?: Beside | undefined;
  sender: Sender;
}

/** A message just stored, on its way. */
export interface Arrival extends StoredMessage {
  /** Whether it was stored before, and may have been delivered then. */
  again: boolean;
  /** Whether the sender wants receipts. */
  receipts: boolean;
}

/** A message that this replica has stored, and who is in its conversation, in no order. */
export interface Stored extends Arrival {
  members: readonly number[];
  /** Of the members of a conversation that isn't one of two; undefined where that isn't known. */
  version?: number | undefined;
  /** The transaction that stored it just now; undefined where that was another one, or isn't known. */
  xid?: number;
}

/** A message just stored, and who asked for that: they know of it. */
export interface Delivery {
  message: Stored;
  senders: readonly Sender[];
}

/** What the log tells the hub. */
export interface LogListener {
  /** Messages that were stored, in the order of the log. */
  onStored(deliveries: readonly Delivery[]): void;
}
