/** What was said first, in the place of what an edit or a deletion made of it: by that the other rules know a message. */
import { placeKey } from './asked.js';
import type { Diary, Entry, Evidence, PageMessage, State } from './diary.js';
import { nameIn } from './numbers.js';

interface Told {
  content: string;
  state?: State;
}

class Originals {
  readonly #byName = new Map<string, string>();
  readonly #byId = new Map<string, string>();
  readonly #byPlace = new Map<string, string>();
  /** All that somebody wanted a message to say instead. */
  readonly #edits = new Set<string>();

  constructor(diaries: readonly Diary[]) {
    for (const { user, entries } of diaries)
      for (const entry of entries) {
        if (entry.type === 'ask' && entry.wish.does === 'edit') this.#edits.add(entry.wish.content);
        if (entry.type !== 'send') continue;
        this.#byName.set(nameIn(entry.content), entry.content);
        if (entry.id !== undefined) this.#byId.set(`${user}/${entry.id}`, entry.content);
      }
    for (const { user, entries } of diaries)
      for (const entry of entries) {
        const content =
          entry.type === 'sent'
            ? this.#byId.get(`${user}/${entry.id}`)
            : entry.type === 'chat' || entry.type === 'page'
              ? this.#unedited(entry.content)
              : undefined;
        if (content && 'msgId' in entry && 'seq' in entry) this.#byPlace.set(placeKey(entry), content);
      }
  }

  #unedited(content: string): string {
    return this.#edits.has(content) ? (this.#byName.get(nameIn(content)) ?? content) : content;
  }

  of(told: Told, place?: { conversation: number; seq: number }): string {
    const isDeleted = told.state?.deleted === true && told.content === '';
    return isDeleted && place
      ? (this.#byPlace.get(placeKey(place)) ?? told.content)
      : this.#unedited(told.content);
  }

  entry(entry: Entry): Entry {
    switch (entry.type) {
      case 'chat':
      case 'page':
        return this.row(entry);
      case 'live':
      case 'row': {
        const content = this.of(entry);
        return content === entry.content ? entry : { ...entry, content };
      }
      default:
        return entry;
    }
  }

  row<T extends PageMessage>(row: T): T {
    const content = this.of(row, row);
    return content === row.content ? row : { ...row, content };
  }
}

/** The evidence with the first content of each message wherever one is told; what it says now is in `state` alone. */
export function asSaid(evidence: Evidence): Evidence {
  const { diaries, history } = evidence;
  const originals = new Originals(diaries);
  const rows = [...(history ?? [])].map(
    ([conversation, list]) => [conversation, list.map((row) => originals.row(row))] as const,
  );
  return {
    ...evidence,
    diaries: diaries.map((diary) => ({ ...diary, entries: diary.entries.map((e) => originals.entry(e)) })),
    ...(history && { history: new Map(rows) }),
  };
}
