/** What isn't shown: none of it comes, but how far it goes, and that is so. */

import { placeKey } from './asked.js';
import type { Diary, Entry, Evidence, Head, Show } from './diary.js';
import { type Finding, type Ledger, type Message, placeOf } from './ledger.js';
import { parks } from './many.js';

const raise = (map: Map<number, number>, conversation: number, seq = 0): void => {
  map.set(conversation, Math.max(seq, map.get(conversation) ?? 0));
};

export interface HeadFindings {
  /** Heads that aren't so, or step back, and what nobody was told of. */
  heads: Finding[];
  /** What came of a conversation that wasn't shown. */
  parked: Finding[];
}

/** The conversations that one connection isn't given. */
class Line {
  /** Undefined until it says what it shows. */
  shows: Show | undefined;
  /** When the server had taken that in. */
  since = Number.POSITIVE_INFINITY;
  synced = false;
  /** How far it has each conversation, and how far it knows that each goes. */
  readonly has: Map<number, number>;
  readonly known: Map<number, number>;
  /** Where its user was mentioned last, as heads say. */
  readonly mentions = new Map<number, number>();
  /** The furthest heads, of this connection or of one before. */
  readonly furthest: Map<number, number>;

  constructor(positions: Iterable<readonly [number, number]>, furthest: ReadonlyMap<number, number>) {
    this.has = new Map(positions);
    this.known = new Map(this.has);
    this.furthest = new Map(furthest);
  }

  parks(conversation: number): boolean {
    return this.shows !== undefined && !this.shows.conversations.includes(conversation);
  }
}

/** What moves what a client knows of how far a conversation goes. */
function toldOf(entry: Entry): { conversation: number; seq: number } | undefined {
  return /^(chat|event|sent|joined|reset|head)$/.test(entry.type) && 'conversation' in entry && 'seq' in entry
    ? { conversation: entry.conversation ?? 0, seq: entry.seq ?? 0 }
    : undefined;
}

/** Goes through a diary up to a moment. @returns the connection that was the last then, if it was still there */
function follow(
  { entries }: Diary,
  until: number,
  each: (entry: Entry, line: Line) => void = () => {},
): Line | undefined {
  const lines = new Map<number, Line>();
  const furthest = new Map<number, number>();
  let last: number | undefined;
  for (const entry of entries) {
    if (entry.at >= until) break;
    const { connection, type } = entry;
    if (type === 'connect') lines.set(connection, new Line([], furthest));
    const line = lines.get(connection);
    if (line === undefined) continue;
    each(entry, line);
    if (type === 'sync') {
      last = connection;
      for (const [conversation, seq] of entry.positions)
        for (const map of [line.has, line.known]) raise(map, conversation, seq);
    } else if (type === 'synced') {
      line.synced = true;
    } else if (type === 'show') {
      line.shows = entry;
      line.since = Number.POSITIVE_INFINITY;
    } else if (type === 'shown' && entry.nth === line.shows?.nth) {
      line.since = entry.at;
    } else if (type === 'close') {
      lines.delete(connection);
    } else if (type === 'head') {
      for (const heads of [furthest, line.furthest]) raise(heads, entry.conversation, entry.seq);
      raise(line.mentions, entry.conversation, entry.mention);
    }
    const told = toldOf(entry);
    if (!told) continue;
    raise(line.known, told.conversation, told.seq);
    // What it said itself may be ahead of what it has.
    if (type !== 'head' && type !== 'sent') raise(line.has, told.conversation, told.seq);
  }
  return last === undefined ? undefined : lines.get(last);
}

/** By conversation that isn't given to everybody: what stands there. */
function wideMessages({ many }: Evidence, { messages }: Ledger): Map<number, [seq: number, Message][]> {
  const found = new Map<number, [number, Message][]>();
  for (const message of messages.values()) {
    const place = placeOf(message);
    const group = place && many.get(place.conversation);
    if (place && group && parks(group))
      found.set(place.conversation, [...(found.get(place.conversation) ?? []), [place.seq, message]]);
  }
  return found;
}

const mentions = ({ from, sends }: Message, user: number): boolean =>
  from !== user && sends[0]?.mentions?.includes(user) === true;

/** Whoever doesn't show a conversation, and doesn't know how far it goes for them, or where they were mentioned last. */
export function untoldAt(evidence: Evidence, ledger: Ledger, moment: number): Finding[] {
  const { diaries, many } = evidence;
  const { absences } = ledger;
  const wide = wideMessages(evidence, ledger);
  // Once it is edited, or deleted, it may mention nobody.
  const changed = new Set(
    diaries.flatMap(({ entries }) =>
      entries.flatMap((entry) =>
        entry.type === 'ask' && /^(edit|delete)$/.test(entry.wish.does) ? [placeKey(entry)] : [],
      ),
    ),
  );
  return diaries.flatMap((diary) => {
    const { user } = diary;
    const line = follow(diary, moment);
    if (!line?.synced) return [];
    return [...wide].flatMap(([conversation, messages]) => {
      if (!many.get(conversation)?.members.includes(user) || !line.parks(conversation)) return [];
      const has = line.has.get(conversation) ?? 0;
      let [end, mention] = [0, 0];
      for (const [seq, message] of messages) {
        if (!absences.sees(conversation, user, seq)) continue;
        end = Math.max(end, seq);
        const isMention = mentions(message, user) && !absences.during(conversation, user, seq);
        if (isMention && seq > has && !changed.has(placeKey({ conversation, seq })))
          mention = Math.max(mention, seq);
      }
      const add = (what: string): Finding => ({ what: `${conversation} ${what}`, user, at: moment });
      const [known, named] = [line.known.get(conversation) ?? 0, line.mentions.get(conversation) ?? 0];
      return [
        ...(known < end ? [add(`goes to ${end}, and it was told of ${known}`)] : []),
        ...(named < mention ? [add(`mentions it at ${mention}, and it was told of ${named}`)] : []),
      ];
    });
  });
}

/** Whether a head is so: what it names is there, was said by then, and is of that time. */
function whatIsWrong(
  user: number,
  head: Head,
  { history }: Evidence,
  { messages }: Ledger,
): string | undefined {
  const { conversation, seq, stored, mention, at } = head;
  const rows = history?.get(conversation);
  if (rows === undefined) return undefined;
  const row = rows.find((one) => one.seq === seq);
  if (row === undefined) return `and it ends at ${rows.at(-1)?.seq ?? 0}`;
  const said = messages.get(row.content)?.sends[0]?.at ?? 0;
  if (said > at) return 'before that was said';
  if (stored !== undefined && row.stored !== undefined && stored !== row.stored)
    return `of ${stored}, and it is of ${row.stored}`;
  if (mention === undefined) return undefined;
  const named = messages.get(rows.find((one) => one.seq === mention)?.content ?? '');
  if (named === undefined || mention > seq || !mentions(named, user) || (named.sends[0]?.at ?? 0) > at)
    return `and it isn't mentioned at ${mention}`;
  return undefined;
}

export function headFindings(evidence: Evidence, ledger: Ledger): HeadFindings {
  const { diaries, many, shownAll } = evidence;
  const found: HeadFindings = {
    heads: shownAll === undefined ? [] : untoldAt(evidence, ledger, shownAll),
    parked: [],
  };
  for (const diary of diaries) {
    const { user } = diary;
    follow(diary, Number.POSITIVE_INFINITY, (entry, line) => {
      if (!('conversation' in entry) || entry.conversation === undefined) return;
      const { conversation, type, at, connection } = entry;
      const group = many.get(conversation);
      const isWide = group !== undefined && parks(group);
      if (type === 'head') {
        const { seq } = entry;
        const before = line.furthest.get(conversation) ?? 0;
        const wrong =
          line.shows === undefined || !isWide
            ? 'though it is given all of it'
            : seq < before
              ? `after ${before}`
              : whatIsWrong(user, entry, evidence, ledger);
        const what = `${conversation} goes to ${seq} on connection ${connection}, ${wrong}`;
        if (wrong !== undefined) found.heads.push({ what, user, at });
      } else if (isWide && line.parks(conversation) && isUnasked(entry) && line.since < firstSaid(entry)) {
        const what = `${type} of ${conversation} on connection ${connection}, which doesn't show it`;
        found.parked.push({ what, user, at, ...('content' in entry && { content: entry.content }) });
      }
    });
  }
  return found;

  /** When it was there at the earliest; what came after is sure to be later only of what was said. */
  function firstSaid(entry: Entry): number {
    if (entry.type !== 'chat') return entry.at;
    return ledger.messages.get(entry.content)?.sends[0]?.at ?? 0;
  }
}

/** What comes by itself, and not as an answer. */
const isUnasked = (entry: Entry): boolean =>
  /^(chat|event|receipt|joined|changes)$/.test(entry.type) ||
  (entry.type === 'changed' && entry.id === undefined);
