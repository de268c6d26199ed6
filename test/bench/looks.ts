import postgres from 'postgres';
import { PLANNING } from '../../plugins/db/open.js';
import { lookAtBatches } from '../../sql/batches.js';
import { lookForWork } from '../../sql/search-index.js';
import { prepared, ring, talks } from './data.js';
import { type Bench, type Figures, round } from './measure.js';

/** Conversations that there are: of so many users, with so many contacts each. */
const USERS = 5000;
const CONTACTS = 20;
/** Conversations of a batch. */
const BATCH = 50;
const MEASURED_MS = 3000;

/** What each look costs that replicas take at what was stored meanwhile, by how many conversations that went to. */
export async function looks(bench: Bench, counts: readonly number[]): Promise<Figures> {
  const env = await prepared(bench.stack, (sql) => talks(sql, ring(sql, USERS, CONTACTS)));
  const sql = postgres(env.DB_URL ?? '', {
    max: 1,
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    connection: PLANNING,
  });
  const figures: Figures = {};
  for (const many of counts) {
    const [before] = await sql<[{ snapshot: string }]>`select pg_current_snapshot()::text as snapshot`;
    await sql`
      insert into batches (conversations, ends, changes)
      select array_agg(conversation_id), array_agg(1), null
      from (select conversation_id, (row_number() over ()) / ${BATCH} as batch from conversations limit ${many}) c group by batch`;
    // Somebody else is at the index, and has done what was there before.
    await sql`update search_state set snapshot = ${before.snapshot}::pg_snapshot, holder = 'another', held_until = now() + '1 hour', swept = null`;
    const cost = async (name: string, look: () => Promise<unknown>) => {
      await look();
      const used = (await bench.stack.used([])).postgres;
      const own = process.cpuUsage();
      const until = performance.now() + MEASURED_MS;
      let done = 0;
      for (; performance.now() < until; done++) await look();
      const { user, system } = process.cpuUsage(own);
      figures[`${name}, ${many}: postgres µs`] = round(
        ((await bench.stack.used([])).postgres - used) / done,
        0,
      );
      figures[`${name}, ${many}: server µs`] = round((user + system) / done, 0);
    };
    await cost('repair', () => lookAtBatches(sql, before.snapshot, undefined, []));
    await cost('index of another', () => lookForWork(sql, 'me'));
  }
  await sql.end();
  return figures;
}
