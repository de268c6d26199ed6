import { randomBytes } from 'node:crypto';
import { LIMITS } from '../../schemas/limits.js';
import { findConversations, type Pair } from '../../sql/conversations.js';
import type { StoredMessage } from '../../sql/messages.js';
import { Cache } from '../cache.js';
import type { Asker } from '../db/lanes.js';
import { ChatError } from '../errors.js';
import { weightOf } from '../weight.js';
import { type Entry, idKey, isOurs, OURS, storedKey } from './entry.js';
import type { Held } from './held.js';
import { ATTEMPT_MS } from './store.js';
import type { Teller } from './teller.js';
import type { Arrival, Send, Target } from './types.js';

/** Makes of what is asked what is to be stored: whom it is for, and what was asked before, by its id. */
export class Intake {
  private readonly prefix = `${OURS}${randomBytes(6).toString('base64url')}.`;
  private counter = 0;
  private readonly conversations = new Cache<number, Pair>({ entries: 50_000, ageMs: 600_000 });
  private readonly recent = new Cache<string, StoredMessage>(
    { entries: 20_000, bytes: LIMITS.recentBytes },
    ({ content }) => weightOf(content),
  );

  constructor(
    private readonly lanes: Asker,
    private readonly held: Held,
    private readonly teller: Teller,
    private readonly counts: { statements: number },
  ) {}

  /** Bytes of what is remembered. */
  get bytes(): number {
    return this.recent.bytes;
  }

  /** These are stored: whoever says one of them again is answered at once. */
  remember(arrivals: readonly Arrival[]): void {
    for (const message of arrivals)
      if (!isOurs(message.clientId)) this.recent.set(storedKey(message), message);
  }

  forget(): void {
    this.conversations.clear();
    this.recent.clear();
  }

  /**
   * Answers what is known or nowhere to go, has what waits for a conversation wait there, and folds what is asked twice.
   * @returns what is to be stored, in its order
   * @throws PostgresError, DeadlineError where the conversations can't be found
   */
  async entries(batch: readonly Send[]): Promise<Entry[]> {
    await this.findNamed(batch);
    const entries: Entry[] = [];
    const named = new Map<string, Entry>();
    for (const { from, target, clientId, content, sender } of batch) {
      const to = this.receiverOf(from, target);
      if (to === undefined) {
        this.teller.failed(sender, clientId, new ChatError('conversation_not_found'));
        continue;
      }
      const id = clientId ?? this.prefix + (this.counter++).toString(36);
      const entry: Entry = { from, to, clientId: id, content, senders: [sender] };
      const held = this.held.of(entry);
      if (clientId !== undefined && this.isRepeated(entry, named, held)) continue;
      if (held !== undefined) this.held.add([entry]);
      else entries.push(entry);
    }
    return entries;
  }

  /**
   * Whether its id was there before: whoever says the same again is answered, or will be with whoever said it first; who says
   * something else with it is refused.
   * @param named entries of this batch, by id, to which a new one is added
   * @param held what waits for its conversation, by id
   */
  private isRepeated(
    entry: Entry,
    named: Map<string, Entry>,
    held: ReadonlyMap<string, Entry> | undefined,
  ): boolean {
    const key = idKey(entry);
    const known = this.recent.get(key);
    const twin = named.get(key) ?? held?.get(key);
    const first = known ?? twin;
    if (first === undefined) {
      if (held === undefined) named.set(key, entry);
      return false;
    }
    if (first.content !== entry.content)
      for (const sender of entry.senders)
        this.teller.failed(sender, entry.clientId, new ChatError('id_reused'));
    else if (known !== undefined) for (const sender of entry.senders) this.teller.stored(sender, known);
    else twin?.senders.push(...entry.senders);
    return true;
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
    const pairs = await this.lanes.ask((sql) => findConversations(sql, [...ids]), ATTEMPT_MS);
    for (const pair of pairs) this.conversations.set(pair.conversation, pair);
  }
}
