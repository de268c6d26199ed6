/**
 * Reads every client's diary and says what went wrong. It knows the protocol's promises and nothing of the server:
 * what was stored must arrive, once, in order; and nothing else may.
 */

import { askKey, isOvertaken } from './asked.js';
import { missingOnDevices } from './devices.js';
import type { Diary, Evidence, Failed } from './diary.js';
import { type HeadFindings, headFindings, untoldAt } from './heads.js';
import { historyFindings } from './history.js';
import {
  type ChangeCase,
  type ChangeFindings,
  changeFindings,
  lagging,
  openChanges,
  unansweredChanges,
} from './kept.js';
import { contradictions, type Finding, gather, type Ledger, type Message } from './ledger.js';
import { leaked, trespasses } from './members.js';
import { extendedOrder, type OrderFindings, plainOrder, storedOrder } from './order.js';
import { outcomes } from './outcomes.js';
import { owedSince, type Span, spans, unexcused } from './owed.js';
import { aboutWhom } from './place.js';
import { receipts } from './receipts.js';
import { asSaid } from './said.js';
import { measure, type Waits } from './waits.js';

export interface Verdict extends ChangeFindings, HeadFindings {
  messages: number;
  /** Of these, how many must arrive. */
  owed: number;
  arrived: number;
  lost: Finding[];
  doubled: Finding[];
  outOfOrder: Finding[];
  /** Got by somebody, sent by nobody. */
  unsent: Finding[];
  /** An id, a place or a number that meant two things. */
  contradictions: Finding[];
  /** What the log has, and should not, or lacks. */
  log: Finding[];
  /** Told to who was out of a group. */
  leaked: Finding[];
  /** Said in a group by who was out, and what else stands on the wrong side of a change of its members. */
  trespasses: Finding[];
  /** Receipts for what had not come, or taken back. */
  receipts: Finding[];
  /** Called not stored, and there all the same. */
  outcomes: Finding[];
  /** An extended sender that asked to the end and was never told. */
  unanswered: Finding[];
  /** Refused for good, reset, kicked out or told what the protocol doesn't have. */
  odd: Finding[];
  /** Copies that plain clients got again on a later connection, as they may. */
  repeated: number;
  /** Plain messages that are missing and whose sender was told of an error. */
  excused: number;
  /** Extended ones whose sender was told that they are not stored, and left it at that. */
  givenUp: number;
  /** Changes of who is in a group, and messages that were refused to who was out. */
  changes: number;
  refused: number;
  /** Edits, deletions and reactions that were asked for. */
  wishes: number;
  /** Times that somebody was told how far something goes that they don't show. */
  toldHeads: number;
  waits: Waits;
}

/** These texts say that the sender did something wrong, which no client here does. */
const blame = /^(invalid to_user_id|content is required|target user not found|unsupported message type)$/;
const replaced = 4002;
/** An attempt that its client gave up may be taken in as late as this, and replace the connection that came after. */
const lingering = 30_000;
/** How long after it something is answered, where its client doesn't write down when it asked. */
const reach = 15_000;

interface Case {
  evidence: Evidence;
  ledger: Ledger;
  changing: ChangeCase;
  connections: Map<number, Map<number, Span>>;
}

function open(told: Evidence): Case {
  const evidence = asSaid(told);
  const ledger = gather(evidence);
  const connections = new Map<number, Map<number, Span>>();
  for (const diary of evidence.diaries)
    connections.set(diary.user, new Map([...(connections.get(diary.user) ?? []), ...spans(diary, evidence)]));
  return { evidence, ledger, changing: openChanges(evidence, ledger), connections };
}

/** The first of those who are to get it who hasn't. */
const missingTo = ({ receivers, first }: Message) => receivers.find((user) => !first.has(user));

function lost({ evidence, ledger, connections }: Case) {
  const known = new Map<Message, number>();
  const missing: Message[] = [];
  for (const message of ledger.messages.values()) {
    const since = owedSince(message, connections.get(message.from) ?? new Map());
    if (since === undefined) continue;
    known.set(message, since);
    if (missingTo(message) !== undefined) missing.push(message);
  }
  const guilty = missing.filter(({ kind }) => kind !== 'plain');
  for (const { user } of evidence.diaries) {
    for (const [number, { errors }] of connections.get(user) ?? []) {
      const here = missing.filter(
        ({ from, kind, sends }) => from === user && kind === 'plain' && sends[0]?.connection === number,
      );
      guilty.push(...unexcused(here, errors));
    }
  }
  return { known, excused: missing.length - guilty.length, guilty };
}

function describe(message: Message): Finding {
  const { content, from, to, sends, told, kind } = message;
  const [send] = sends;
  if (kind === 'event') return { what: 'done to a group', user: missingTo(message) ?? from, at: 0, content };
  const place = told[0] ? `stored at ${told[0].conversation}:${told[0].seq}` : 'no error in a second';
  return {
    what: `from ${from} to ${to} on connection ${send?.connection}, ${place}`,
    user: missingTo(message) ?? to,
    at: send?.at ?? 0,
    content,
  };
}

/** Whether a refusal is one that somebody gets who is out of a group, and they may have been out. */
function isOut({ ledger, changing }: Case, user: number, { code, id = '', at }: Failed): boolean {
  const { absences, messages } = ledger;
  const to = aboutWhom(id);
  if (code !== 'conversation_not_found' || !(to < 0)) return false;
  const sends =
    changing.asked.get(askKey(user, id))?.tries ??
    [...messages.values()].find((one) => one.from === user && one.id === id)?.sends ??
    [];
  const asked = sends.filter((send) => send.at <= at).at(-1)?.at ?? at - reach;
  return absences.mayBeOut(-to, user, asked, at);
}

function oddities({ user, kind, entries }: Diary, file: Case): Finding[] {
  const found: Finding[] = [];
  const tries = new Map<number, { at: number; opened: number }>();
  let newest = 0;
  for (const entry of entries) {
    const { at, connection } = entry;
    const add = (what: string) => found.push({ what: `${what} (connection ${connection})`, user, at });
    if (entry.type === 'connect') {
      newest = connection;
      tries.set(connection, { at, opened: Number.POSITIVE_INFINITY });
    } else if (entry.type === 'open') {
      const one = tries.get(connection);
      if (one !== undefined) one.opened = at;
    } else if (entry.type === 'odd') {
      add(entry.text);
    } else if (entry.type === 'reset') {
      add(`reset of ${entry.conversation ?? 'everything'}`);
    } else if (entry.type === 'error') {
      const refused = kind === 'plain' ? blame.test(entry.text) : entry.retryable === false;
      if (refused && isOut(file, user, entry)) continue;
      if (isOvertaken(entry) && file.changing.asked.has(askKey(user, entry.id ?? ''))) continue;
      if (refused) add(`refused: ${entry.code} ${entry.text}`);
    } else if (entry.type === 'close' && entry.code === replaced && connection === newest) {
      // Of two that are tried at once the server may have taken the later one first.
      const since = tries.get(connection)?.at ?? 0;
      const taken = [...tries].some(
        ([other, tried]) => other !== connection && tried.opened > since && at - tried.at < lingering,
      );
      if (!taken) add('replaced by a connection that nobody opened');
    }
  }
  return found;
}

/** Nobody has said what became of it, nor that it is refused for good, and its sender has not given it up. */
const isUnanswered = ({ kind, told, givenUp, errors }: Message) =>
  kind === 'extended' && told.length === 0 && !givenUp && !isRefusedForGood(errors);
const isRefusedForGood = (errors: readonly Failed[]) => errors.some(({ retryable }) => retryable === false);

/** Messages that are still on the way: known to be stored, or to be tried again, and not there yet; or changed, and not everywhere. */
export function outstanding(told: Evidence): Finding[] {
  const file = open(told);
  const { evidence } = file;
  const unanswered = [...file.ledger.messages.values()].filter(isUnanswered);
  const missing = missingOnDevices(evidence.diaries, file.ledger).map(({ message }) => message);
  const behind = lagging(file.changing, file.ledger).map((key) => ({
    what: `${key} changed`,
    user: 0,
    at: 0,
  }));
  return [
    ...[...lost(file).guilty, ...unanswered, ...missing].map(describe),
    ...behind,
    ...unansweredChanges(file.changing),
  ];
}

/** Whoever isn't told yet how far something goes that they don't show. */
export function untold(told: Evidence): Finding[] {
  const { evidence, ledger } = open(told);
  return untoldAt(evidence, ledger, Number.POSITIVE_INFINITY);
}

export function check(told: Evidence): Verdict {
  const file = open(told);
  const { evidence, ledger, connections } = file;
  const { known, guilty, excused } = lost(file);
  const found: OrderFindings = { doubled: [], outOfOrder: [], repeated: 0 };
  for (const diary of evidence.diaries) {
    if (diary.kind === 'extended') extendedOrder(diary, found);
    else plainOrder(diary, ledger, connections.get(diary.user) ?? new Map(), found);
  }
  storedOrder(ledger, found);
  const all = [...ledger.messages.values()];
  return {
    messages: all.length,
    owed: known.size,
    arrived: all.filter((message) => missingTo(message) === undefined).length,
    changes: evidence.changes.length,
    wishes: file.changing.asked.size,
    toldHeads: evidence.diaries.flatMap(({ entries }) => entries.filter(({ type }) => type === 'head'))
      .length,
    refused: all.filter(({ errors, told }) => told.length === 0 && isRefusedForGood(errors)).length,
    leaked: leaked(evidence, ledger),
    trespasses: trespasses(evidence, ledger),
    lost: [
      ...guilty.map(describe),
      ...missingOnDevices(evidence.diaries, ledger).map(({ message, user }) => {
        const { what, ...found } = describe(message);
        return { ...found, what: `${what}, is not on a device of ${user}`, user };
      }),
    ],
    ...found,
    ...changeFindings(evidence, ledger, file.changing),
    ...headFindings(evidence, ledger),
    unsent: ledger.unsent,
    contradictions: contradictions(ledger),
    receipts: receipts(evidence.diaries, ledger),
    log: historyFindings(evidence, ledger),
    outcomes: outcomes(evidence, ledger),
    unanswered: [...all.filter(isUnanswered).map(describe), ...unansweredChanges(file.changing)],
    odd: evidence.diaries.flatMap((diary) => oddities(diary, file)),
    excused,
    givenUp: all.filter(({ givenUp }) => givenUp).length,
    waits: measure(evidence, ledger, known),
  };
}

/** Everything that must not be, by the name of its rule. */
export function failures(verdict: Verdict): Map<string, Finding[]> {
  const { lost, doubled, outOfOrder, unsent, log, unanswered, odd } = verdict;
  const { contradictions: twofold, receipts: untrue, outcomes: denied, leaked, trespasses } = verdict;
  const { diverged, changeOrder, undeleted, unkept, unwanted, heads, parked } = verdict;
  const all = {
    lost,
    doubled,
    outOfOrder,
    unsent,
    contradictions: twofold,
    log,
    receipts: untrue,
    outcomes: denied,
    leaked,
    trespasses,
    diverged,
    changeOrder,
    undeleted,
    unkept,
    unwanted,
    heads,
    parked,
    unanswered,
    odd,
  };
  return new Map(Object.entries(all).filter(([, findings]) => findings.length > 0));
}
