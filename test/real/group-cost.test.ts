/** What a message to a group costs the database: the same for few members and for many, but for how far those who have it are. */
import postgres from 'postgres';
import t, { type Test } from 'tap';
import { GROUPS } from '../../schemas/limits.js';
import { build, type Client, connectSynced, eventually, freshName, signUp, type User } from '../helper.js';
import { startPostgres } from '../nodes/postgres.js';

t.setTimeout(240_000);

/** Members of a channel: a group takes fewer. */
const sizes = [3, 30, 300, 3000];
/** Of these so many are there. */
const PRESENT = 3;
/** People who are added at one time. */
const AT_ONCE = 100;
const MESSAGES = 20;
/** Whether it is noted how far those have it who are there. */
const isNoted = (size: number) => size <= GROUPS.parked;

// One of its own: transactions are counted for the whole server, and nobody else is to write rows again.
const server = await startPostgres({ settings: { autovacuum: 'off' } });
t.teardown(() => server.stop());
const one = await build(t, { DB_URL: await server.createDatabase() });
// What the index costs comes behind, and is the same for any number.
await one.app.searching.indexer.close();
const admin = postgres(one.env.DB_URL ?? '', { max: 1 });
t.teardown(() => admin.end());

/** Transactions that wrote something, since the server was made. */
async function transactions(): Promise<number> {
  const [row] = await admin`select pg_snapshot_xmax(pg_current_snapshot())::text as xid`;
  return Number(row?.xid);
}

const tables = (await admin<{ name: string }[]>`select relname as name from pg_stat_user_tables`).map(
  ({ name }) => name,
);

/** Rows of each table that were inserted or updated since a transaction; tables without any are left out. */
async function written(since: number): Promise<Record<string, number>> {
  const counts: [string, number][] = [];
  for (const name of tables) {
    const [row] = await admin`
      select count(*)::int as n from ${admin(name)} where xmin::text::bigint >= ${since}`;
    if (row?.n > 0) counts.push([name, row?.n]);
  }
  return Object.fromEntries(counts.sort());
}

/** Makes a channel of so many. @returns its number, who owns it, and some who are in it */
async function makeChannel(size: number): Promise<{ id: number; owner: User; others: User[] }> {
  const owner = await signUp(one);
  const others = await Promise.all(Array.from({ length: PRESENT - 1 }, () => signUp(one)));
  const names = Array.from({ length: size - PRESENT }, () => ({ username: freshName(), password: '-' }));
  const rows =
    names.length === 0
      ? []
      : await admin<{ user_id: string }[]>`insert into users ${admin(names)} returning user_id`;
  const ids = [...others.map(({ user_id }) => user_id), ...rows.map(({ user_id }) => Number(user_id))];
  const { token } = owner;
  const body = { title: `Channel of ${size}`, kind: 'channel', user_ids: ids.slice(0, AT_ONCE) };
  const made = await one.request('POST', '/api/conversations', { token, body });
  const id = made.body.data.conversation_id;
  for (let from = AT_ONCE; from < ids.length; from += AT_ONCE) {
    const path = `/api/conversations/${id}/members`;
    const user_ids = ids.slice(from, from + AT_ONCE);
    const { status } = await one.request('POST', path, { token, body: { user_ids } });
    if (status !== 200) throw new Error(`people could not be added: ${status}`);
  }
  return { id, owner, others };
}

/** Nothing is under way any more: cursors are moved, presence is noted. */
const quiet = (present: number) =>
  eventually(async () => {
    const [row] = await admin`select count(*)::int as present from presence`;
    const moves = Reflect.get(one.app.hub, 'moves');
    return moves.waiting.size === 0 && moves.plain.size === 0 && row?.present === present;
  }, 'it is not quiet');

interface Cost {
  statements: number;
  transactions: number;
  rows: Record<string, number>;
}

let present = 0;

/** What is to be paid for so many messages, and then for noting how far those are who are there. */
async function costs(t: Test, size: number): Promise<{ messages: Cost; cursors: Cost; all: Cost }> {
  const { id, owner, others } = await makeChannel(size);
  const writer = await connectSynced(t, one, owner);
  const readers = await Promise.all(others.map((user) => connectSynced(t, one, user)));
  present += PRESENT;
  const { counts } = one.app.messages;
  const say = async (content: string, beside: object = {}) => {
    writer.send('chat', { conversation_id: id, content, ...beside });
    return (await writer.next('sent')).seq;
  };
  const have = (reader: Client, seq: number) =>
    reader.until(() => reader.of('chat').some((frame) => frame.seq === seq), `${seq} didn't come`);
  const confirm = async (seq: number) => {
    for (const reader of readers) {
      await have(reader, seq);
      reader.send('ack', { conversation_id: id, seq });
      await reader.barrier();
    }
    if (!isNoted(size)) return quiet(present);
    // What is moved is taken from those that wait before it is stored.
    await eventually(async () => {
      const [row] = await admin`
        select count(*)::int as stored from cursors
        where conversation_id = ${id} and delivered_seq = ${seq} and user_id <> ${owner.user_id}`;
      return row?.stored === others.length;
    }, 'what was confirmed is not stored');
    await quiet(present);
  };
  const measure = async (work: () => Promise<void>): Promise<Cost> => {
    const [statements, since] = [counts.statements, await transactions()];
    await work();
    return {
      statements: counts.statements - statements,
      transactions: (await transactions()) - since,
      rows: await written(since),
    };
  };
  // By the first one it is learned who is in it, and each reader gets a row for how far they are.
  await confirm(await say('the first'));
  let last = 0;
  const messages = await measure(async () => {
    for (let n = 1; n <= MESSAGES; n++) last = await say(`${n}`);
    for (const reader of readers) await have(reader, last);
  });
  const cursors = await measure(() => confirm(last));
  const all = await measure(async () => {
    await say('all of you', { mention_all: true });
  });
  return { messages, cursors, all };
}

for (const size of sizes)
  t.test(`a message to ${size} costs one statement, and one row in each of two tables`, async (t) => {
    const { messages, cursors, all } = await costs(t, size);
    t.strictSame(messages, {
      ...{ statements: MESSAGES, transactions: MESSAGES },
      rows: { batches: MESSAGES, messages: MESSAGES },
    });
    t.strictSame(all, { statements: 1, transactions: 1, rows: { batches: 1, mentions: 1, messages: 1 } });
    // Who isn't there confirms nothing. Each of the others has one row, whatever they confirm at once.
    t.equal(cursors.statements, 0);
    t.strictSame(cursors.rows, isNoted(size) ? { cursors: PRESENT - 1 } : {});
    t.ok(cursors.transactions <= PRESENT - 1, `${cursors.transactions} transactions`);
  });
