import { isSameBeside } from '../../sql/beside.js';
import type { NewMessage, StoredMessage } from '../../sql/messages.js';
import type { Sender } from './types.js';

/** A message on its way into the log, and those that asked for the very same. */
export interface Entry extends NewMessage {
  senders: Sender[];
}

/** Names a message by what its sender says of it. */
export const idKey = ({ from, target, clientId }: NewMessage): string =>
  'user' in target ? `${from}:${target.user}:${clientId}` : `${from}:in ${target.conversation}:${clientId}`;

/** The same of one that is stored. */
export const storedKey = ({ from, to, conversation, clientId }: StoredMessage): string =>
  to === undefined ? `${from}:in ${conversation}:${clientId}` : `${from}:${to}:${clientId}`;

/** Whether two with one id say the same. */
export const isSame = (one: Said, other: Said): boolean =>
  one.content === other.content && isSameBeside(one.beside, other.beside);
type Said = Pick<NewMessage, 'content' | 'beside'>;

/** Begins the ids that the log gives to messages without one; a client's own can't begin so. */
export const OURS = '~';
export const isOurs = (clientId: string): boolean => clientId.startsWith(OURS);
