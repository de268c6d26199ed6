import { setTimeout as sleep } from 'node:timers/promises';
import { prepared } from './data.js';
import { ExtendedUser } from './extended.js';
import { Ledger, openAll, paced } from './load.js';
import { type Bench, type Figures, measure, round, withReplicas } from './measure.js';
import { FIRST } from './stack.js';

/** A conversation of many who are all connected, and write in turn: what each message costs that goes to all the others. */
export async function manyAt(bench: Bench, members: number, rate: number): Promise<Figures> {
  let conversation = 0;
  const env = await prepared(bench.stack, async (sql) => {
    const [made] = await sql<{ id: string }[]>`
      insert into conversations (user_a, user_b) values (null, null) returning conversation_id as id`;
    conversation = Number(made?.id);
    await sql`insert into members (user_id, conversation_id)
      select ${FIRST}::int + i, ${conversation}::int from generate_series(0, ${members - 1}::int) i`;
  });
  return withReplicas(bench, env, 1, async (replicas) => {
    const ledger = new Ledger(members - 1);
    const users = await openAll(members, async (i) => {
      const user = await ExtendedUser.open(replicas[0]?.port ?? 0, i);
      user.onChat = ledger.take;
      await user.sync();
      return user;
    });
    let turn = 0;
    const stop = paced(rate, (due) => {
      const from = turn++ % members;
      users[from]?.chatIn(conversation, ledger.next(from, due));
    });
    await sleep(2000);
    const { 'messages/s': given = 0, ...figures } = await measure(bench, replicas, ledger);
    stop();
    await ledger.drain();
    for (const user of users) user.end();
    return {
      'given/s': given,
      'p50 ms': figures['p50 ms'] ?? Number.NaN,
      'p99 ms': figures['p99 ms'] ?? Number.NaN,
      'µs for each given': figures['µs/message'] ?? Number.NaN,
      'server cores': round(((figures['server µs'] ?? Number.NaN) * given) / 1e6, 2),
      cores: figures.cores ?? Number.NaN,
      ...{ lost: ledger.lost, doubled: ledger.doubled },
    };
  });
}
