/** Replicas on one PostgreSQL and one Redis that get into each other's way on purpose. */
import postgres from 'postgres';
import t, { type Test } from 'tap';
import { moveCursors } from '../../sql/cursors.js';
import {
  build,
  type Client,
  connect,
  connectSynced,
  eventually,
  makeMany,
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
/** Milliseconds that cursors are moved beside changes of members: a minute finds what is rare. */
const CHANGES_MS = Number(process.env.TEST_SECONDS ?? 5) * 1000;
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

/** What the tables say of a conversation: numbers without a hole, each once. */
async function isWhole(conversation: number): Promise<number> {
  const rows = await sql<{ seq: number; msg_id: number }[]>`
    select seq, msg_id from messages where conversation_id = ${conversation} order by seq`;
  rows.forEach((row, i) => {
    const before = rows[i - 1];
    if (row.seq !== i + 1) throw new Error(`a hole before ${row.seq}`);
    if (before && before.msg_id >= row.msg_id) throw new Error(`msg_id steps back at ${row.seq}`);
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
  'three replicas with overlapping conversations and cursors: no hole, no double, no error',
  async (t) => {
    const people = await users(9);
    const ends: { user: User; client: Client; extended: boolean }[] = [];
    for (const [i, user] of people.entries()) {
      const server = replicas[i % 3] as Server;
      const extended = i % 2 === 0;
      const client = extended ? await connectSynced(t, server, user) : await connect(t, server, user);
      ends.push({ user, client, extended });
      // Acknowledges in small steps, so that many cursors move beside the appends.
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
    await eventually(async () => {
      const behind = await sql`
        select from members m join cursors c using (user_id, conversation_id)
        where m.user_id = any (${`{${people.map((user) => user.user_id).join()}}`}::bigint[]) and c.delivered_seq < (
          select max(seq) from messages x where x.conversation_id = m.conversation_id and x.from_user_id <> m.user_id)`;
      return behind.length === 0;
    }, 'cursors stay behind');
  },
);

t.test("replicas that move the same cursors in opposite order don't lock each other out", async (t) => {
  const people = await users(40);
  const moves = (seq: number) =>
    people.flatMap(({ user_id }) =>
      upTo(25).map((conversation) => ({ user: user_id, conversation, delivered: seq, pushed: seq })),
    );
  for (const round of upTo(10))
    await Promise.all([
      moveCursors(one.app.db.sql, moves(2 * round)),
      moveCursors(two.app.db.sql, moves(2 * round + 1).reverse()),
      moveCursors(replicas[2].app.db.sql, moves(2 * round)),
    ]);
  const rows = await sql`
    select distinct delivered_seq, plain_seq from cursors
    where user_id = any (${`{${people.map((user) => user.user_id).join()}}`}::bigint[])`;
  t.strictSame([...rows], [{ delivered_seq: 21, plain_seq: 21 }]);
});

/** A session of its own, which may hold a lock while it does something else. */
function session(t: Test) {
  const own = postgres(first.env.DB_URL ?? '', { max: 1, onnotice: () => {} });
  t.teardown(() => own.end());
  return own;
}

t.test('who is removed while their message waits for the conversation has not said it', async (t) => {
  const [alice, bob] = (await users(2)) as [User, User];
  const conversation_id = await makeMany(one, [alice, bob]);
  const [a, b] = [await connectSynced(t, one, alice), await connectSynced(t, two, bob)];
  a.send('chat', { id: 'before', conversation_id, content: 'before' });
  await a.next('sent');
  await session(t).begin(async (own) => {
    await own`select from conversations where conversation_id = ${conversation_id} for no key update`;
    a.send('chat', { id: 'too-late', conversation_id, content: 'too-late' });
    b.send('chat', { id: 'stays', conversation_id, content: 'stays' });
    await eventually(async () => {
      const waiting = await sql`select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%append_3%'`;
      return waiting.length === 2;
    }, 'nobody waits for the row');
    await own`update members set last_seq = 1
      where user_id = ${alice.user_id} and conversation_id = ${conversation_id}`;
  });
  t.match(await a.next('error'), { id: 'too-late', code: 'conversation_not_found' });
  t.equal((await b.next('sent')).seq, 2);
  t.equal(await isWhole(conversation_id), 2);
  await one.app.hub.repair();
  await a.barrier();
  t.equal(a.of('chat').length, 0, 'and is given nothing that came after');
});

t.test("members who change beside moves of their cursors don't lock anybody out", async (t) => {
  const people = await users(8);
  const conversations = await Promise.all(upTo(6).map(() => makeMany(one, people)));
  const devices = await Promise.all(
    people.flatMap((user) => [one, two].map((server) => connectSynced(t, server, user))),
  );
  for (const client of devices)
    client.socket.on('message', () => {
      const { type, conversation_id, seq } = client.frames.at(-1);
      if (type !== 'chat') return;
      client.send('ack', { conversation_id, seq });
      if (seq % 5 === 0) client.send('read', { conversation_id, seq });
    });
  const end = Date.now() + CHANGES_MS;
  const pick = <T>(list: readonly T[]) => list[Math.floor(Math.random() * list.length)] as T;
  let changes = 0;
  // As whoever changes members is to: the conversations in the order of their ids, their members, and then cursors.
  const change = async (own: postgres.Sql) => {
    while (Date.now() < end) {
      const [x, y] = [pick(conversations), pick(conversations)].sort((p, q) => p - q);
      const { user_id } = pick(people);
      await own.begin(async (tx) => {
        const ids = tx.array([x ?? 0, y ?? 0], 20);
        await tx`select from conversations where conversation_id = any (${ids}) order by conversation_id for no key update`;
        await tx`delete from members where user_id = ${user_id} and conversation_id = any (${ids})`;
        await tx`delete from cursors where user_id = ${user_id} and conversation_id = any (${ids})`;
      });
      await own`insert into members (user_id, conversation_id) select ${user_id}, id
        from unnest(${own.array([x ?? 0, y ?? 0], 20)}::bigint[]) c(id) on conflict do nothing`;
      changes++;
    }
  };
  const talk = async () => {
    for (let n = 0; Date.now() < end; n++) {
      for (const client of devices)
        client.send('chat', { conversation_id: pick(conversations), content: `${n}` });
      for (const client of devices) await client.barrier();
    }
  };
  // Moves of many cursors at once, beside those of the clients.
  const move = async ({ app }: Server, turn: number) => {
    while (Date.now() < end) {
      const moves = people.flatMap(({ user_id }) =>
        conversations.map((conversation) => ({ user: user_id, conversation, delivered: changes })),
      );
      await moveCursors(app.db.sql, turn % 2 ? moves : moves.reverse());
    }
  };
  await Promise.all([
    change(session(t)),
    change(session(t)),
    talk(),
    ...[one, two].map((server, i) => move(server, i)),
  ]);
  t.ok(changes > 20, `${changes} changes`);
  for (const client of devices) {
    await client.barrier();
    const refused = client.of('error').filter(({ code }) => code !== 'conversation_not_found');
    t.strictSame(refused, []);
  }
  for (const conversation of conversations) t.ok((await isWhole(conversation)) > 20);
  const [row] = await session(t)<[{ deadlocks: number }]>`
    select deadlocks::int from pg_stat_database where datname = current_database()`;
  t.equal(row.deadlocks, 0);
});
