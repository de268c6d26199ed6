import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { PLANNING } from '../../plugins/db/open.js';
import { append } from '../../sql/append.js';
import { beginPlain, moveCursors, readWaiting } from '../../sql/cursors.js';
import { readAfter } from '../../sql/packed.js';
import { standingsOf } from '../../sql/sessions.js';
import { standings } from '../../sql/standings.js';
import { drawConnections } from '../../sql/users.js';
import { prepared, talks } from './data.js';
import { percentile } from './load.js';
import { type Bench, type Figures, round } from './measure.js';
import { FIRST } from './stack.js';

const MEASURED_MS = 3000;
/** Users to whom others have written, so many to each, and messages of each of them: as in away.ts. */
const [USERS, OTHERS, EACH] = [2000, 50, 4];
/** The first of those who wrote, and of others who are in no conversation. */
const [OTHER, FRESH] = [2000, 2100];
/** Users who were given all, the first of them, and how many have written to each. */
const [KNOWING, KNOWN, FEW] = [2000, 8000, 20];
/** Milliseconds from one batch to the next, where they come at a rate. */
const BATCH_MS = 4;
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
    const known = sql`select ${FIRST + KNOWN}::bigint + i as a, ${FIRST + KNOWN + KNOWING}::bigint + j as b
      from generate_series(0, ${KNOWING - 1}::int) i, generate_series(0, ${FEW - 1}::int) j`;
    await talks(sql, known, EACH);
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
  /** Between fifty pairs. */
  const inPairs = (n: number): [number, number] => {
    const pair = 2 * (n % 50);
    return n % 2 === 0 ? [pair, pair + 1] : [pair + 1, pair];
  };
  /** From fifty to each of a hundred others, as in away.ts. */
  const toMany = (n: number): [number, number] => [n % 50, 50 + (Math.floor(n / 50) % 100)];
  /** Appends so many. */
  const batch = (size: number, between: (n: number) => [number, number]) => async () => {
    const messages = Array.from({ length: size }, (_, i) => {
      const [from, to] = between(sent + i);
      return {
        from: FIRST + FRESH + from,
        target: { user: FIRST + FRESH + to },
        clientId: `${sent + i}`,
        content: 'x'.repeat(100),
      };
    });
    sent += size;
    return append(sql, messages, false, { get: () => undefined, set() {} });
  };
  const many = (size: number, between: (n: number) => [number, number]) => async () =>
    (await batch(size, between)()).length;
  const usersOf = (turn: number, of = USERS) =>
    Array.from({ length: TOGETHER }, (_, i) => FIRST + ((turn * TOGETHER + i) % of));

  await cost('µs a message, batches of 200', many(200, inPairs));
  // All conversations are there before that is measured.
  for (let i = 0; i < 25; i++) await batch(200, toMany)();
  await cost('µs a message, batches of 200, each to another', many(200, toMany));
  await cost('µs a message, batches of 6', many(6, toMany));
  await cost('µs a message, batches of 6, and its cursor', async () => {
    const stored = await batch(6, toMany)();
    const moves = stored.flatMap((one) =>
      typeof one === 'object' && one.to !== undefined
        ? [{ user: one.to, conversation: one.conversation, pushed: one.seq }]
        : [],
    );
    return (await moveCursors(sql, moves)).length;
  });
  const took: number[] = [];
  const started = performance.now();
  for (let due = started; due < started + MEASURED_MS; due += BATCH_MS) {
    await sleep(Math.max(0, due - performance.now()));
    await batch(6, toMany)();
    took.push(performance.now() - due);
  }
  for (const p of [50, 99])
    figures[`p${p} ms of a batch of 6, one each ${BATCH_MS} ms`] = round(percentile(took, p));
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
  const begin = async (users: readonly number[]) => {
    await standingsOf(sql, users);
    await drawConnections(sql, users);
  };
  const open = async (users: readonly number[]) => {
    await begin(users);
    const line = Number.MAX_SAFE_INTEGER;
    await beginPlain(
      sql,
      users.map((user) => ({ user, number: drawn++, line })),
    );
    return users.length;
  };
  await cost('µs an opening', (turn) => open(usersOf(turn, 5000).map((user) => user + FRESH + 100)));
  await cost(`µs an opening, ${OTHERS} conversations`, (turn) => open(usersOf(turn)));
  await cost(`µs an extended opening and its sync, ${FEW} conversations`, async (turn) => {
    const users = usersOf(turn, KNOWING).map((user) => user + KNOWN);
    await begin(users);
    return (
      await standings(
        sql,
        users.map((user) => ({ user, proofs: [] })),
      )
    ).filter(({ length }) => length === FEW).length;
  });
  await sql.end();
  return figures;
}
