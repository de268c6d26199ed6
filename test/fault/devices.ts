/** Each device of a user gets everything: that one of them has it is not enough. */
import type { Diary } from './diary.js';
import { type Ledger, type Message, placeOf } from './ledger.js';

/** A message that a device of its sender or its receiver never heard of. */
interface Missing {
  message: Message;
  user: number;
}

const key = ({ conversation, seq }: { conversation: number; seq: number }) => `${conversation}:${seq}`;

/** The messages that one device of a user heard of, and another never did. */
export function missingOnDevices(diaries: readonly Diary[], ledger: Ledger): Missing[] {
  return [...missingOnExtended(diaries, ledger), ...missingOnPlain(diaries, ledger)];
}

function missingOnExtended(diaries: readonly Diary[], { messages }: Ledger): Missing[] {
  const devices = new Map<number, Set<string>[]>();
  for (const { user, kind, entries } of diaries) {
    if (kind !== 'extended') continue;
    const had = new Set<string>();
    for (const entry of entries)
      if (/^(chat|sent|page|event)$/.test(entry.type) && 'seq' in entry && 'msgId' in entry)
        had.add(key(entry));
    devices.set(user, [...(devices.get(user) ?? []), had]);
  }
  return [...messages.values()].flatMap((message) => {
    const place = placeOf(message);
    if (place === undefined) return [];
    const { from, told, first } = message;
    const hearers = [...(told.length > 0 ? [from] : []), ...first.keys()];
    return hearers.flatMap((user) =>
      (devices.get(user) ?? []).filter((had) => !had.has(key(place))).map(() => ({ message, user })),
    );
  });
}

/** A plain device gets what others write to its user, from its first connection on. */
function missingOnPlain(diaries: readonly Diary[], { messages }: Ledger): Missing[] {
  return diaries.flatMap(({ user, kind, entries }) => {
    const since = entries.find(({ type }) => type === 'answered')?.at;
    if (kind !== 'plain' || since === undefined) return [];
    const had = new Set(
      entries.flatMap((entry) => (entry.type === 'live' || entry.type === 'row' ? [entry.content] : [])),
    );
    return [...messages.values()].flatMap((message) => {
      const { content, to, from, sends, first, deletedAt } = message;
      const isDue =
        deletedAt === undefined &&
        to === user &&
        from !== user &&
        first.has(user) &&
        (sends[0]?.at ?? 0) > since;
      return isDue && !had.has(content) ? [{ message, user }] : [];
    });
  });
}
