import postgres from 'postgres';
import { PLANNING } from '../../plugins/db/open.js';
import { append } from '../../sql/append.js';
import { beginPlain, moveCursors, readWaiting } from '../../sql/cursors.js';
import { readAfter } from '../../sql/packed.js';
import { standingsOf } from '../../sql/sessions.js';
import { standings } from '../../sql/standings.js';
import { drawConnections } from '../../sql/users.js';
import { prepared, talks } from './data.js';
import { type Bench, type Figures, round } from './measure.js';
import { FIRST } from './stack.js';

const MEASURED_MS = 3000;
/** Users to whom others have written, so many to each, and messages of each of them: as in away.ts. */
const [USERS, OTHERS, EACH] = [2000, 50, 4];
/** The first of those who wrote, and of others who are in no conversation. */
const [OTHER, FRESH] = [2000, 2100];
/** Connections that open at a moment. */
const TOGETHER = 10;

/**
 * What PostgreSQL takes for the statements by themselves: asked with what the server asks, one after the other, while nothing else is
 * done. So nothing that the server does can cost less than this and what the libraries cost.
 */
export async function statementsAlone(bench: Bench): Promise<Figures> {
  const env = await prepared(bench.stack, async (sql) => {
    const pairs = sql`select ${FIRST}::bigint + i as a, ${FIRST + OTHER}::bigint + j as b
      from generate_series(0, ${USERS - 1}::int) i, generate_series(0, ${OTHERS - 1}::int) j`;
    await talks(sql, pairs, EACH);
    await sql`update cursors set delivered_seq = 0, plain_seq = 0`;
  });
  const sql = postgres(env.DB_URL ?? '', {
    max: 1,
    fetch_types: false,
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    connection: PLANNING,
  });
  await sql`select`;
  await bench.stack.pinStores();
  const figures: Figures = {};
  let drawn = Date.now() * 1000;
  let sent = 0;

  /** @param work does something, and says how many times; 0 where there is no more */
  const cost = async (name: string, work: (turn: number) => Promise<number>) => {
    await work(0);
    const before = (await bench.stack.used([])).postgres;
    const until = performance.now() + MEASURED_MS;
    let done = 0;
    for (let turn = 1, n = 1; n > 0 && performance.now() < until; turn++) {
      n = await work(turn);
      done += n;
    }
    figures[name] = round(((await bench.stack.used([])).postgres - before) / done);
  };
  /** A batch of so many messages between fifty pairs. */
  const batch = (size: number) => async () => {
    const messages = Array.from({ length: size }, (_, i) => {
      const pair = 2 * ((sent + i) % 50);
      const [from, to] = i % 2 === 0 ? [pair, pair + 1] : [pair + 1, pair];
      return {
        from: FIRST + FRESH + from,
        target: { user: FIRST + FRESH + to },
        clientId: `${sent + i}`,
        content: 'x'.repeat(100),
      };
    });
    sent += size;
    return (await append(sql, messages, false, { get: () => undefined, set() {} })).length;
  };
  const usersOf = (turn: number, of = USERS) =>
    Array.from({ length: TOGETHER }, (_, i) => FIRST + ((turn * TOGETHER + i) % of));

  await cost('µs a message, batches of 200', batch(200));
  await cost('µs a message, batches of 6', batch(6));
  await cost('µs a message fetched, extended', async (turn) => {
    const [user = 0] = usersOf(turn);
    const [found = []] = await standings(sql, [{ user, proofs: [] }]);
    const places = found.map(({ conversation }) => ({ conversation, seq: 0 }));
    const page = await readAfter(sql, user, places, 200);
    await moveCursors(
      sql,
      places.map(({ conversation }) => ({ user, conversation, delivered: EACH + turn })),
    );
    return page.length;
  });
  await cost('µs a message fetched, plain', async (turn) => {
    const user = FIRST + turn;
    const begun = await beginPlain(sql, [{ user, number: drawn++, line: Number.MAX_SAFE_INTEGER }]);
    const places = begun.get(user)?.places ?? new Map<number, number>();
    const { messages } = await readWaiting(sql, user, places, new Map(), 1000, 1_000_000);
    const moves = [...places.keys()].map((conversation) => ({ user, conversation, fetched: EACH }));
    await moveCursors(sql, moves);
    return messages.length;
  });
  const open = async (users: readonly number[]) => {
    await standingsOf(sql, users);
    await drawConnections(sql, users);
    const line = Number.MAX_SAFE_INTEGER;
    await beginPlain(
      sql,
      users.map((user) => ({ user, number: drawn++, line })),
    );
    return users.length;
  };
  await cost('µs an opening', (turn) => open(usersOf(turn, 5000).map((user) => user + FRESH + 100)));
  await cost(`µs an opening, ${OTHERS} conversations`, (turn) => open(usersOf(turn)));
  await sql.end();
  return figures;
}
