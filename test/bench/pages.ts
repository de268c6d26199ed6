import { setTimeout as sleep } from 'node:timers/promises';
import { prepared, talks, withMany } from './data.js';
import { openUser, percentile, settled } from './load.js';
import { type Bench, clocked, type Figures, round, withReplicas } from './measure.js';
import { flushAll } from './socket.js';
import { FIRST } from './stack.js';

/** In which order messages of many conversations came: one of each in turn, or one conversation after the other. */
export type Order = 'mixed' | 'in turn';

/** What waits for a plain client, so many messages in each of so many conversations, asked for page by page. */
export async function pagesOf(
  bench: Bench,
  conversations: number,
  each: number,
  order: Order,
): Promise<Figures> {
  const env = await prepared(bench.stack, async (sql) => {
    const by = order === 'mixed' ? sql`seq, conversation_id` : sql`conversation_id, seq`;
    await talks(sql, withMany(sql, 0, conversations), each, by);
    await sql`insert into plain_gaps (user_id, conversation_id, first_seq, last_seq)
      select user_id, conversation_id, 1, plain_seq from cursors where user_id = ${FIRST}`;
    await sql`update cursors set delivered_seq = 0 where user_id = ${FIRST}`;
  });
  return withReplicas(bench, env, 1, async ([replica]) => {
    const times: number[] = [];
    let rows = 0;
    let last = 0;
    const take = (text: string) => {
      if (!text.startsWith('{"type":"offline_list"')) return;
      rows += text.split('"msg_id"').length - 1;
      const now = performance.now();
      times.push(now - last);
      last = now;
    };
    const { result: socket, ms } = await clocked(async () => {
      const opened = await openUser(replica?.port ?? 0, 0, take);
      await settled(opened);
      return opened;
    });
    socket.send('{"type":"get_offline"}');
    last = performance.now();
    flushAll();
    await sleep(bench.seconds * 1000);
    socket.end();
    return {
      'opening ms': round(ms),
      'first page ms': round(times[0] ?? Number.NaN),
      'p50 ms/page': round(percentile(times, 50)),
      'p99 ms/page': round(percentile(times, 99)),
      'rows/page': round(rows / times.length),
    };
  });
}
