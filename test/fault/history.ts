/** The log itself, as its people read it over HTTP: the last witness, and one that knows of plain messages' numbers. */

import type { Evidence, History } from './diary.js';
import { type Finding, type Ledger, placeOf } from './ledger.js';
import type { Door } from './link.js';
import type { Many } from './many.js';
import { get, readPages } from './pages.js';

async function conversationsOf(door: Door, token: string): Promise<[id: number, last: number][]> {
  const found: [number, number][] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const page = await get(door, token, `/api/conversations?limit=100${cursor}`);
    for (const row of page.list('conversations')) {
      found.push([row.number('conversation_id'), row.number('last_seq')]);
    }
    cursor = page.isNull('next_cursor') ? undefined : `&cursor=${page.number('next_cursor')}`;
  }
  return found;
}

/** Reads every conversation of these users, each once. */
export async function readHistory(
  [door]: readonly Door[],
  users: readonly { id: number; token: string }[],
  many: Many,
): Promise<History> {
  const history: History = new Map();
  if (!door) return history;
  const upTo = Number.MAX_SAFE_INTEGER;
  for (const [conversation, members] of many) {
    const { token } = users.find(({ id }) => members.includes(id)) ?? { token: '' };
    history.set(conversation, await readPages(door, token, { conversation, after: 0, upTo }));
  }
  for (const { token } of users) {
    for (const [conversation, upTo] of await conversationsOf(door, token)) {
      if (history.has(conversation)) continue;
      history.set(conversation, await readPages(door, token, { conversation, after: 0, upTo }));
    }
  }
  return history;
}

/** Each conversation counts 1, 2, 3 …, has each message once, and where its people were told. */
export function historyFindings({ history }: Evidence, { messages }: Ledger): Finding[] {
  if (!history) return [];
  const found: Finding[] = [];
  const stored = new Set<string>();
  for (const [conversation, rows] of history) {
    let last = 0;
    for (const { seq, content, from: user, to } of rows) {
      const add = (what: string) =>
        found.push({ what: `${conversation}:${seq} ${what}`, user, at: 0, content });
      if (seq !== last + 1) add(`comes after ${last}`);
      last = seq;
      if (stored.has(content)) add('is stored twice');
      stored.add(content);
      const message = messages.get(content);
      if (!message || message.from !== user || message.to !== to) {
        add('was sent by nobody');
        continue;
      }
      const place = placeOf(message);
      if (place && (place.conversation !== conversation || place.seq !== seq)) {
        add(`was said to be at ${place.conversation}:${place.seq}`);
      }
    }
  }
  for (const { content, told, copies, from: user } of messages.values()) {
    if (stored.has(content) || (told.length === 0 && copies.length === 0)) continue;
    found.push({ what: 'somebody heard of it and it is not in the log', user, at: 0, content });
  }
  return found;
}
