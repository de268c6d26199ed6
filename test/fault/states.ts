/** How messages change, as each device is told: what it holds at the end, and whether what came on the way may come. */
import { placeKey } from './asked.js';
import type { Changed, Diary, Entry, State } from './diary.js';
import type { Finding } from './ledger.js';

export interface StateFindings {
  /** Changes that don't go on from where a connection stood, or go back. */
  changeOrder: Finding[];
  /** A text of a message after it was deleted. */
  undeleted: Finding[];
  /** What a device holds isn't what the log says; or one change is said to have made two things. */
  diverged: Finding[];
}

export const unchanged = (content: string): State => ({
  ...{ change: 0, content, edited: false, deleted: false, reactions: '', pinned: false },
});

/** How a message is, in few words, so that two can be compared. */
export const brief = ({ change, content, edited, deleted, reactions, pinned }: State): string =>
  [change, edited ? 'edited' : '', deleted ? 'deleted' : '', pinned ? 'pinned' : '', reactions, content].join(
    '|',
  );

/** What one device holds, by place; and at which change its last connection stood. */
export interface Device {
  user: number;
  held: Map<string, State>;
  stands: Map<number, number>;
}

/** Where a connection stands. */
class Standing {
  readonly seqs: Map<number, number>;
  readonly changes: Map<number, number>;
  /** The last change that it was told of without asking. */
  readonly told = new Map<number, number>();
  readonly #own = new Set<string>();

  constructor(seqs: Iterable<readonly [number, number]>, changes: Iterable<readonly [number, number]> = []) {
    this.seqs = new Map(seqs);
    this.changes = new Map(changes);
  }

  move(conversation: number, seq: number) {
    let to = Math.max(seq, this.seqs.get(conversation) ?? 0);
    while (this.#own.has(`${conversation}:${to + 1}`)) to++;
    this.seqs.set(conversation, to);
  }

  /** A message of the client's own moves it once it continues it. */
  sent(conversation: number, seq: number) {
    this.#own.add(`${conversation}:${seq}`);
    this.move(conversation, 0);
  }
}

/** Goes through a diary as its client did. Of what it sent it knows what it said. */
export function follow(
  { user, entries }: Diary,
  saidBy: (id: string) => string | undefined,
  found: StateFindings,
): Device {
  const held = new Map<string, State>();
  // What changes while the message itself is still being read over HTTP.
  const aside = new Map<string, State>();
  const deletedAt = new Map<string, number>();
  const connections = new Map<number, Standing>();
  const syncedAt = new Map<number, number>();
  let last: Standing | undefined;

  function show(place: { conversation: number; seq: number }, state: State, { at, connection, type }: Entry) {
    const key = placeKey(place);
    const gone = deletedAt.get(key);
    const before = held.get(key);
    const add = (what: string) =>
      found.undeleted.push({ what: `${key} ${what}`, user, at, content: state.content });
    if (gone !== undefined && !state.deleted) {
      if (state.change > (before?.change ?? 0)) add(`has a text by change ${state.change}, and was deleted`);
      else if (type === 'chat' && (syncedAt.get(connection) ?? 0) > gone)
        add('comes with its text, and was deleted');
    }
    // Without a change it is only not for who has left.
    if (state.deleted && state.change > 0) {
      if (state.content !== '') add('is deleted, and has a text');
      if (gone === undefined) deletedAt.set(key, at);
    }
    if (before === undefined || state.change > before.change) held.set(key, state);
  }

  function onChanged(entry: Changed) {
    const { conversation, seq, state, id, fromChange: from = state.change, at, connection } = entry;
    const key = placeKey(entry);
    if (held.has(key)) show(entry, state, entry);
    else if (state.change > (aside.get(key)?.change ?? 0)) aside.set(key, state);
    const add = (what: string) =>
      found.changeOrder.push({
        what: `${key}, change ${from}-${state.change} on connection ${connection} ${what}`,
        user,
        at,
      });
    const standing = connections.get(connection);
    if (standing === undefined) {
      add('before sync');
      return;
    }
    const { changes, told } = standing;
    const known = changes.get(conversation) ?? 0;
    if (id === undefined) {
      if (from > known + 1) add(`after ${known}`);
      const before = told.get(conversation) ?? 0;
      if (state.change <= before || from > state.change) add(`after ${before} was told`);
      told.set(conversation, Math.max(before, state.change));
    }
    const isNext = from <= known + 1 && (id === undefined || seq <= (standing.seqs.get(conversation) ?? 0));
    if (isNext) changes.set(conversation, Math.max(known, state.change));
  }

  for (const entry of entries) {
    const standing = connections.get(entry.connection);
    switch (entry.type) {
      case 'sync':
        last = new Standing(entry.positions, entry.changes);
        connections.set(entry.connection, last);
        syncedAt.set(entry.connection, entry.at);
        break;
      case 'chat':
      case 'page': {
        if (entry.type === 'page' && entry.done) break;
        let state = entry.state ?? unchanged(entry.content);
        const newer = entry.type === 'page' ? aside.get(placeKey(entry)) : undefined;
        if (newer && newer.change > state.change) state = newer;
        show(entry, state, entry);
        if (entry.type === 'chat') standing?.move(entry.conversation, entry.seq);
        break;
      }
      case 'event':
      case 'joined':
        standing?.move(entry.conversation, entry.seq);
        break;
      case 'sent': {
        const content = saidBy(entry.id);
        if (content !== undefined && !held.has(placeKey(entry))) show(entry, unchanged(content), entry);
        standing?.sent(entry.conversation, entry.seq);
        break;
      }
      case 'changed':
        onChanged(entry);
        break;
      case 'conflict':
      case 'settled':
        if (held.has(placeKey(entry))) show(entry, entry.state, entry);
        break;
      case 'changes': {
        const { conversation, change, connection, at } = entry;
        const before = standing?.told.get(conversation) ?? 0;
        const what = `${conversation} stands at ${change} on connection ${connection}, after ${before} was told`;
        if (standing === undefined || change <= before) found.changeOrder.push({ what, user, at });
        standing?.told.set(conversation, Math.max(before, change));
        standing?.changes.set(conversation, Math.max(change, standing.changes.get(conversation) ?? 0));
        break;
      }
      case 'reset':
        if (entry.conversation === undefined) connections.delete(entry.connection);
        else {
          standing?.seqs.set(entry.conversation, entry.seq ?? 0);
          standing?.changes.set(entry.conversation, entry.change ?? 0);
          standing?.told.delete(entry.conversation);
        }
        break;
      default:
    }
  }
  return { user, held, stands: last?.changes ?? new Map() };
}
