/** The rules of order: in a conversation, on a connection, and from a sender's hand into the log. */
import type { Chat, Diary, Event, Sent } from './diary.js';
import { type Finding, type Ledger, type Message, placeOf } from './ledger.js';
import { elapsed, type Span } from './owed.js';

/** How long a connection must have gone on after a frame for the frame to count as confirmed. */
const confirmed = 5000;

export interface OrderFindings {
  doubled: Finding[];
  outOfOrder: Finding[];
  /** Copies that plain clients got on a later connection, as they may. */
  repeated: number;
}

/**
 * An extended connection goes on from the positions of its `sync`, each conversation by one. A message of the
 * client's own counts: it is known by its `sent`, or comes as `chat`. By `joined` it stands further on in a group.
 */
export function extendedOrder({ user, entries }: Diary, found: OrderFindings): void {
  const connections = new Map<number, Map<number, number>>();
  const own = new Map<number, Set<number>>();
  const seqs = new Map<string, number>();

  function onChat(chat: Chat | Event): void {
    const { conversation, seq, content, at, connection } = chat;
    const where = `${conversation}:${seq} on connection ${connection}`;
    const positions = connections.get(connection);
    if (!positions) {
      found.outOfOrder.push({ what: `${where} before sync`, user, at, content });
      return;
    }
    const position = positions.get(conversation) ?? 0;
    let expected = position + 1;
    while (expected < seq && own.get(conversation)?.has(expected)) expected++;
    if (seq <= position) {
      found.doubled.push({ what: `${where} after position ${position}`, user, at, content });
      return;
    }
    if (seq !== expected) {
      found.outOfOrder.push({ what: `${where} after position ${position}`, user, at, content });
    }
    positions.set(conversation, seq);
    if (chat.type === 'chat' && chat.from === user) note(chat);
    const before = seqs.get(content);
    if (before !== undefined && before !== seq) {
      found.doubled.push({ what: `${where} and at ${before}`, user, at, content });
    }
    seqs.set(content, seq);
  }

  function note({ conversation, seq }: Sent | Chat): void {
    own.set(conversation, (own.get(conversation) ?? new Set()).add(seq));
  }

  for (const entry of entries) {
    const positions = connections.get(entry.connection);
    if (entry.type === 'sync') connections.set(entry.connection, new Map(entry.positions));
    else if (entry.type === 'chat' || entry.type === 'event') onChat(entry);
    else if (entry.type === 'sent') {
      note(entry);
      const { conversation, seq } = entry;
      if (positions && (positions.get(conversation) ?? 0) + 1 === seq) positions.set(conversation, seq);
    } else if (entry.type === 'joined') {
      const { conversation, seq } = entry;
      positions?.set(conversation, Math.max(seq, positions.get(conversation) ?? 0));
    } else if (entry.type === 'reset') {
      if (entry.conversation === undefined) connections.delete(entry.connection);
      else positions?.set(entry.conversation, entry.seq ?? 0);
    }
  }
}

/**
 * A plain client may get a message again only on another connection, and only if the first broke before it confirmed;
 * on one connection each sender's messages are in order among the live frames and among the rows.
 */
export function plainOrder(
  { user, entries }: Diary,
  { messages }: Ledger,
  connections: Map<number, Span>,
  found: OrderFindings,
): void {
  const first = new Map<string, { at: number; connection: number }>();
  const onConnection = new Set<string>();
  const heights = new Map<string, number>();

  /** Compares with the highest before it that it can be compared with. */
  function rise(key: string, height: number, content: string, at: number): void {
    const before = heights.get(key) ?? 0;
    if (height < before) {
      found.outOfOrder.push({ what: `${key}: ${height} after ${before}`, user, at, content });
    }
    heights.set(key, Math.max(height, before));
  }

  for (const entry of entries) {
    if (entry.type !== 'live' && entry.type !== 'row') continue;
    const { content, connection, at } = entry;
    if (onConnection.has(`${connection} ${content}`)) {
      found.doubled.push({ what: `twice on connection ${connection}`, user, at, content });
      continue;
    }
    onConnection.add(`${connection} ${content}`);
    const before = first.get(content);
    if (before) {
      found.repeated++;
      const span = connections.get(before.connection);
      if (span && elapsed(before.at, Math.min(span.to, at), span.windows, confirmed) !== undefined) {
        const what = `again on ${connection} though ${before.connection} went on for ${confirmed} ms`;
        found.doubled.push({ what, user, at, content });
      }
    } else {
      first.set(content, { at, connection });
    }
    const key = `${entry.type} from ${entry.from} on ${connection}`;
    if (entry.type === 'row') rise(`${key}, msg_id`, entry.msgId, content, at);
    const message = messages.get(content);
    if (!message) continue;
    const place = placeOf(message);
    const [send, ...again] = message.sends;
    if (place) rise(`${key}, seq`, place.seq, content, at);
    else if (send && again.length === 0) rise(`${key}, sent on ${send.connection}`, message.n, content, at);
  }
}

/** What was sent on one connection is stored in the order of sending; what was sent twice may have any of two places. */
export function storedOrder({ messages }: Ledger, found: OrderFindings): void {
  const lanes = new Map<string, Message[]>();
  for (const message of messages.values()) {
    const [send, ...again] = message.sends;
    if (!send || again.length > 0 || !placeOf(message)) continue;
    const lane = `${message.from}>${message.to}@${send.connection}`;
    const list = lanes.get(lane);
    if (list) list.push(message);
    else lanes.set(lane, [message]);
  }
  for (const [lane, list] of lanes) {
    let last = 0;
    for (const message of list.sort((a, b) => a.n - b.n)) {
      const seq = placeOf(message)?.seq ?? 0;
      const { content, from: user } = message;
      if (seq < last) {
        const what = `stored at ${seq} after ${last} (${lane})`;
        found.outOfOrder.push({ what, user, at: message.sends[0]?.at ?? 0, content });
      }
      last = Math.max(last, seq);
    }
  }
}
