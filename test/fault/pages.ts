/** History over HTTP, as a client reads it that was told of a gap. */

import { askOn, type Question } from './ask.js';
import { nameOf, type PageMessage } from './diary.js';
import type { Frame } from './frame.js';
import type { Door } from './link.js';
import { addressOf } from './many.js';
import { changeIn, doneBy, timeOf } from './place.js';
import type { Random } from './random.js';

/** Who reads, and where. */
export interface Reader {
  doors: readonly Door[];
  token: string;
  random: Random;
}

/** @throws Error if it is refused, or not answered in a minute */
export async function get({ doors, token, random }: Reader, path: string): Promise<Frame> {
  const question: Question = { path, token };
  const { status, error, data } = await askOn(doors, random, question);
  if (data === undefined) throw new Error(`${path} answered ${status}: ${error}`);
  return data;
}

/** The messages of a conversation from past `after` up to `upTo`. */
export async function readPages(
  reader: Reader,
  range: { conversation: number; after: number; upTo: number },
): Promise<PageMessage[]> {
  const { conversation, upTo } = range;
  const found: PageMessage[] = [];
  for (let { after } = range; after < upTo; ) {
    const path = `/api/conversations/${conversation}/messages?after=${after}&limit=200`;
    const page = (await get(reader, path)).list('messages');
    if (page.length === 0) break;
    for (const row of page) {
      after = row.number('seq');
      if (after > upTo) break;
      const place = { conversation, seq: after, msgId: row.number('msg_id') };
      const done = row.has('event') ? doneBy(row.object('event')) : undefined;
      found.push({
        ...place,
        from: row.number('from_user_id'),
        to: row.has('to_user_id') ? row.number('to_user_id') : addressOf(conversation),
        content: done === undefined ? row.text('content') : nameOf(done, place),
        ...(done !== undefined ? { done } : changeIn(row)),
        stored: timeOf(row),
      });
    }
  }
  return found;
}
