/** Faults that were found once, each put back where it was. */
import type { Connection } from '../../plugins/connection/connection.js';
import type { Coming, Cursor, Verdict } from '../../plugins/connection/cursor.js';
import { isFor } from '../../plugins/message.js';
import { ME } from './world.js';

/** Replaces how a connection's cursor judges what comes. */
function judging(
  connection: Connection,
  judge: (message: Coming, cursor: Cursor) => Verdict | undefined,
): void {
  const cursor: Cursor = Reflect.get(connection, 'cursor');
  const arrived = cursor.arrived.bind(cursor);
  cursor.arrived = (message) => judge(message, cursor) ?? arrived(message);
}

export const SABOTAGES: Record<string, (connection: Connection) => void> = {
  'a copy of an own message counts as told': (connection) =>
    judging(connection, (message, cursor) => (message.from === ME ? cursor.sent(message) : undefined)),
  'the first message of a conversation is given, whatever came before it': (connection) =>
    judging(connection, (message, cursor) =>
      cursor.position(message.conversation) === undefined && isFor(ME, message)
        ? cursor.take(message)
        : undefined,
    ),
  'what get_offline gives is not noted': (connection) => {
    const cursor: Cursor = Reflect.get(connection, 'cursor');
    const give: (...args: unknown[]) => boolean = Reflect.get(connection, 'giveOffline');
    Reflect.set(connection, 'giveOffline', (...args: unknown[]) => {
      const { take } = cursor;
      cursor.take = () => 'give';
      const more = give.apply(connection, args);
      cursor.take = take;
      return more;
    });
  },
  'what is on its way is not told from what is read': (connection) => {
    Reflect.set(connection, 'knownIds', () => new Set());
  },
  'a gap is not waited for': (connection) =>
    judging(connection, (message, cursor) =>
      message.seq > (cursor.position(message.conversation) ?? 0) ? cursor.take(message) : undefined,
    ),
  'what is told is forgotten': (connection) => {
    const cursor: Cursor = Reflect.get(connection, 'cursor');
    cursor.sent = () => 'drop';
  },
};
