/** A receipt is a promise too: what it calls delivered is in the receiver's diary by then, and it only grows. */
import type { Diary, Receipt } from './diary.js';
import { type Finding, type Ledger, placeOf } from './ledger.js';

interface Due {
  seq: number;
  /** When the receiver first had it; undefined if never. */
  came: number | undefined;
}

/** What each user was due in each conversation, by seq. */
function dues({ messages }: Ledger): Map<string, Due[]> {
  const found = new Map<string, Due[]>();
  for (const message of messages.values()) {
    const place = placeOf(message);
    if (!place) continue;
    const key = `${place.conversation} ${message.to}`;
    const list = found.get(key) ?? [];
    list.push({ seq: place.seq, came: message.copies[0]?.at });
    found.set(key, list);
  }
  for (const list of found.values()) list.sort((a, b) => a.seq - b.seq);
  return found;
}

export function receipts(diaries: readonly Diary[], ledger: Ledger): Finding[] {
  const due = dues(ledger);
  const found: Finding[] = [];
  for (const { user, entries } of diaries) {
    const before = new Map<string, Receipt>();
    // How many of the dues an earlier receipt has covered.
    const covered = new Map<string, number>();
    for (const entry of entries) {
      if (entry.type !== 'receipt') continue;
      const { conversation, delivered, read, at } = entry;
      const key = `${conversation} ${entry.user}`;
      const last = before.get(key);
      // What a stalled line of an earlier connection still held tells of how far it was then.
      if (last && entry.connection < last.connection) continue;
      before.set(key, entry);
      if (last && (delivered < last.delivered || read < last.read)) {
        const what = `receipt ${delivered}/${read} after ${last.delivered}/${last.read} (${key})`;
        found.push({ what, user, at });
      }
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
