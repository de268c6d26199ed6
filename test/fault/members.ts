/** What who is out of a group is told, and what they say: nothing that is stored after the event that they went by. */
import type { Absences } from './absences.js';
import type { Entry, Evidence } from './diary.js';
import type { Finding, Ledger } from './ledger.js';

/** Where an entry tells its reader of something in a conversation, and whether it is the thing itself. */
function placeTold(entry: Entry): { conversation: number; seq: number; itself: boolean } | undefined {
  switch (entry.type) {
    case 'chat':
    case 'event':
    case 'page':
    case 'sent':
      return { conversation: entry.conversation, seq: entry.seq, itself: true };
    case 'joined':
      return { conversation: entry.conversation, seq: entry.seq, itself: false };
    case 'head':
      return { conversation: entry.conversation, seq: entry.seq, itself: false };
    case 'receipt':
      return { conversation: entry.conversation, seq: entry.delivered, itself: false };
    default:
      return undefined;
  }
}

/** What came to who was out, on any wire: while they were out, or at all where it is never to be theirs. */
export function leaked({ diaries, many, views, history }: Evidence, { absences }: Ledger): Finding[] {
  const found: Finding[] = [];
  for (const { user, entries } of diaries)
    for (const entry of entries) {
      const told = placeTold(entry);
      if (told === undefined || !many.has(told.conversation)) continue;
      const { conversation, seq, itself } = told;
      const absence = absences.during(conversation, user, seq);
      if (absence === undefined) continue;
      const isLate = entry.at >= absence.returning;
      if (isLate && (!itself || absences.sees(conversation, user, seq))) continue;
      const until = absence.back === Number.POSITIVE_INFINITY ? 'for good' : `until ${absence.back}`;
      const what = `${entry.type} of ${conversation}:${seq}, and was out from ${absence.left} ${until}`;
      found.push({ what, user, at: entry.at, ...('content' in entry && { content: entry.content }) });
    }
  for (const { conversation, user, seqs, last } of views ?? []) {
    const due = (history?.get(conversation) ?? []).filter(({ seq }) =>
      absences.sees(conversation, user, seq),
    );
    const [seen, theirs] = [seqs.join(), due.map(({ seq }) => seq).join()];
    const add = (what: string) => found.push({ what: `${conversation} over HTTP: ${what}`, user, at: 0 });
    if (seen !== theirs) add(`sees ${briefly(seqs)}, and is to see ${briefly(due.map(({ seq }) => seq))}`);
    if (last !== (due.at(-1)?.seq ?? 0)) add(`ends at ${last}, and is to end at ${due.at(-1)?.seq}`);
  }
  return found;
}

/** Numbers as stretches. */
function briefly(seqs: readonly number[]): string {
  const stretches: [number, number][] = [];
  for (const seq of seqs) {
    const last = stretches.at(-1);
    if (last && last[1] + 1 === seq) last[1] = seq;
    else stretches.push([seq, seq]);
  }
  return stretches.map(([from, to]) => `${from}-${to}`).join();
}

/** What is stored of who was out, what of it all stands before a change that was done by then, and changes that nobody asked for. */
export function trespasses({ history, many }: Evidence, { absences, messages }: Ledger): Finding[] {
  const found: Finding[] = [];
  for (const [conversation, { members }] of many) {
    const rows = history?.get(conversation);
    if (rows === undefined) continue;
    const logged = new Map<number, string[]>();
    const answered = new Map<number, number>();
    for (const { seq, done } of rows)
      for (const user of done?.users ?? []) {
        const list = logged.get(user) ?? [];
        // Not what they came in by when it was made.
        if (
          done === undefined ||
          !(done.action === 'removed' || (done.action === 'added' && list.length > 0))
        )
          continue;
        const change = absences.changesOf(conversation, user)[list.length];
        logged.set(user, [...list, done.action]);
        answered.set(seq, change?.answered ?? Number.POSITIVE_INFINITY);
      }
    for (const user of members) found.push(...unasked(absences, conversation, user, logged.get(user) ?? []));
    let known = Number.POSITIVE_INFINITY;
    for (const { seq, from: user, content } of [...rows].reverse()) {
      const at = messages.get(content)?.sends[0]?.at ?? 0;
      const add = (what: string) => found.push({ what: `${conversation}:${seq} ${what}`, user, at, content });
      if (absences.during(conversation, user, seq)) add('was said by somebody who was out');
      // Whoever says it: what was answered is before all that is said then.
      if (at > known) add(`was first sent after a change that stands behind it was answered`);
      known = Math.min(known, answered.get(seq) ?? known);
    }
  }
  return found;
}

/** Whether what was done with somebody, as the log has it, is what was asked: the last may be done or not. */
function unasked(absences: Absences, conversation: number, user: number, logged: string[]): Finding[] {
  const changes = absences.changesOf(conversation, user);
  const asked = changes.map(({ does }) => does).join();
  const sure = changes.filter(({ answered }) => answered !== undefined);
  const isSo = logged.join() === asked || logged.join() === sure.map(({ does }) => does).join();
  const what = `in ${conversation} the log has: ${logged.join()}, asked was: ${asked}, ${sure.length} of these were done`;
  return isSo ? [] : [{ what, user, at: changes[0]?.begun ?? 0 }];
}
