/** What becomes of messages that change: it is in the log, somebody wanted it, and each device holds the same. */
import type { Absences } from './absences.js';
import { type AllAsked, type Asked, askKey, begun, gatherAsked, isOpen, over, placeKey } from './asked.js';
import type { Evidence, PageMessage, State } from './diary.js';
import { type Finding, type Ledger, type Message, placeOf } from './ledger.js';
import { brief, type Device, follow, type StateFindings, unchanged } from './states.js';

export interface ChangeFindings extends StateFindings {
  /** A change that was answered isn't there, though nothing came after it. */
  unkept: Finding[];
  /** A text, a deletion or a reaction that nobody wanted. */
  unwanted: Finding[];
}

/** All that is known of how messages changed. */
export interface ChangeCase {
  asked: AllAsked;
  devices: Device[];
  found: StateFindings;
}

export function openChanges({ diaries }: Evidence, { messages }: Ledger): ChangeCase {
  const said = new Map<string, string>();
  for (const { from, id, content } of messages.values())
    if (id !== undefined) said.set(askKey(from, id), content);
  const found: StateFindings = { changeOrder: [], undeleted: [], diverged: [] };
  const devices = diaries.flatMap((diary) =>
    diary.kind === 'extended' ? [follow(diary, (id) => said.get(askKey(diary.user, id)), found)] : [],
  );
  return { asked: gatherAsked(diaries), devices, found };
}

const conversationOf = (key: string): number => Number(key.slice(0, key.indexOf(':')));

/** Who has gone is told of no change. */
const isGone = (absences: Absences, conversation: number, user: number): boolean =>
  absences.of(conversation, user).at(-1)?.back === Number.POSITIVE_INFINITY;

/** Messages that some device holds in an older state than another one, by place. */
export function lagging({ devices }: ChangeCase, { absences }: Ledger): string[] {
  const newest = new Map<string, number>();
  for (const { held } of devices)
    for (const [key, { change }] of held) if (change > (newest.get(key) ?? 0)) newest.set(key, change);
  const behind = new Set<string>();
  for (const { held, user } of devices)
    for (const [key, change] of newest) {
      const state = held.get(key);
      if (state && state.change < change && !isGone(absences, conversationOf(key), user)) behind.add(key);
    }
  return [...behind];
}

const stateOf = (row: PageMessage): State => row.state ?? unchanged(row.content);

/** What each device holds in the end is what the log says; and one change has made one thing of a message. */
function diverging({ history }: Evidence, { absences }: Ledger, { devices }: ChangeCase): Finding[] {
  if (history === undefined) return [];
  const found: Finding[] = [];
  const rows = new Map(
    [...history.values()].flat().flatMap((row) => (row.done ? [] : [[placeKey(row), row]])),
  );
  const ends = new Map(
    [...history].map(([conversation, list]) => [
      conversation,
      Math.max(0, ...list.map(({ state }) => state?.change ?? 0)),
    ]),
  );
  for (const { user, held, stands } of devices) {
    for (const [key, state] of held) {
      const row = rows.get(key);
      if (row === undefined || isGone(absences, conversationOf(key), user)) continue;
      const [has, is] = [brief(state), brief(stateOf(row))];
      if (has !== is)
        found.push({ what: `${key} is ${is}, and a device holds ${has}`, user, at: 0, content: row.content });
    }
    for (const [conversation, change] of stands) {
      const end = ends.get(conversation) ?? change;
      if (change === end || isGone(absences, conversation, user)) continue;
      found.push({
        what: `${conversation} ends at change ${end}, and a device stands at ${change}`,
        user,
        at: 0,
      });
    }
  }
  return found;
}

/** Whether one of them may have been carried out last: nothing that was answered began after it was over. */
const mayBeLast = (one: Asked, all: readonly Asked[]): boolean =>
  !all.some((other) => other !== one && other.answers.length > 0 && begun(other) > over(one));

interface Wanted {
  edits: Asked[];
  deletions: Asked[];
  reactions: Asked[];
  pins: Asked[];
}

const nothing = (): Wanted => ({ edits: [], deletions: [], reactions: [], pins: [] });

function wantedOf(asked: AllAsked): Map<string, Wanted> {
  const all = new Map<string, Wanted>();
  for (const one of asked.values()) {
    const wanted = all.get(one.key) ?? nothing();
    all.set(one.key, wanted);
    const { edits, deletions, reactions, pins } = wanted;
    const lists = { edit: edits, delete: deletions, react: reactions, pin: pins };
    lists[one.wish.does].push(one);
  }
  return all;
}

/** The change by which an edit was answered with its own text; reactions may have raised it. */
function ownChange({ wish, answers }: Asked): number {
  const own = answers.filter(({ state }) => wish.does === 'edit' && state.content === wish.content);
  return Math.max(0, ...own.map(({ state }) => state.change));
}

type Pair = `${string} ${number}`;

/** Who has reacted by what. */
function pairsOf({ reactions }: State): Set<Pair> {
  const kinds = reactions === '' ? [] : reactions.split(' ');
  return new Set(
    kinds.flatMap((kind) => {
      const [emoji = '', users = ''] = kind.split(':');
      return users.split(',').map((user): Pair => `${emoji} ${Number(user)}`);
    }),
  );
}

function reactionsOf(reactions: readonly Asked[]): Map<Pair, Asked[]> {
  const all = new Map<Pair, Asked[]>();
  for (const one of reactions) {
    if (one.wish.does !== 'react') continue;
    const pair: Pair = `${one.wish.emoji} ${one.user}`;
    all.set(pair, [...(all.get(pair) ?? []), one]);
  }
  return all;
}

/** What a message is in the end, against what was asked of it. */
function settle(
  row: PageMessage,
  { edits, deletions, reactions, pins }: Wanted,
  found: ChangeFindings,
): void {
  const state = stateOf(row);
  const { content, from } = row;
  const key = placeKey(row);
  const lost = (what: string, { user, tries }: Asked) =>
    found.unkept.push({ what: `${key} ${what}`, user, at: tries[0]?.at ?? 0, content });
  const odd = (what: string) => found.unwanted.push({ what: `${key} ${what}`, user: from, at: 0, content });

  for (const one of [...edits, ...deletions, ...reactions, ...pins]) {
    const newer = one.answers.find((answer) => answer.state.change > state.change);
    if (newer) lost(`was answered with change ${newer.state.change}, and has ${state.change}`, one);
  }
  for (const one of deletions) if (one.answers.length > 0 && !state.deleted) lost('is not deleted', one);
  if (state.deleted) {
    if (deletions.length === 0) odd('was deleted by nobody');
    if (state.content !== '' || state.reactions !== '' || state.pinned)
      odd('is deleted, and something is left');
    return;
  }
  const isFirst = state.content === content;
  const source = edits.find(({ wish }) => wish.does === 'edit' && wish.content === state.content);
  if (!isFirst && source === undefined) odd('has a text that nobody wrote');
  if (isFirst === state.edited) odd(isFirst ? 'is called edited' : 'is not called edited');
  const known = source && ownChange(source);
  // Of a text that nobody was told of nobody knows when it came.
  for (const one of edits)
    if (known !== 0 && ownChange(one) > (known ?? 0))
      lost(`has not the text of change ${ownChange(one)}`, one);
  const there = pairsOf(state);
  const all = reactionsOf(reactions);
  for (const pair of there) if (!all.has(pair)) odd(`has a reaction that nobody made: ${pair}`);
  // What is there or not: the last that was asked of it.
  const switched = (is: boolean, asked: readonly Asked[], what: string) => {
    const isNew = !is && asked.every((one) => one.answers.length === 0);
    const agrees = ({ wish }: Asked) => 'on' in wish && wish.on === is;
    const [one] = asked;
    if (!isNew && one && !asked.some((each) => agrees(each) && mayBeLast(each, asked)))
      lost(`${is ? 'has' : 'lacks'} ${what}`, one);
  };
  for (const [pair, asked] of all) switched(there.has(pair), asked, `the reaction ${pair}`);
  if (state.pinned && pins.length === 0) odd('is pinned by nobody');
  switched(state.pinned, pins, 'a pin');
}

/** A plain client that comes once a message is deleted isn't given it. */
function fetchedLate({ diaries }: Evidence, { messages }: Ledger): Finding[] {
  const gone = new Map<string, number>();
  const contents = new Map<string, Message>();
  for (const message of messages.values()) {
    const place = placeOf(message);
    if (place) contents.set(placeKey(place), message);
  }
  for (const { entries } of diaries)
    for (const entry of entries) {
      if (entry.type !== 'changed' || !entry.state.deleted) continue;
      const content = contents.get(placeKey(entry))?.content;
      if (content !== undefined) gone.set(content, Math.min(entry.at, gone.get(content) ?? entry.at));
    }
  const found: Finding[] = [];
  for (const { user, kind, entries } of diaries) {
    if (kind !== 'plain') continue;
    const begun = new Map<number, number>();
    for (const entry of entries) {
      if (entry.type === 'connect') begun.set(entry.connection, entry.at);
      if (entry.type !== 'row' && entry.type !== 'live') continue;
      const { content, connection, at } = entry;
      if ((gone.get(content) ?? Number.POSITIVE_INFINITY) < (begun.get(connection) ?? 0))
        found.push({
          what: `${entry.type} on connection ${connection}, and was deleted before`,
          user,
          at,
          content,
        });
    }
  }
  return found;
}

/** What is pinned stands in its list, and nothing else does. */
function listed({ history, pins }: Evidence): Finding[] {
  return [...(pins ?? [])].flatMap(([conversation, seqs]) => {
    const rows = (history?.get(conversation) ?? []).filter(({ state }) => state?.pinned);
    const [is, lists] = [rows.map(({ seq }) => seq).join(), [...seqs].sort((a, b) => a - b).join()];
    const what = `${conversation} lists the pins ${lists}, and has ${is}`;
    return is === lists ? [] : [{ what, user: 0, at: 0 }];
  });
}

export function changeFindings(evidence: Evidence, ledger: Ledger, file: ChangeCase): ChangeFindings {
  const { changeOrder, undeleted, diverged } = file.found;
  const found: ChangeFindings = {
    changeOrder,
    undeleted: [...undeleted, ...fetchedLate(evidence, ledger)],
    diverged: [...diverged, ...diverging(evidence, ledger, file)],
    ...{ unkept: listed(evidence), unwanted: [] },
  };
  const wanted = wantedOf(file.asked);
  for (const row of [...(evidence.history?.values() ?? [])].flat()) {
    const asked = wanted.get(placeKey(row)) ?? nothing();
    if (row.done === undefined && (row.state !== undefined || wanted.has(placeKey(row))))
      settle(row, asked, found);
  }
  return found;
}

/** Nobody has said what became of it. */
export function unansweredChanges({ asked }: ChangeCase): Finding[] {
  return [...asked.values()].filter(isOpen).map(({ user, key, wish, tries }) => ({
    ...{ what: `${wish.does} of ${key}`, user, at: tries[0]?.at ?? 0 },
  }));
}
