/** Cursors that move: what waits is found by its key, however much moves at once. */
import t from 'tap';
import { moveCursors } from '../sql/cursors.js';
import type { Sql } from '../sql/handle.js';
import { build, signUp } from './helper.js';

const server = await build(t);
const { sql } = server.app.db;
const MANY = 300;

/** A part of a plan, as `explain` says it. */
interface Node {
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Join Filter'?: number;
  Plans?: Node[];
}

/** Rows that a plan looked at in vain. */
const wasted = (node: Node): number =>
  node['Actual Loops'] *
    ((node['Rows Removed by Join Filter'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) +
  (node.Plans ?? []).reduce((sum, part) => sum + wasted(part), 0);

t.test('ranges that end, or are cut off, at once are each found by their key', async (t) => {
  const { user_id: user } = await signUp(server);
  const first = 1_000_000;
  await sql`insert into plain_gaps (user_id, conversation_id, first_seq, last_seq)
    select ${user}, ${first} + g, 1, 10 from generate_series(1, ${MANY}::int) g`;
  const moves = Array.from({ length: MANY }, (_, i) => ({
    user,
    conversation: first + i + 1,
    fetched: i % 2 === 0 ? 10 : 4,
  }));
  let looked = 0;
  // The same statement, explained: it does what it says.
  const explaining = async (text: TemplateStringsArray, ...values: string[]) => {
    const [row] = await sql<[{ 'QUERY PLAN': [{ Plan: Node }] }]>`
      explain (analyze, format json) ${sql(text, ...values)}`;
    looked += wasted(row['QUERY PLAN'][0].Plan);
    return [];
  };
  await moveCursors(explaining as unknown as Sql, moves);
  t.ok(looked <= 4 * MANY, `${looked} rows were looked at in vain for ${MANY} moves`);
  const left = await sql<{ n: number; first: number; last: number }[]>`
    select count(*)::int as n, min(first_seq) as first, max(last_seq) as last from plain_gaps where user_id = ${user}`;
  t.strictSame([...left], [{ n: MANY / 2, first: 5, last: 10 }]);
});
