/** What was asked of messages, each with all that became of it. */
import type { Ask, Changed, Diary, Entry, Failed, Settled, Wish } from './diary.js';

export interface Asked {
  user: number;
  id: string;
  /** The place of the message. */
  key: string;
  wish: Wish;
  tries: Ask[];
  answers: (Changed | Settled)[];
  refusals: Failed[];
}

/** An attempt that was left without an answer may be carried out as late as this. */
const lingers = 15_000;

export const placeKey = ({ conversation, seq }: { conversation: number; seq: number }) =>
  `${conversation}:${seq}`;

/** By who asked, and the id. */
export type AllAsked = ReadonlyMap<string, Asked>;
export const askKey = (user: number, id: string) => `${user}/${id}`;

const isAboutOne = (entry: Entry): entry is Changed | Settled | Failed =>
  /^(changed|settled|error)$/.test(entry.type);

export function gatherAsked(diaries: readonly Diary[]): AllAsked {
  const all = new Map<string, Asked>();
  for (const { user, entries } of diaries)
    for (const entry of entries) {
      if (entry.type === 'ask') {
        const { id, wish } = entry;
        const key = askKey(user, id);
        const known = all.get(key);
        if (known) known.tries.push(entry);
        else
          all.set(key, { user, id, key: placeKey(entry), wish, tries: [entry], answers: [], refusals: [] });
      } else if (isAboutOne(entry) && entry.id !== undefined) {
        const one = all.get(askKey(user, entry.id));
        if (entry.type === 'error') one?.refusals.push(entry);
        else one?.answers.push(entry);
      }
    }
  return all;
}

const isForGood = ({ retryable }: Failed) => retryable === false;

/** Nobody has said what became of it. */
export const isOpen = ({ answers, refusals }: Asked): boolean =>
  answers.length === 0 && !refusals.some(isForGood);

export const begun = ({ tries }: Asked): number => tries[0]?.at ?? 0;

/** From when on it can't be carried out any more; endless where nobody knows. */
export function over(asked: Asked): number {
  if (isOpen(asked)) return Number.POSITIVE_INFINITY;
  const { tries, answers, refusals } = asked;
  const last = Math.max(...[...tries, ...answers, ...refusals].map(({ at }) => at));
  return answers.length + refusals.length < tries.length ? last + lingers : last;
}

/** These refusals say how a message is that somebody else has changed meanwhile, or that a conversation has too much of it. */
const overtaken = /^(conflict|deleted|too_many_(reactions|pins))$/;
export const isOvertaken = ({ code }: Failed): boolean => overtaken.test(code);
