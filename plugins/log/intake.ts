import { randomBytes } from 'node:crypto';
import type { Beside } from '../../sql/beside.js';
import { findTargets, type Member } from '../../sql/conversations.js';
import type { Target } from '../../sql/messages.js';
import { Cache } from '../cache.js';
import type { Asker } from '../db/lanes.js';
import { ChatError } from '../errors.js';
import { type Entry, idKey, isSame, OURS } from './entry.js';
import type { Held } from './held.js';
import { ATTEMPT_MS } from './store.js';
import type { Teller } from './teller.js';
import type { Send } from './types.js';

/** Between two nobody is mentioned. */
const betweenTwo = ({ replyTo }: Beside): Beside | undefined =>
  replyTo === undefined ? undefined : { replyTo };

const memberKey = ({ user, conversation }: Member) => `${user}:${conversation}`;

/** Makes of what is asked what is to be stored: whom it is for, and what is asked twice, by its id. */
export class Intake {
  private readonly prefix = `${OURS}${randomBytes(6).toString('base64url')}.`;
  private counter = 0;
  /** By who writes, and where: what that names. It is known of those only who are in the conversation. */
  private readonly targets = new Cache<string, Target>({ entries: 50_000, ageMs: 600_000 });

  constructor(
    private readonly lanes: Asker,
    private readonly held: Held,
    private readonly teller: Teller,
    private readonly counts: { statements: number },
  ) {}

  /** Somebody isn't in a conversation any more. */
  forgetMember(member: Member): void {
    this.targets.delete(memberKey(member));
  }

  /**
   * Has what waits for a conversation wait there, and folds what is asked twice.
   * @returns what is to be stored, in its order; and what isn't, since its sender isn't in the conversation, unless it is stored
   * @throws PostgresError, DeadlineError where the conversations can't be found
   */
  async entries(batch: readonly Send[]): Promise<{ entries: Entry[]; outsiders: Entry[] }> {
    await this.findNamed(batch);
    const entries: Entry[] = [];
    const outsiders: Entry[] = [];
    const named = new Map<string, Entry>();
    for (const { from, target: asked, clientId, content, beside: said, sender } of batch) {
      const id = clientId ?? this.prefix + (this.counter++).toString(36);
      const target = 'user' in asked ? asked : this.targets.get(memberKey({ user: from, ...asked }));
      const beside = said && (target !== undefined && 'user' in target ? betweenTwo(said) : said);
      const entry: Entry = {
        from,
        target: target ?? asked,
        clientId: id,
        content,
        beside,
        senders: [sender],
      };
      if (target === undefined) {
        outsiders.push(entry);
        continue;
      }
      const held = this.held.of(entry);
      if (clientId !== undefined && this.isRepeated(entry, named, held)) continue;
      if (held !== undefined) this.held.add([entry]);
      else entries.push(entry);
    }
    return { entries, outsiders };
  }

  /**
   * Whether its id waits already: whoever says the same again will be answered with whoever said it first; who says something else
   * with it is refused.
   * @param named entries of this batch, by id, to which a new one is added
   * @param held what waits for its conversation, by id
   */
  private isRepeated(
    entry: Entry,
    named: Map<string, Entry>,
    held: ReadonlyMap<string, Entry> | undefined,
  ): boolean {
    const key = idKey(entry);
    const first = named.get(key) ?? held?.get(key);
    if (first === undefined) {
      if (held === undefined) named.set(key, entry);
      return false;
    }
    if (isSame(first, entry)) first.senders.push(...entry.senders);
    else
      for (const sender of entry.senders)
        this.teller.failed(sender, entry.clientId, new ChatError('id_reused'));
    return true;
  }

  /** Finds what is named by the number of a conversation. */
  private async findNamed(batch: readonly Send[]) {
    const unknown = new Map<string, Member>();
    for (const { from, target } of batch) {
      if ('user' in target) continue;
      const member = { user: from, ...target };
      const key = memberKey(member);
      if (this.targets.get(key) === undefined) unknown.set(key, member);
    }
    if (unknown.size === 0) return;
    this.counts.statements++;
    const found = await this.lanes.ask((sql) => findTargets(sql, [...unknown.values()]), ATTEMPT_MS);
    for (const { target, ...member } of found) this.targets.set(memberKey(member), target);
  }
}
