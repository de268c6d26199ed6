/** Replicas on one PostgreSQL and one Redis that get into each other's way on purpose. */
import t from 'tap';
import { settle, settlePositions } from '../../sql/messages.js';
import {
  build,
  type Client,
  connect,
  connectSynced,
  eventually,
  type Server,
  signUp,
  type User,
} from '../helper.js';

t.setTimeout(180_000);

const first = await build(t, { INSTANCE_ID: 'one' });
const replicas = [
  first,
  await build(t, { INSTANCE_ID: 'two' }, first),
  await build(t, { INSTANCE_ID: 'three' }, first),
] as const;
const { sql } = first.app.db;
const [one, two] = replicas;

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const users = (n: number) => Promise.all(upTo(n).map(() => signUp(first)));

async function post(server: Server, from: User, to: User, id: string) {
  const { status, body } = await server.request('POST', '/api/messages', {
    token: from.token,
    body: { id, to_user_id: to.user_id, content: id },
  });
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body.data as { id: string; conversation_id: number; msg_id: number; seq: number };
}

/** What the tables say of a conversation: numbers without a hole, each once, and a counter that agrees. */
async function isWhole(conversation: number): Promise<number> {
  const rows = await sql<{ seq: number; msg_id: number; last_seq: number }[]>`
    select m.seq, m.msg_id, c.last_seq from messages m join conversations c using (conversation_id)
    where conversation_id = ${conversation} order by m.seq`;
  rows.forEach((row, i) => {
    const before = rows[i - 1];
    if (row.seq !== i + 1) throw new Error(`a hole before ${row.seq}`);
    if (before && before.msg_id >= row.msg_id) throw new Error(`msg_id steps back at ${row.seq}`);
    if (row.last_seq !== rows.length) throw new Error(`${row.last_seq} is counted, ${rows.length} are there`);
  });
  return rows.length;
}

t.test('the same id from two replicas at once is one message', async (t) => {
  const [alice, bob] = (await users(2)) as [User, User];
  const n = 300;
  // A user has no more connections than so many.
  for (let from = 0; from < n; from += 20) {
    const answers = await Promise.all(
      upTo(20).map(async (i) => {
        const id = `id-${from + i}`;
        // Whose turn it is to be first changes.
        const order = i % 2 ? [one, two] : [two, one];
        return Promise.all(order.map((server) => post(server, alice, bob, id)));
      }),
    );
    for (const [x, y] of answers) t.strictSame(x, y);
  }
  const conversation = (await post(one, alice, bob, 'id-1')).conversation_id;
  t.equal(await isWhole(conversation), n);
  const [row] = await sql`
    select count(*)::int as debts, count(distinct seq)::int as distinct from offline_messages where to_user_id = ${bob.user_id}`;
  t.strictSame({ ...row }, { debts: n, distinct: n });
});

t.test('the first message of a pair from two replicas at once makes one conversation', async (t) => {
  const pairs = await Promise.all(upTo(60).map(() => users(2) as Promise<[User, User]>));
  const answers = await Promise.all(
    pairs.map(([a, b]) => Promise.all([post(one, a, b, 'from-a'), post(two, b, a, 'from-b')])),
  );
  for (const [x, y] of answers) {
    t.equal(x.conversation_id, y.conversation_id);
    t.strictSame([x.seq, y.seq].sort(), [1, 2]);
    t.equal(await isWhole(x.conversation_id), 2);
  }
  t.equal(new Set(answers.map(([x]) => x.conversation_id)).size, pairs.length);
});

t.test(
  'three replicas with overlapping conversations and deletes: no hole, no double, no error',
  async (t) => {
    const people = await users(9);
    const ends: { user: User; client: Client; extended: boolean }[] = [];
    for (const [i, user] of people.entries()) {
      const server = replicas[i % 3] as Server;
      const extended = i % 2 === 0;
      const client = extended ? await connectSynced(t, server, user) : await connect(t, server, user);
      ends.push({ user, client, extended });
      // Acknowledges in small steps, so that many deletes run beside the appends.
      if (extended)
        client.socket.on('message', () => {
          const last = client.frames.at(-1);
          if (last.type === 'chat' && last.seq % 3 === 0)
            client.send('ack', { conversation_id: last.conversation_id, seq: last.seq });
        });
    }
    const rounds = 60;
    const expected = new Map(people.map((user) => [user.user_id, [] as string[]]));
    for (let round = 0; round < rounds; round++)
      for (const [i, { user, client }] of ends.entries())
        for (const step of [1, 2, 4]) {
          const to = people[(i + step) % people.length] as User;
          const content = `${user.user_id} to ${to.user_id}: ${round}`;
          expected.get(to.user_id)?.push(content);
          client.send('chat', { to_user_id: to.user_id, content });
        }
    for (const { user, client } of ends) {
      const wanted = expected.get(user.user_id) ?? [];
      const got = () => client.of('chat').map((frame) => frame.content);
      await client.until(() => got().length >= wanted.length, 'not all came');
      t.strictSame([...got()].sort(), [...wanted].sort());
      t.equal(client.of('error').length, 0);
      for (const other of people) {
        const from = got().filter((content) => content.startsWith(`${other.user_id} to `));
        const numbers = from.map((content) => Number(content.split(': ')[1]));
        t.strictSame(numbers, numbers.length === 0 ? [] : upTo(rounds).map((n) => n - 1));
      }
    }
    for (const { client, extended } of ends) {
      if (!extended) continue;
      const last = new Map<number, number>();
      for (const frame of client.of('chat')) last.set(frame.conversation_id, frame.seq);
      for (const [conversation_id, seq] of last) {
        client.send('ack', { conversation_id, seq });
        t.ok((await isWhole(conversation_id)) >= seq);
      }
    }
    await eventually(
      async () =>
        (
          await sql`select from offline_messages where to_user_id = any (${`{${people.map((user) => user.user_id).join()}}`}::bigint[])`
        ).length === 0,
      'debts are left',
    );
  },
);

t.test("replicas that delete the same debts in opposite order don't lock each other out", async (t) => {
  const [bob] = (await users(1)) as [User];
  const debts = upTo(1000).map((msgId) => ({ to: bob.user_id, msgId }));
  const left = () => sql`select from offline_messages where to_user_id = ${bob.user_id}`;
  for (let round = 0; round < 10; round++) {
    await sql`insert into offline_messages (to_user_id, msg_id, conversation_id, seq)
      select ${bob.user_id}, n, 0, n from generate_series(1, ${debts.length}) n`;
    await Promise.all([
      settle(one.app.db.sql, debts),
      settle(two.app.db.sql, [...debts].reverse()),
      settlePositions(one.app.db.sql, bob.user_id, [{ conversation: 0, seq: debts.length }]),
    ]);
    t.equal((await left()).length, 0);
  }
});
