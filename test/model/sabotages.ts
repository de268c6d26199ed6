/** Faults that were found once, each put back where it was. */
import type { Connection } from '../../plugins/connection/connection.js';
import type { Cursor, Verdict } from '../../plugins/connection/cursor.js';
import type { Parking } from '../../plugins/connection/parking.js';
import { isFor } from '../../plugins/message.js';
import type { StoredMessage } from '../../sql/messages.js';
import { ME } from './world.js';

/** Replaces how a connection's cursor judges what comes. */
function judging(
  connection: Connection,
  judge: (message: StoredMessage, cursor: Cursor) => Verdict | undefined,
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
      cursor.position(message.conversation) === 0 && isFor(ME, message) ? cursor.take(message) : undefined,
    ),
  'what get_offline gives is not noted': (connection) => {
    Reflect.set(connection, 'fetched', { set() {}, [Symbol.iterator]: () => [].values() });
  },
  'what waits for get_offline is pushed, too': (connection) => {
    const begin: (ends: Map<number, number>) => void = Reflect.get(connection, 'begin');
    Reflect.set(connection, 'begin', () => begin.call(connection, new Map()));
  },
  'a gap is not waited for': (connection) =>
    judging(connection, (message, cursor) =>
      message.seq > cursor.position(message.conversation) ? cursor.take(message) : undefined,
    ),
  'what is shown again is not read': (connection) => {
    const parking: Parking = Reflect.get(connection, 'parking');
    const show = parking.show.bind(parking);
    parking.show = (conversations) => show(conversations) && false;
  },
  'what is told is forgotten': (connection) => {
    const cursor: Cursor = Reflect.get(connection, 'cursor');
    cursor.sent = () => 'drop';
  },
};
