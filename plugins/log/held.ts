import { conversationKey } from '../../sql/append.js';
import { HELD_LANES } from '../db/handle.js';
import type { Asker } from '../db/lanes.js';
import { weightOf } from '../weight.js';
import { type Entry, idKey } from './entry.js';
import type { Outcome, Store } from './store.js';

/** Entries that one statement stores at most. */
const BATCH = 1000;

/** What waits for the rows of conversations that somebody holds: each conversation by itself, and in its order. */
export class Held {
  /** Bytes that wait. */
  bytes = 0;
  /** By conversation, then by id. */
  private readonly waiting = new Map<string, Map<string, Entry>>();
  private readonly storing = new Set<string>();
  private runs = 0;
  /** Ends when nothing waits any more. */
  idle: Promise<unknown> = Promise.resolve();

  /** @param tell hears what became of entries */
  constructor(
    private readonly lanes: Asker,
    private readonly store: Store,
    private readonly tell: (outcome: Outcome) => void,
  ) {}

  /** What waits for the conversation of an entry, by id; undefined where it needn't wait. */
  of(entry: Entry): ReadonlyMap<string, Entry> | undefined {
    return this.waiting.size === 0 ? undefined : this.waiting.get(conversationKey(entry));
  }

  /** Has entries wait for their conversations, behind those that do already. */
  add(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    for (const entry of entries) {
      const key = conversationKey(entry);
      const list = this.waiting.get(key) ?? new Map<string, Entry>();
      list.set(idKey(entry), entry);
      this.waiting.set(key, list);
      this.bytes += weightOf(entry);
    }
    if (this.runs < HELD_LANES) this.idle = Promise.all([this.idle, this.run()]);
  }

  private async run() {
    this.runs++;
    for (const [key, list] of this.waiting) {
      if (this.storing.has(key)) continue;
      this.storing.add(key);
      while (list.size > 0) {
        const entries = [...list.values()].slice(0, BATCH);
        for (const entry of entries) {
          list.delete(idKey(entry));
          this.bytes -= weightOf(entry);
        }
        this.tell(await this.store.write(entries, { lanes: this.lanes, isHeld: true }));
      }
      this.waiting.delete(key);
      this.storing.delete(key);
    }
    this.runs--;
  }
}
