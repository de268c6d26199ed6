/** The log itself, as its people read it over HTTP: the last witness, and one that knows of plain messages' numbers. */

import type { Evidence, History, View } from './diary.js';
import { type Finding, type Ledger, placeOf } from './ledger.js';
import type { Door } from './link.js';
import { get, type Reader, readPages } from './pages.js';
import type { Random } from './random.js';

async function conversationsOf(reader: Reader): Promise<[id: number, last: number][]> {
  const found: [number, number][] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const page = await get(reader, `/api/conversations?limit=100${cursor}`);
    for (const row of page.list('conversations')) {
      found.push([row.number('conversation_id'), row.number('last_seq')]);
    }
    cursor = page.isNull('next_cursor') ? undefined : `&cursor=${page.number('next_cursor')}`;
  }
  return found;
}

/** Members of each group whose own view of it is read, besides its owner's. */
const viewers = 4;

/** Reads every conversation of these users, each once: a group as its owner, who sees all of it. */
export async function readHistory(
  doors: readonly Door[],
  users: readonly { id: number; token: string }[],
  { many, changes }: Pick<Evidence, 'many' | 'changes'>,
  random: Random,
): Promise<Required<Pick<Evidence, 'history' | 'views' | 'pins'>>> {
  const history: History = new Map();
  const views: View[] = [];
  const pins = new Map<number, number[]>();
  const readerOf = (user: number): Reader => {
    const token = users.find(({ id }) => id === user)?.token ?? '';
    return { doors, token, random };
  };
  const readPins = async (user: number, conversation: number) => {
    const list = await get(readerOf(user), `/api/conversations/${conversation}/pins`);
    pins.set(
      conversation,
      list.list('pins').map((pin) => pin.object('message').number('seq')),
    );
  };
  const upTo = Number.MAX_SAFE_INTEGER;
  for (const [conversation, { owner }] of many) {
    history.set(conversation, await readPages(readerOf(owner), { conversation, after: 0, upTo }));
    await readPins(owner, conversation);
    const moved = new Set(changes.flatMap((one) => (one.conversation === conversation ? [one.user] : [])));
    for (const user of [...moved].slice(0, viewers)) {
      const rows = await readPages(readerOf(user), { conversation, after: 0, upTo });
      const one = await get(readerOf(user), `/api/conversations/${conversation}`);
      views.push({ conversation, user, seqs: rows.map(({ seq }) => seq), last: one.number('last_seq') });
    }
  }
  for (const { id } of users) {
    const reader = readerOf(id);
    for (const [conversation, last] of await conversationsOf(reader)) {
      if (history.has(conversation)) continue;
      history.set(conversation, await readPages(reader, { conversation, after: 0, upTo: last }));
      await readPins(id, conversation);
    }
  }
  return { history, views, pins };
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
