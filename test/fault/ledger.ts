/** Puts the diaries side by side: each message with all that anybody wrote about it. */

import { Absences, type Doing } from './absences.js';
import { placeKey } from './asked.js';
import type {
  Chat,
  Diary,
  Event,
  Evidence,
  Failed,
  Live,
  Page,
  PageMessage,
  Place,
  Row,
  Send,
  Sent,
} from './diary.js';
import { addressOf } from './many.js';

/** Something that must not be: what, to whom and when. */
export interface Finding {
  what: string;
  user: number;
  at: number;
  content?: string;
}

export type Arrival = Live | Row | Chat | Page | Event;

export interface Message {
  content: string;
  from: number;
  /** A user, or the address of a conversation of more than two. */
  to: number;
  /** Who is to get it: the user, or all members that aren't plain but its sender, and are to see it. */
  receivers: readonly number[];
  n: number;
  id?: string;
  /** What was done to a group is there like a message, and owed to its owner too. */
  kind: Diary['kind'] | 'event';
  /** Of what was done to a group. */
  place?: Place;
  sends: Send[];
  /** What the sender was told, each time: `sent`, or its own message coming back. */
  told: (Sent | Chat | Page)[];
  /** The errors that its sender was told of it by its id. */
  errors: Failed[];
  /** When somebody asked that it be deleted, if it was: a plain client that hasn't fetched it gets nothing of it any more. */
  deletedAt: number | undefined;
  /** Its sender has given it up. */
  givenUp: boolean;
  /** Each copy that a receiver got, oldest first. */
  copies: Arrival[];
  /** When each receiver that has it first got it. */
  first: Map<number, number>;
}

export interface Ledger {
  messages: Map<string, Message>;
  /** Got by somebody, sent by nobody. */
  unsent: Finding[];
  absences: Absences;
}

export const isArrival = (entry: { type: string }): entry is Arrival =>
  /^(live|row|chat|page|event)$/.test(entry.type);

/** Where the message stands in its conversation, if anybody was told. */
export function placeOf(message: Message): Place | undefined {
  return message.place ?? message.told[0] ?? message.copies.find(isPlaced);
}

const isPlaced = (entry: Arrival): entry is Chat | Page | Event => 'seq' in entry;

type Deed = Pick<PageMessage, 'from' | 'to' | 'content'> & Place & { done: Doing['done'] };

/** What anybody, and the log, says was done to groups. */
function deedsOf({ diaries, history }: Evidence): Deed[] {
  const heard = diaries.flatMap(({ entries }) =>
    entries.filter((entry) => entry.type === 'event' || entry.type === 'page'),
  );
  const all = new Map<string, Deed>();
  for (const { done, ...rest } of [...heard, ...[...(history?.values() ?? [])].flat()])
    if (done !== undefined) all.set(rest.content, { ...rest, done });
  return [...all.values()];
}

function brief(content: string): string {
  return content.length > 40 ? `${content.slice(0, 40)}…` : content;
}

/** Where a deletion is known of, and when it was asked for first. */
function deletedPlaces({ diaries, history }: Evidence): Map<string, number> {
  const told = diaries.flatMap(({ entries }) =>
    entries.filter((entry) => entry.type === 'chat' || entry.type === 'page' || entry.type === 'changed'),
  );
  const all = [...told, ...[...(history?.values() ?? [])].flat()];
  const found = new Map<string, number>(
    all.flatMap((one) => (one.state?.deleted && one.state.change > 0 ? [[placeKey(one), 0] as const] : [])),
  );
  for (const { entries } of diaries)
    for (const entry of entries) {
      if (entry.type !== 'ask' || entry.wish.does !== 'delete') continue;
      const before = found.get(placeKey(entry));
      if (before !== undefined)
        found.set(placeKey(entry), before > 0 ? Math.min(before, entry.at) : entry.at);
    }
  return found;
}

export function gather(evidence: Evidence): Ledger {
  const { diaries, many } = evidence;
  const extended = new Set(diaries.flatMap(({ user, kind }) => (kind === 'extended' ? [user] : [])));
  const members = new Map(
    [...many].map(([conversation, group]) => [
      addressOf(conversation),
      group.members.filter((user) => extended.has(user)),
    ]),
  );
  const deeds = deedsOf(evidence);
  const absences = new Absences(evidence, deeds);
  const messages = new Map<string, Message>();
  const byId = new Map<string, Message>();
  const unsent: Finding[] = [];
  const idOf = (user: number, id: string) => `${user}/${id}`;

  for (const { user, kind, entries } of diaries) {
    for (const entry of entries) {
      if (entry.type !== 'send') continue;
      const known = messages.get(entry.content);
      if (known) {
        known.sends.push(entry);
        continue;
      }
      const { content, to, n, id } = entry;
      const message: Message = {
        ...{
          content,
          from: user,
          to,
          receivers: members.get(to)?.filter((member) => member !== user) ?? [to],
          n,
          kind,
          sends: [entry],
          told: [],
          errors: [],
          deletedAt: undefined,
          givenUp: false,
          copies: [],
          first: new Map(),
        },
      };
      messages.set(content, message);
      if (id === undefined) continue;
      message.id = id;
      byId.set(idOf(user, id), message);
    }
  }

  for (const { content, from, to, conversation, seq, msgId } of deeds) {
    const nothing = {
      ...{
        n: 0,
        sends: [],
        told: [],
        errors: [],
        deletedAt: undefined,
        givenUp: false,
        copies: [],
        first: new Map(),
      },
    };
    const place = { conversation, seq, msgId };
    const receivers = members.get(to) ?? [];
    messages.set(content, { ...nothing, kind: 'event', content, from, to, place, receivers });
  }

  for (const { user, entries } of diaries) {
    for (const entry of entries) {
      if (entry.type === 'sent') {
        const message = byId.get(idOf(user, entry.id));
        if (message && message.to === entry.to) message.told.push(entry);
        else unsent.push({ what: `sent for the unknown id ${entry.id}`, user, at: entry.at });
      } else if (entry.type === 'error' && entry.id !== undefined) {
        byId.get(idOf(user, entry.id))?.errors.push(entry);
      } else if (entry.type === 'gave-up') {
        const message = byId.get(idOf(user, entry.id));
        if (message) message.givenUp = true;
      } else if (isArrival(entry)) {
        const { content, at } = entry;
        const message = messages.get(content);
        if (!message || message.from !== entry.from || message.to !== entry.to) {
          const route = `${entry.from} to ${entry.to}`;
          unsent.push({ what: `nobody sent ${brief(content)} from ${route}`, user, at, content });
        } else if (message.receivers.includes(user)) {
          message.copies.push(entry);
          message.first.set(user, Math.min(at, message.first.get(user) ?? at));
        } else if (user !== message.from || entry.type === 'live' || entry.type === 'row') {
          unsent.push({ what: `${brief(content)} came to somebody else`, user, at, content });
        } else if (entry.type !== 'event') {
          message.told.push(entry);
        }
      }
    }
  }
  const deleted = deletedPlaces(evidence);
  for (const message of messages.values()) {
    message.copies.sort((a, b) => a.at - b.at);
    const there = placeOf(message);
    message.deletedAt = there && deleted.get(placeKey(there));
    if (message.deletedAt !== undefined)
      message.receivers = message.receivers.filter((user) => extended.has(user) || message.first.has(user));
    const place = message.to < 0 ? there : undefined;
    if (place === undefined) continue;
    const sees = (user: number) => absences.sees(place.conversation, user, place.seq);
    message.receivers = message.receivers.filter(sees);
    for (const user of message.first.keys()) if (!sees(user)) message.first.delete(user);
  }
  return { messages, unsent, absences };
}

/** A message has one place and one number, and a place or a number one message, whoever tells of it. */
export function contradictions({ messages }: Ledger): Finding[] {
  const found: Finding[] = [];
  const taken = new Map<string, string>();
  function claim(key: string, content: string, what: string, user: number, at: number): void {
    const holder = taken.get(key) ?? content;
    taken.set(key, holder);
    if (holder !== content) found.push({ what, user, at, content });
  }
  const conversations = new Map<number, Map<number, number>>();
  for (const message of messages.values()) {
    const { content, told, copies } = message;
    const first = placeOf(message);
    for (const own of told) {
      // What a plain device said got an id of the server's.
      if (own.type !== 'chat' || message.id === undefined || own.id === message.id) continue;
      found.push({ what: `own message with id ${own.id}`, user: message.from, at: own.at, content });
    }
    const places = [...told, ...copies.filter(isPlaced)];
    for (const entry of places) {
      const { conversation, seq, msgId, at } = entry;
      const user = told.some((other) => other === entry) ? message.from : (message.receivers[0] ?? 0);
      if (first && (first.conversation !== conversation || first.seq !== seq || first.msgId !== msgId)) {
        const before = `${first.conversation}:${first.seq} (${first.msgId})`;
        const now = `${conversation}:${seq} (${msgId})`;
        found.push({ what: `was ${before} and is ${now}`, user, at, content });
      }
      claim(`place ${conversation}:${seq}`, content, `second message at ${conversation}:${seq}`, user, at);
      const known = conversations.get(conversation) ?? new Map<number, number>();
      conversations.set(conversation, known.set(seq, msgId));
    }
    for (const entry of [...places, ...copies.filter((copy) => copy.type === 'row')]) {
      claim(
        `number ${entry.msgId}`,
        content,
        `second message with msg_id ${entry.msgId}`,
        message.from,
        entry.at,
      );
    }
    const rows = new Set(copies.flatMap((copy) => (copy.type === 'row' ? [copy.msgId] : [])));
    const at = copies[0]?.at ?? 0;
    const numbers = [...rows, ...(first ? [first.msgId] : [])];
    if (new Set(numbers).size > 1) {
      found.push({ what: `has msg_id ${numbers.join(' and ')}`, user: message.from, at, content });
    }
  }
  for (const [conversation, known] of conversations) {
    let last = 0;
    for (const [seq, msgId] of [...known].sort(([a], [b]) => a - b)) {
      const what = `msg_id ${msgId} at ${conversation}:${seq} is not above ${last} before it`;
      if (msgId <= last) found.push({ what, user: 0, at: 0 });
      last = msgId;
    }
  }
  return found;
}
