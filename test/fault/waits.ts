/** How long people waited, by what was broken meanwhile. */
import type { Evidence, Fault } from './diary.js';
import { isArrival, type Ledger, type Message, placeOf } from './ledger.js';
import { parks } from './many.js';

/** The longest wait while only this kind of fault was there, and while it was there among others. */
export interface Longest {
  alone: number;
  among: number;
}
type ByKind = Map<string, Longest>;

export interface Waits {
  /** A receiver had something to get and got nothing. */
  silence: ByKind;
  /** From the sender's first try to the first copy. */
  lateness: ByKind;
  /** From a client's reconnect until it had all that was known to be stored before. */
  catchUp: ByKind;
}

/** What a fault leaves to be mended after its end still counts as its own. */
const after = 1000;

function book(
  waits: ByKind,
  faults: readonly Fault[],
  { from, to, users, wait = to - from }: { from: number; to: number; users: number[]; wait?: number },
): void {
  const during = faults.filter(
    (fault) =>
      fault.from < to &&
      fault.to + after > from &&
      (!fault.users || users.some((user) => fault.users?.includes(user))),
  );
  const kinds = new Set(during.map(({ kind }) => kind));
  if (kinds.size === 0) kinds.add('none');
  for (const kind of kinds) {
    const longest = waits.get(kind) ?? { alone: 0, among: 0 };
    if (kinds.size === 1) longest.alone = Math.max(longest.alone, wait);
    else longest.among = Math.max(longest.among, wait);
    waits.set(kind, longest);
  }
}

const firstTry = (message: Message): number => message.sends[0]?.at ?? 0;

/** Between two arrivals at one receiver: how long the oldest message that came after them had been waiting. */
function silences(
  user: number,
  arrivals: number[],
  got: Message[],
  add: (from: number, to: number, sender: number) => void,
): void {
  const sorted = got
    .flatMap((message) => {
      const came = message.first.get(user);
      return came === undefined ? [] : [{ tried: firstTry(message), came, sender: message.from }];
    })
    .sort((a, b) => b.came - a.came);
  let oldest = { tried: Number.POSITIVE_INFINITY, sender: 0 };
  let next = 0;
  for (let index = arrivals.length - 1; index >= 0; index--) {
    const to = arrivals[index] ?? 0;
    for (let wait = sorted[next]; wait && wait.came >= to; wait = sorted[++next]) {
      if (wait.tried < oldest.tried) oldest = wait;
    }
    const from = Math.max(arrivals[index - 1] ?? 0, oldest.tried);
    if (from < to) add(from, to, oldest.sender);
  }
}

export function measure(
  { diaries, faults, many }: Evidence,
  { messages, absences }: Ledger,
  known: Map<Message, number>,
): Waits {
  const waits: Waits = { silence: new Map(), lateness: new Map(), catchUp: new Map() };
  const inbox = new Map<number, Message[]>();
  const showing = new Set(
    diaries.flatMap(({ user, entries }) => (entries.some(({ type }) => type === 'show') ? [user] : [])),
  );
  for (const message of messages.values()) {
    // Nobody says when what was done to a group was tried first.
    if (message.kind === 'event') continue;
    const place = message.to < 0 ? placeOf(message) : undefined;
    const group = place && many.get(place.conversation);
    const isSeldomShown = group !== undefined && parks(group);
    for (const [user, came] of message.first) {
      // Who was out gets it once they are back.
      if (place && absences.during(place.conversation, user, place.seq)) continue;
      // Who shows it at times only gets it then.
      if (isSeldomShown && showing.has(user)) continue;
      const users = [message.from, user];
      book(waits.lateness, faults, { from: firstTry(message), to: came, users });
      const list = inbox.get(user);
      if (list) list.push(message);
      else inbox.set(user, [message]);
    }
  }
  for (const { user, entries } of diaries) {
    const got = inbox.get(user) ?? [];
    const arrivals = entries.filter((entry) => isArrival(entry) && entry.from !== user).map(({ at }) => at);
    silences(user, arrivals, got, (from, to, sender) =>
      book(waits.silence, faults, { from, to, users: [user, sender] }),
    );
    let left: number | undefined;
    for (const entry of entries) {
      if (entry.type === 'close') left = entry.at;
      if (entry.type !== 'open' || left === undefined) continue;
      const { at } = entry;
      const owed = got
        .filter((message) => (known.get(message) ?? at) < at)
        .map(({ first }) => first.get(user) ?? 0);
      const last = owed.reduce((latest, came) => Math.max(latest, came), at);
      if (last > at) book(waits.catchUp, faults, { from: left, to: last, users: [user], wait: last - at });
    }
  }
  return waits;
}
