/** History over HTTP, as a client reads it that was told of a gap. */

import type { PageMessage } from './diary.js';
import { Frame } from './frame.js';
import type { Door } from './link.js';
import { addressOf } from './many.js';

const timeout = 10_000;

export async function get({ port }: Door, token: string, path: string): Promise<Frame> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(timeout),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${text.slice(0, 200)}`);
  return Frame.parse(text).object('data');
}

/** The messages of a conversation from past `after` up to `upTo`. */
export async function readPages(
  door: Door,
  token: string,
  range: { conversation: number; after: number; upTo: number },
): Promise<PageMessage[]> {
  const { conversation, upTo } = range;
  const found: PageMessage[] = [];
  for (let { after } = range; after < upTo; ) {
    const path = `/api/conversations/${conversation}/messages?after=${after}&limit=200`;
    const page = (await get(door, token, path)).list('messages');
    if (page.length === 0) break;
    for (const row of page) {
      after = row.number('seq');
      if (after > upTo) break;
      found.push({
        conversation,
        seq: after,
        msgId: row.number('msg_id'),
        from: row.number('from_user_id'),
        to: row.has('to_user_id') ? row.number('to_user_id') : addressOf(conversation),
        content: row.text('content'),
      });
    }
  }
  return found;
}
