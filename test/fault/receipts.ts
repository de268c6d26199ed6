/** A receipt is a promise too: what it calls delivered is in the receiver's diary by then, and it only grows. */
import type { Diary } from './diary.js';
import { type Finding, type Ledger, placeOf } from './ledger.js';

interface Due {
  seq: number;
  /** When the receiver first had it; undefined if never. */
  came: number | undefined;
}

/** What each user was due in each conversation, by seq. */
function dues(diaries: readonly Diary[], { messages }: Ledger): Map<string, Due[]> {
  const found = new Map<string, Due[]>();
  // What is before a place that a client was put at is read later, and confirmed with what follows.
  const entered = new Map<string, { at: number; seq: number }[]>();
  for (const { user, entries } of diaries)
    for (const entry of entries)
      if (entry.type === 'joined') {
        const key = `${entry.conversation} ${user}`;
        entered.set(key, [...(entered.get(key) ?? []), entry]);
      }
  for (const message of messages.values()) {
    const place = placeOf(message);
    if (!place) continue;
    for (const user of message.receivers) {
      const key = `${place.conversation} ${user}`;
      const list = found.get(key) ?? [];
      const first = message.first.get(user);
      const put = entered.get(key)?.find(({ seq }) => seq >= place.seq)?.at;
      // So is what is deleted before a plain client fetches it.
      const others = [put, first, message.deletedAt].filter((at) => at !== undefined);
      const came = others.length === 0 ? undefined : Math.min(...others);
      list.push({ seq: place.seq, came });
      found.set(key, list);
    }
  }
  for (const list of found.values()) list.sort((a, b) => a.seq - b.seq);
  return found;
}

/** How far a user has received and read. */
interface Far {
  delivered: number;
  read: number;
}

const further = (before: Far | undefined, { delivered, read }: Far): Far => ({
  delivered: Math.max(before?.delivered ?? 0, delivered),
  read: Math.max(before?.read ?? 0, read),
});

export function receipts(diaries: readonly Diary[], ledger: Ledger): Finding[] {
  const due = dues(diaries, ledger);
  const found: Finding[] = [];
  for (const { user, entries } of diaries) {
    // The furthest that came over any connection, and what each connection must not fall behind.
    const furthest = new Map<string, Far>();
    const lines = new Map<number, Map<string, Far>>();
    // How many of the dues an earlier receipt has covered.
    const covered = new Map<string, number>();
    for (const entry of entries) {
      // Two connections that are open at once may each tell of another moment: only what came before this one counts.
      if (entry.type === 'connect') lines.set(entry.connection, new Map(furthest));
      if (entry.type !== 'receipt') continue;
      const { connection, conversation, delivered, read, at } = entry;
      const key = `${conversation} ${entry.user}`;
      const line = lines.get(connection) ?? new Map<string, Far>();
      lines.set(connection, line);
      const last = line.get(key);
      if (last && (delivered < last.delivered || read < last.read)) {
        const what = `receipt ${delivered}/${read} after ${last.delivered}/${last.read} (${key})`;
        found.push({ what, user, at });
      }
      line.set(key, { delivered, read });
      furthest.set(key, further(furthest.get(key), entry));
      const list = due.get(key) ?? [];
      let index = covered.get(key) ?? 0;
      for (let next = list[index]; next && next.seq <= delivered; next = list[++index]) {
        if (next.came !== undefined && next.came <= at) continue;
        found.push({ what: `receipt ${delivered} of ${key}, which has not got ${next.seq}`, user, at });
      }
      covered.set(key, index);
    }
  }
  return found;
}
