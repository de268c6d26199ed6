import { setTimeout as sleep } from 'node:timers/promises';
import type { BaseLogger } from 'pino';
import type { ErrorCode } from '../../schemas/error.js';
import { LIMITS } from '../../schemas/limits.js';
import { sizeOf } from '../../schemas/size.js';
import {
  type Appended,
  append,
  findHeld,
  OddAnswerError,
  type Roster,
  type Unstored,
} from '../../sql/append.js';
import { findStored } from '../../sql/messages.js';
import { Cache } from '../cache.js';
import { codeOf, gaveWay, isRefusal } from '../db/failure.js';
import { OtherHistoryError } from '../db/history.js';
import type { Asker } from '../db/lanes.js';
import { ChatError } from '../errors.js';
import { type Entry, idKey, isSame, storedKey } from './entry.js';
import type { Health } from './health.js';
import type { Stored } from './types.js';

/** Milliseconds that one attempt at a batch may take, and after which one in doubt is answered as such. */
export const ATTEMPT_MS = 5000;
const DOUBT_MS = 15_000;
/** The same for a batch that waits for the row of a conversation: longer than the lock may take. */
const HELD_ATTEMPT_MS = 7000;
/** Milliseconds from one attempt to the next. */
const PAUSE_MS = 250;

/** What became of the entries of a batch: each is in one of these. */
export interface Outcome {
  /** Those that are in the log, in its order, with the message at the same place in the other list. */
  readonly stored: Entry[];
  readonly arrivals: Stored[];
  /** Users who said again what was stored before. */
  readonly repeaters: number[];
  /** Those that aren't, or of which that isn't known, and why. */
  readonly failed: { entry: Entry; error: ChatError }[];
  /** Those for conversations whose rows somebody holds: they are to wait for them. */
  readonly locked: Entry[];
}

/** Why something that may have been stored earlier isn't any more. */
const REFUSALS = {
  absent: 'conversation_not_found',
  refused: 'not_accepted',
  muted: 'posting_closed',
  unanswerable: 'message_not_found',
  unheard: 'moderator_needed',
} as const satisfies Record<Unstored, ErrorCode>;
type Refusal = (typeof REFUSALS)[Unstored];

/** Rosters that are kept, in each of two generations; bytes of one of them, and of each number in it, about. */
const ROSTERS = 10_000;
const ROSTER_BYTES = 100;
const NUMBER_BYTES = 8;

/** How a batch is to be stored. */
interface How {
  lanes: Asker;
  /** Whether it has waited for the row of a conversation, and goes on to. */
  isHeld?: boolean;
  /** Whether some of it is likely to be in the log: that is looked up first. */
  look?: boolean;
  /** Why nothing of it may be said: only what is stored already is. */
  refusal?: Refusal | undefined;
  /** Whether an attempt before may have stored some of it, or still may. */
  inDoubt?: boolean;
}

/** Stores batches until the outcome of each message is known, or for as long as anybody would wait for it. It tells nobody. */
export class Store {
  /** Who is in which conversation, by its version: the database says it only where that is another. */
  private readonly rosters = new Cache<number, Roster>(
    { entries: ROSTERS, bytes: LIMITS.rosterBytes },
    ({ members }) => ROSTER_BYTES + NUMBER_BYTES * members.length,
  );

  constructor(
    private readonly lanes: Asker,
    private readonly health: Health,
    private readonly log: Pick<BaseLogger, 'warn'>,
    private readonly counts: { batches: number; statements: number },
    /** Whether only contacts may begin a conversation. */
    private readonly acquainted: boolean,
  ) {}

  /** Bytes of what is known. */
  get bytes(): number {
    return this.rosters.bytes;
  }

  /** @returns what became of each entry, whatever happens */
  async write(entries: readonly Entry[], how: How): Promise<Outcome> {
    const outcome: Outcome = { stored: [], arrivals: [], repeaters: [], failed: [], locked: [] };
    await this.writeInto(outcome, entries, how);
    return outcome;
  }

  private async writeInto(outcome: Outcome, entries: readonly Entry[], how: How): Promise<void> {
    const { lanes, isHeld = false } = how;
    const giveUp = performance.now() + DOUBT_MS;
    let { look = false, inDoubt = false } = how;
    let todo = entries;
    while (todo.length > 0) {
      let rows: (Appended | Unstored)[];
      try {
        if (look || inDoubt) {
          todo = await this.findKnown(outcome, todo, lanes, inDoubt);
          look = false;
          if (todo.length === 0) return this.health.goUp();
        }
        if (how.refusal !== undefined) return fail(outcome, todo, new ChatError(how.refusal));
        this.counts.statements++;
        const batch = todo;
        rows = await lanes.ask(
          (sql) => append(sql, batch, this.acquainted, this.rosters),
          isHeld ? HELD_ATTEMPT_MS : ATTEMPT_MS,
        );
      } catch (error) {
        const code = codeOf(error);
        const patient = performance.now() < giveUp && !(error instanceof OtherHistoryError);
        if (patient && gaveWay(error)) continue;
        if (patient && code === '55P03') {
          if (!isHeld) todo = await this.setAside(outcome, todo);
          continue;
        }
        if (patient && code === '23505') {
          look = true;
          continue;
        }
        if (patient && error instanceof OddAnswerError) {
          inDoubt = true;
          continue;
        }
        if (/^(22|23|54)/.test(code) && code !== '23505')
          return this.oneByOne(outcome, todo, { ...how, inDoubt }, error);
        if (!isHeld) this.health.goDown(error);
        const refused = isRefusal(error);
        if (patient && (inDoubt || !refused)) {
          inDoubt = true;
          await sleep(PAUSE_MS * (0.5 + Math.random()));
          continue;
        }
        return fail(outcome, todo, new ChatError(refused && !inDoubt ? 'unavailable' : 'outcome_unknown'));
      }
      this.counts.batches++;
      this.health.goUp();
      // Their senders were in the conversation a moment ago, or not yet kept from writing, and what they said then may be stored.
      for (const [refusal, refused] of sort(outcome, todo, rows))
        await this.writeInto(outcome, refused, { ...how, look: true, refusal });
      return;
    }
  }

  /** Finds those that are stored already. @returns the others */
  private async findKnown(
    outcome: Outcome,
    entries: readonly Entry[],
    lanes: Asker,
    inDoubt: boolean,
  ): Promise<Entry[]> {
    this.counts.statements++;
    const found = await lanes.ask((sql) => findStored(sql, entries), ATTEMPT_MS);
    const known = new Map(found.map((message) => [storedKey(message), message]));
    return entries.filter((entry) => {
      const message = known.get(idKey(entry));
      if (message === undefined) return true;
      // In doubt it may be what this very batch has stored.
      if (!inDoubt) outcome.repeaters.push(entry.from);
      // One that has changed since had another text.
      const isAsSent = message.editedAt === undefined && message.deleted === undefined;
      if (isAsSent && !isSame(message, entry)) {
        outcome.failed.push({ entry, error: new ChatError('id_reused') });
        return false;
      }
      // Delivered again: if they were stored by a batch in doubt, nobody has heard of them yet.
      const receipts = entry.senders[0]?.wantsReceipts ?? false;
      outcome.stored.push(entry);
      const size = sizeIn(entry, message.members);
      outcome.arrivals.push({ ...message, again: true, receipts, size });
      return false;
    });
  }

  /** Takes out what is for conversations whose rows somebody holds: it waits for them alone. @returns the others */
  private async setAside(outcome: Outcome, entries: readonly Entry[]): Promise<Entry[]> {
    this.counts.statements++;
    const found = await this.lanes.ask((sql) => findHeld(sql, entries), ATTEMPT_MS).catch(() => []);
    const held = new Set(found);
    return entries.filter((entry) => {
      const locked = held.has(entry);
      if (locked) outcome.locked.push(entry);
      return !locked;
    });
  }

  private async oneByOne(outcome: Outcome, entries: readonly Entry[], how: How, error: unknown) {
    if (entries.length === 1) {
      this.log.warn({ err: error }, 'a message was refused by the database');
      return fail(outcome, entries, new ChatError('content_invalid'));
    }
    for (const entry of entries) await this.writeInto(outcome, [entry], how);
  }
}

/** Bits of schemas/size.ts, of the conversation of an entry. */
const sizeIn = ({ target }: Entry, members: readonly number[]): number =>
  'user' in target ? 0 : sizeOf(members.length, target.channel === true);

function fail(outcome: Outcome, entries: readonly Entry[], error: ChatError): void {
  for (const entry of entries) outcome.failed.push({ entry, error });
}

/**
 * Sorts what was stored from what had no receiver.
 * @returns those that may not be said, by the reason
 */
function sort(outcome: Outcome, entries: readonly Entry[], rows: readonly (Appended | Unstored)[]) {
  const refused = new Map<Refusal, Entry[]>();
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    const row = rows[i];
    if (entry === undefined) continue;
    if (row === undefined || typeof row === 'string') {
      const reason = row ?? 'absent';
      const sameWay = refused.get(REFUSALS[reason]);
      if (reason === 'absent' && 'user' in entry.target)
        outcome.failed.push({ entry, error: new ChatError('user_not_found') });
      else if (sameWay === undefined) refused.set(REFUSALS[reason], [entry]);
      else sameWay.push(entry);
      continue;
    }
    const { from, clientId, content, beside, senders } = entry;
    outcome.stored.push(entry);
    outcome.arrivals.push({
      conversation: row.conversation,
      seq: row.seq,
      msgId: row.msgId,
      from,
      to: row.to,
      members: row.members,
      version: row.version,
      xid: row.xid,
      size: sizeIn(entry, row.members),
      clientId,
      content,
      beside,
      createdAt: row.createdAt,
      again: false,
      receipts: senders[0]?.wantsReceipts ?? false,
    });
  }
  return refused;
}
