import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import fp from 'fastify-plugin';
import { LIMITS } from '../schemas/limits.js';
import { findConversations, type Pair } from '../sql/conversations.js';
import {
  type Appended,
  append,
  type Debt,
  findHeld,
  findStored,
  membersOf,
  type NewMessage,
  OddAnswerError,
  type StoredMessage,
  settle,
  tryAppend,
} from '../sql/messages.js';
import { Cache } from './cache.js';
import type { Asker } from './db/lanes.js';
import { type Db, HELD_LANES, isRefusal } from './db.js';
import { ChatError } from './errors.js';
import { receiversOf } from './message.js';
import { weightOf } from './weight.js';

declare module 'fastify' {
  interface FastifyInstance {
    messages: MessageLog;
  }
}

/** Who hears what became of a send: exactly one of the two, once. */
export interface Sender {
  /** Whether the sender wants to know how far its messages got. */
  readonly wantsReceipts: boolean;
  /** Whether the sender's own connection must be given the message, since it isn't what sent it. */
  readonly wantsCopy: boolean;
  onStored(message: StoredMessage): void;
  onFailed(clientId: string | undefined, error: ChatError): void;
}

/** Whom something is said to: a user, or those in a conversation. */
export type Target = { user: number } | { conversation: number };

/** A message that somebody asks to be stored. */
export interface Send {
  from: number;
  target: Target;
  /** The sender's own id, if it gave one. */
  clientId: string | undefined;
  content: string;
  sender: Sender;
}

/** A message just stored, on its way. */
export interface Arrival extends StoredMessage {
  /** Whether it was stored before, and may have been delivered then. */
  again: boolean;
  /** Whether the sender wants receipts. */
  receipts: boolean;
}

/** A message just stored, and the users whose connections are to be given it. */
export interface Delivery {
  message: Arrival;
  users: readonly number[];
}

/** What the log tells the hub. */
export interface LogListener {
  /** Messages that were stored, in the order of the log. */
  onStored(deliveries: readonly Delivery[]): void;
  onSettled(debts: readonly Confirmed[]): void;
}

/** A debt whose message is known to have arrived. */
export interface Confirmed extends Debt {
  conversation: number;
  /** Who hears that it arrived, if anybody wants to. */
  informs: number | undefined;
}

const BATCH_MESSAGES = 1000;
const BATCH_BYTES = 1_048_576;
/** Debts that one statement deletes at most: beside a batch some more than come with one like it, so that none has to wait. */
const SETTLE_DEBTS = 1000;
const debtsBeside = (messages: number) => Math.min(2 * messages + 100, SETTLE_DEBTS);
/** Milliseconds from the start of one batch to the next, unless as many messages wait as make one worthwhile. */
const INTERVAL_MS = 4;
const WORTHWHILE = 64;
/** What each batch leaves of the largest of late. Slow, so that a batch that came sooner by it doesn't make the next ones smaller. */
const FADE = 0.996;
/** Milliseconds after which confirmed debts are deleted without a batch to ride in. */
const IDLE_MS = 200;
/** Milliseconds that one attempt at a batch may take, and after which one in doubt is answered as such. */
const ATTEMPT_MS = 5000;
const DOUBT_MS = 15_000;
/** The same for a batch that waits for the row of a conversation: longer than the lock may take. */
const HELD_ATTEMPT_MS = 7000;
/** Milliseconds between looks at whether messages can be stored again. */
const PROBE_MS = 250;
/** Contents that no page has room for by chance and that don't get smaller: one that is stored apart from its row, some that aren't. */
const bulk = () =>
  [12_000, ...Array.from({ length: 8 }, () => 1350)].map((bytes) => randomBytes(bytes).toString('base64'));
/** Milliseconds without storing after which an engine of our own is given up, unless its disk is full: that a new start won't mend. */
const GIVE_UP_MS = 30_000;
/** Milliseconds that what the log last said of the database is believed, and that a send may wait in a log that is well. */
const BELIEVED_MS = 2000;
const STALE_MS = 5000;

/** A message on its way into the log, and those that asked for the very same. */
interface Entry extends NewMessage {
  senders: Sender[];
}

const idKey = ({ from, to, clientId }: NewMessage) => `${from}:${to}:${clientId}`;
const keyOf = (message: StoredMessage) => `${message.from}:${receiversOf(message)[0]}:${message.clientId}`;
const pairKey = ({ from, to }: { from: number; to: number }) =>
  from < to ? `${from}:${to}` : `${to}:${from}`;
const sqlState = (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : '');
const isDiskFull = (error: unknown) => sqlState(error) === '53100' || /File too large/.test(String(error));

/**
 * The log: gathers sends while a batch is under way, and stores them with the next one. One batch at a time, so the order
 * of sends is the order of the log.
 */
export class MessageLog {
  /** Counts since the start, for metrics and for tests that guard the cost of a message. */
  readonly counts = { batches: 0, messages: 0, statements: 0, settled: 0 };
  private readonly idPrefix = `~${randomBytes(6).toString('base64url')}.`;
  private idCounter = 0;
  private gathering: Send[] = [];
  /** Since when a send waits that isn't answered yet, in milliseconds of `performance.now()`. */
  private waitingSince: number | undefined;
  /** What waits for the row of a conversation that somebody holds: by pair, then by id, in its order. */
  private readonly held = new Map<string, Map<string, Entry>>();
  private readonly storingHeld = new Set<string>();
  private heldRuns = 0;
  private heldIdle: Promise<unknown> = Promise.resolve();
  /** Bytes that wait in either. */
  private waitingBytes = 0;
  private confirmed: Confirmed[] = [];
  private running = false;
  private startedAt = Number.NEGATIVE_INFINITY;
  private endWait: (() => void) | undefined;
  /**
   * As many waiting messages as there is no use in waiting for more of: as the largest batch of late had. Where everybody waits
   * for an answer before they write again, nobody is left to wait for.
   */
  private worthwhile = 1;
  /** Since when nothing can be stored, in milliseconds of `performance.now()`. */
  private downSince: number | undefined;
  /** When the database was last seen to store, in milliseconds of `performance.now()`. */
  private provenAt = Number.NEGATIVE_INFINITY;
  private proving: Promise<void> | undefined;
  private idleTimer: NodeJS.Timeout | undefined;
  private probeTimer: NodeJS.Timeout | undefined;
  private idle: Promise<void> = Promise.resolve();
  private settleDue = false;
  private closed = false;
  private readonly conversations = new Cache<number, Pair>({ entries: 50_000, ageMs: 600_000 });
  private readonly recent = new Cache<string, StoredMessage>(
    { entries: 20_000, bytes: LIMITS.recentBytes },
    ({ content }) => weightOf(content),
  );
  /** Set by the hub. */
  listener: LogListener = { onStored() {}, onSettled() {} };

  constructor(
    private readonly db: Db,
    private readonly log: FastifyBaseLogger,
  ) {}

  /** Stores a message, soon; its sender hears. Refused at once where nothing can be stored now. */
  append(send: Send): void {
    if (this.down || this.closed) return send.sender.onFailed(send.clientId, new ChatError('unavailable'));
    if (this.waitingBytes >= LIMITS.waitingBytes)
      return send.sender.onFailed(send.clientId, new ChatError('overloaded'));
    this.gathering.push(send);
    this.waitingBytes += weightOf(send.content);
    this.waitingSince ??= performance.now();
    if (this.gathering.length >= this.worthwhile) this.endWait?.();
    this.start();
  }

  /** Deletes debts that are known to have arrived, soon. The listener hears when they are gone. */
  confirm(debts: readonly Confirmed[]): void {
    for (const debt of debts) this.confirmed.push(debt);
    if (this.mustSettle) this.start();
    else this.settleLater();
  }

  /** Debts confirmed but not deleted yet. */
  get settling(): readonly Debt[] {
    return this.confirmed;
  }

  /** Forgets what it knows of the database: another history is in it now. */
  forget(): void {
    this.conversations.clear();
    this.recent.clear();
  }

  /** Finishes what was asked so far. */
  async flush(): Promise<void> {
    this.settleDue = true;
    this.start();
    while (this.running) await this.idle;
    await this.heldIdle;
  }

  async close(): Promise<void> {
    await this.flush();
    this.closed = true;
    clearTimeout(this.idleTimer);
    clearTimeout(this.probeTimer);
  }

  private get down(): boolean {
    return this.downSince !== undefined;
  }

  private start() {
    if (this.running || this.closed) return;
    this.running = true;
    this.idle = this.run();
  }

  private async run() {
    try {
      await new Promise(setImmediate);
      while (!this.down && (this.gathering.length > 0 || this.mustSettle)) {
        await this.interval();
        const batch = this.take();
        this.startedAt = performance.now();
        this.worthwhile = Math.min(WORTHWHILE, Math.max(batch.length, this.worthwhile * FADE));
        if (batch.length > 0) await this.store(batch);
        else await this.settleSome();
        if (this.confirmed.length === 0) this.settleDue = false;
      }
    } catch (error) {
      this.log.error({ err: error }, 'the log stumbled');
    }
    this.running = false;
    if (this.down) this.probe();
    else if (this.gathering.length > 0 || this.mustSettle) this.start();
    else this.settleLater();
  }

  /** Lets a batch gather for a moment: the cost of one is mostly its own, not that of its messages. */
  private async interval() {
    const ms = this.startedAt + INTERVAL_MS - performance.now();
    if (ms <= 0 || this.gathering.length >= this.worthwhile || this.closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.endWait = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.endWait = undefined;
  }

  /** Whether confirmed debts are to be deleted though there is no batch that they could ride in. */
  private get mustSettle(): boolean {
    return this.confirmed.length >= 4 * SETTLE_DEBTS || (this.settleDue && this.confirmed.length > 0);
  }

  private settleLater() {
    if (this.confirmed.length === 0 || this.closed) return;
    this.idleTimer ??= setTimeout(() => {
      this.idleTimer = undefined;
      this.settleDue = true;
      this.start();
    }, IDLE_MS);
  }

  private take(): Send[] {
    let bytes = 0;
    let n = 0;
    while (n < this.gathering.length && n < BATCH_MESSAGES && bytes < BATCH_BYTES)
      bytes += weightOf(this.gathering[n++]?.content ?? '');
    this.waitingBytes -= bytes;
    if (n < this.gathering.length) return this.gathering.splice(0, n);
    const all = this.gathering;
    this.gathering = [];
    return all;
  }

  private async settleSome() {
    const debts = this.confirmed.slice(0, SETTLE_DEBTS);
    try {
      this.counts.statements++;
      await this.db.log.ask((sql) => settle(sql, debts), ATTEMPT_MS);
      this.dropConfirmed(debts);
    } catch (error) {
      if (['40P01', '55P03'].includes(sqlState(error))) return;
      this.goDown(error);
    }
  }

  private dropConfirmed(debts: readonly Confirmed[]) {
    if (debts.length === 0) return;
    this.confirmed.splice(0, debts.length);
    this.counts.settled += debts.length;
    this.tell(() => this.listener.onSettled(debts));
  }

  /** Folds what is asked twice, answers what was stored before, and stores the rest. */
  private async store(batch: Send[]) {
    try {
      await this.findNamed(batch);
    } catch (error) {
      this.goDown(error);
      for (const send of batch)
        this.tell(() => send.sender.onFailed(send.clientId, new ChatError('unavailable')));
      return;
    }
    const entries = new Map<string, Entry>();
    for (const { from, target, clientId, content, sender } of batch) {
      const to = this.receiverOf(from, target);
      if (to === undefined) {
        this.tell(() => sender.onFailed(clientId, new ChatError('conversation_not_found')));
        continue;
      }
      const entry: Entry = {
        from,
        to,
        clientId: clientId ?? this.idPrefix + (this.idCounter++).toString(36),
        content,
        senders: [sender],
      };
      const key = idKey(entry);
      const known = clientId === undefined ? undefined : this.recent.get(key);
      const held = this.held.get(pairKey(entry));
      const twin = entries.get(key) ?? held?.get(key);
      if (known !== undefined) this.tell(() => sender.onStored(known));
      else if (twin !== undefined) twin.senders.push(sender);
      else if (held !== undefined) this.hold(held, entry);
      else entries.set(key, entry);
    }
    if (entries.size > 0) await this.write([...entries.values()], false);
    if (this.gathering.length === 0) this.waitingSince = undefined;
    else this.waitingSince = performance.now();
  }

  /** @returns undefined where the sender isn't in the conversation, or it isn't there */
  private receiverOf(from: number, target: Target): number | undefined {
    if ('user' in target) return target.user;
    const { a, b } = this.conversations.get(target.conversation) ?? {};
    if (a === from) return b;
    return b === from ? a : undefined;
  }

  /** Finds the conversations that are named by their number. */
  private async findNamed(batch: readonly Send[]) {
    const ids = new Set<number>();
    for (const { target } of batch)
      if ('conversation' in target && this.conversations.get(target.conversation) === undefined)
        ids.add(target.conversation);
    if (ids.size === 0) return;
    this.counts.statements++;
    const pairs = await this.db.log.ask((sql) => findConversations(sql, [...ids]), ATTEMPT_MS);
    for (const pair of pairs) this.conversations.set(pair.conversation, pair);
  }

  /**
   * Stores entries until their outcome is known, or for as long as anybody would wait for it, and then tells it: an exception in
   * that is nothing that the database said.
   * @param doubt whether some of them may be stored already
   * @param lanes those of the log, or those for what waits for a row that somebody holds
   */
  private async write(entries: Entry[], doubt: boolean, lanes: Asker = this.db.log): Promise<void> {
    const giveUp = performance.now() + DOUBT_MS;
    const apart = lanes !== this.db.log;
    let inDoubt = doubt;
    let todo = entries;
    for (;;) {
      const debts = apart ? [] : this.confirmed.slice(0, debtsBeside(todo.length));
      let appended: (Appended | undefined)[];
      try {
        if (inDoubt) {
          todo = await this.answerKnown(todo, lanes);
          if (todo.length === 0) return this.goUp();
        }
        this.counts.statements++;
        const batch = todo;
        appended = await lanes.ask((sql) => append(sql, batch, debts), apart ? HELD_ATTEMPT_MS : ATTEMPT_MS);
      } catch (error) {
        const state = sqlState(error);
        const patient = performance.now() < giveUp;
        if (patient && (state === '40P01' || state === '40001')) continue;
        if (patient && state === '55P03') {
          if (!apart) todo = await this.setAside(todo);
          if (todo.length === 0) return;
          continue;
        }
        if (patient && (state === '23505' || error instanceof OddAnswerError)) {
          inDoubt = true;
          continue;
        }
        if (/^(22|23|54)/.test(state) && state !== '23505')
          return this.writeOneByOne(todo, inDoubt, lanes, error);
        if (!apart) this.goDown(error);
        const refused = isRefusal(error);
        if (patient && (inDoubt || !refused)) {
          inDoubt = true;
          await sleep(PROBE_MS * (0.5 + Math.random()));
          continue;
        }
        return this.fail(todo, new ChatError(refused && !inDoubt ? 'unavailable' : 'outcome_unknown'));
      }
      this.counts.batches++;
      this.goUp();
      this.onAppended(todo, appended);
      this.dropConfirmed(debts);
      return;
    }
  }

  /** Takes out what is for conversations whose rows somebody holds: it waits for them alone. @returns the others */
  private async setAside(entries: Entry[]): Promise<Entry[]> {
    this.counts.statements++;
    const found = await this.db.log.ask((sql) => findHeld(sql, entries), ATTEMPT_MS).catch(() => []);
    for (const pair of found) if (!this.held.has(pairKey(pair))) this.held.set(pairKey(pair), new Map());
    const rest: Entry[] = [];
    for (const entry of entries) {
      const held = this.held.get(pairKey(entry));
      if (held === undefined) rest.push(entry);
      else this.hold(held, entry);
    }
    if (this.heldRuns < HELD_LANES) this.heldIdle = Promise.all([this.heldIdle, this.storeHeld()]);
    return rest;
  }

  private hold(held: Map<string, Entry>, entry: Entry) {
    held.set(idKey(entry), entry);
    this.waitingBytes += weightOf(entry.content);
  }

  /** Stores what waits for the rows of conversations, each conversation by itself and in its order. */
  private async storeHeld() {
    this.heldRuns++;
    for (const [pair, held] of this.held) {
      if (this.storingHeld.has(pair)) continue;
      this.storingHeld.add(pair);
      while (held.size > 0) {
        const entries = [...held.values()].slice(0, BATCH_MESSAGES);
        for (const entry of entries) {
          held.delete(idKey(entry));
          this.waitingBytes -= weightOf(entry.content);
        }
        await this.write(entries, false, this.db.held);
      }
      this.held.delete(pair);
      this.storingHeld.delete(pair);
    }
    this.heldRuns--;
  }

  private onAppended(entries: readonly Entry[], appended: readonly (Appended | undefined)[]) {
    const stored: Entry[] = [];
    const arrivals: Arrival[] = [];
    const strangers: Entry[] = [];
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      const row = appended[i];
      if (entry === undefined) continue;
      if (row === undefined) {
        strangers.push(entry);
        continue;
      }
      const { from, to, clientId, content, senders } = entry;
      stored.push(entry);
      arrivals.push({
        conversation: row.conversation,
        seq: row.seq,
        msgId: row.msgId,
        from,
        members: membersOf(from, to),
        clientId,
        content,
        createdAt: row.createdAt,
        again: false,
        receipts: senders[0]?.wantsReceipts ?? false,
      });
    }
    this.counts.messages += stored.length;
    this.announce(stored, arrivals);
    if (strangers.length > 0) this.fail(strangers, new ChatError('user_not_found'));
  }

  /** Answers those that are stored already, and returns the others. */
  private async answerKnown(entries: Entry[], lanes: Asker): Promise<Entry[]> {
    this.counts.statements++;
    const found = await lanes.ask((sql) => findStored(sql, entries), ATTEMPT_MS);
    const known = new Map(found.map((message) => [keyOf(message), message]));
    const answered = entries.filter((entry) => known.has(idKey(entry)));
    // Delivered again: if they were stored by a batch in doubt, nobody has heard of them yet.
    const arrivals = answered.flatMap((entry) => {
      const message = known.get(idKey(entry));
      return message ? [{ ...message, again: true, receipts: entry.senders[0]?.wantsReceipts ?? false }] : [];
    });
    this.announce(answered, arrivals);
    return entries.filter((entry) => !known.has(idKey(entry)));
  }

  private async writeOneByOne(entries: Entry[], doubt: boolean, lanes: Asker, error: unknown) {
    const [only] = entries;
    if (only === undefined) return;
    if (entries.length === 1) {
      this.log.warn({ err: error }, 'a message was refused by the database');
      return this.fail(entries, new ChatError('content_invalid'));
    }
    for (const entry of entries) await this.write([entry], doubt, lanes);
  }

  private announce(entries: readonly Entry[], arrivals: readonly Arrival[]) {
    const deliveries = arrivals.map((message, i) => {
      const entry = entries[i];
      if (!message.clientId.startsWith('~')) this.recent.set(keyOf(message), message);
      for (const sender of entry?.senders ?? []) this.tell(() => sender.onStored(message));
      const wantsCopy = entry?.senders.some((sender) => sender.wantsCopy);
      return { message, users: wantsCopy ? message.members : receiversOf(message) };
    });
    this.tell(() => this.listener.onStored(deliveries));
  }

  private fail(entries: readonly Entry[], error: ChatError) {
    for (const entry of entries)
      for (const sender of entry.senders) this.tell(() => sender.onFailed(entry.clientId, error));
  }

  /** Tells somebody what became of a message. What goes wrong with one is no matter of the others. */
  private tell(word: () => void) {
    try {
      word();
    } catch (error) {
      this.log.error({ err: error }, 'somebody could not be told of a message');
    }
  }

  /** Nothing can be stored: what waits is answered now, what comes is answered at once, until it can again. */
  private goDown(error: unknown) {
    if (this.downSince === undefined)
      this.log.error({ err: error }, 'the database stores nothing: sends are refused until it does');
    this.downSince ??= performance.now();
    if (performance.now() - this.downSince > GIVE_UP_MS && error instanceof Error && !isDiskFull(error))
      this.db.giveUp(error);
    const waiting = this.gathering;
    this.gathering = [];
    this.waitingSince = undefined;
    for (const send of waiting) {
      this.waitingBytes -= weightOf(send.content);
      this.tell(() => send.sender.onFailed(send.clientId, new ChatError('unavailable')));
    }
  }

  private goUp() {
    if (this.down) this.log.info('the database is back: messages are stored again');
    this.downSince = undefined;
    this.provenAt = performance.now();
  }

  private probe() {
    if (this.closed || this.probeTimer !== undefined) return;
    this.probeTimer = setTimeout(async () => {
      this.probeTimer = undefined;
      await this.prove();
      if (this.down) this.probe();
      else this.start();
    }, PROBE_MS);
  }

  /** Finds out whether messages can be stored, by storing some that are taken back: where none could be, many enough to need room. */
  private prove(): Promise<void> {
    const contents = this.down ? bulk() : [''];
    this.proving ??= this.db.log
      .ask((sql) => tryAppend(sql, contents), BELIEVED_MS)
      .then(
        () => this.goUp(),
        (error: unknown) => this.goDown(error),
      )
      .finally(() => {
        this.proving = undefined;
      });
    return this.proving;
  }

  /** Whether messages can be stored now: asked of the database where it hasn't shown it lately. */
  async isReady(): Promise<boolean> {
    const now = performance.now();
    if (this.waitingSince !== undefined && now - this.waitingSince > STALE_MS) return false;
    if (!this.down && !this.running && now - this.provenAt > BELIEVED_MS) {
      await this.prove();
      if (this.down) this.probe();
    }
    return !this.down;
  }

  /** Bytes that messages take here: those that wait, and those that are remembered. */
  get bytes(): number {
    return this.waitingBytes + this.recent.bytes;
  }

  /** Whether messages can be stored now, as far as is known. */
  get works(): boolean {
    return !this.down;
  }
}

/** Decorates the instance with the log. */
export default fp(
  async (app) => {
    const messages = new MessageLog(app.db, app.log);
    app.decorate('messages', messages);
    app.addHook('onClose', () => messages.close());
  },
  { name: 'messages', dependencies: ['db'] },
);
