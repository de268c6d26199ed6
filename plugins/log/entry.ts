import type { NewMessage, StoredMessage } from '../../sql/messages.js';
import { otherOf } from '../message.js';
import type { Sender } from './types.js';

/** A message on its way into the log, and those that asked for the very same. */
export interface Entry extends NewMessage {
  senders: Sender[];
}

/** Names a message by what its sender says of it. */
export const idKey = ({ from, to, clientId }: NewMessage): string => `${from}:${to}:${clientId}`;

/** The same of one that is stored. */
export const storedKey = (message: StoredMessage): string =>
  `${message.from}:${otherOf(message)}:${message.clientId}`;

/** Names the conversation of two users. */
export const pairKey = ({ from, to }: { from: number; to: number }): string =>
  from < to ? `${from}:${to}` : `${to}:${from}`;

/** Begins the ids that the log gives to messages without one; a client's own can't begin so. */
export const OURS = '~';
export const isOurs = (clientId: string): boolean => clientId.startsWith(OURS);
