/** What a message costs beside the database: frames to the clients, and commands to Redis where it crosses instances. */
import { setTimeout as wait } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { build, type Client, connect, connectSynced, eventually, signUp } from '../helper.js';
import { startPostgres } from '../nodes/postgres.js';
import { startRedis } from '../nodes/redis.js';

t.setTimeout(120_000);

const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
t.teardown(() => Promise.all([postgres.stop(), redis.stop()]));
const env = { DB_URL: await postgres.createDatabase(), REDIS_ADDR: redis.addr };
const one = await build(t, env);
const two = await build(t, env);
// What a replica asks of Redis by the clock is no cost of a message.
for (const { app } of [one, two]) Object.assign(app.bus, { beat() {} });
const USERS = 10;
const users = (count: number) => Promise.all(Array.from({ length: count }, () => signUp(one)));

/** How often Redis has run each command. */
async function commands(): Promise<Map<string, number>> {
  const stats = await redis.command('info', 'commandstats');
  return new Map(
    [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(([, name = '', calls]) => [name, Number(calls)]),
  );
}

/** Sends so many in a second, spread evenly, and waits until all have come and are confirmed. */
async function send(messages: number, from: Client[], to: { user_id: number }[], receivers: Client[]) {
  const came = () => receivers.reduce((sum, client) => sum + client.of('chat').length, 0);
  const before = came();
  const slices = Math.min(messages, 50);
  for (let slice = 0, i = 0; slice < slices; slice++) {
    for (; i < ((slice + 1) * messages) / slices; i++)
      from[i % from.length]?.send('chat', { to_user_id: to[i % to.length]?.user_id, content: `${i}` });
    if (slices > 1) await wait(1000 / slices);
  }
  await eventually(() => came() - before === messages, 'not all came');
  await eventually(async () => {
    const behind = await one.app.db.sql`
      select from members m left join cursors c using (user_id, conversation_id)
      where m.user_id = any (${`{${to.map(({ user_id }) => user_id).join()}}`}::bigint[]) and coalesce(c.delivered_seq, 0) < (
        select coalesce(max(seq), 0) from messages x
        where x.conversation_id = m.conversation_id and x.from_user_id <> m.user_id)`;
    return behind.length === 0;
  }, 'not all is confirmed');
}

const countPings = (clients: readonly Client[]) => {
  const counts = { pings: 0 };
  for (const { socket } of clients)
    socket.on('ping', () => {
      counts.pings++;
    });
  return counts;
};

/** Plain senders on one instance, and plain receivers on this or the other. */
async function pairs(t: Test, receiving: typeof one) {
  const [senders, to] = await Promise.all([users(USERS), users(USERS)]);
  const from = await Promise.all(senders.map((user) => connect(t, one, user)));
  const receivers = await Promise.all(to.map((user) => connect(t, receiving, user)));
  await send(USERS, from, to, receivers);
  return { from, to, receivers };
}

t.test('a plain receiver is written one frame for a message, and one ping for many', async (t) => {
  const { from, to, receivers } = await pairs(t, one);
  for (const client of [...from, ...receivers]) client.frames.length = 0;
  const counts = countPings(receivers);
  await send(1, from, to, receivers);
  t.equal(counts.pings, 1);
  const seconds = performance.now();
  await send(5000, from, to, receivers);
  const halves = Math.ceil((performance.now() - seconds) / 500);
  t.comment(`5000 messages: ${counts.pings - 1} pings`);
  // At 64 messages, and twice a second.
  t.ok(counts.pings - 1 <= 5000 / 64 + USERS * (halves + 1), `${counts.pings - 1} pings`);
  t.equal(receivers.flatMap((client) => client.frames).length, 5001);
  t.strictSame(
    from.flatMap((client) => client.frames),
    [],
    'a plain sender is told nothing',
  );
});

t.test('an extended sender is written one frame for a message, and receipts together', async (t) => {
  const [senders, to] = await Promise.all([users(USERS), users(USERS)]);
  const from = await Promise.all(senders.map((user) => connectSynced(t, one, user)));
  const receivers = await Promise.all(to.map((user) => connect(t, one, user)));
  await send(USERS, from, to, receivers);
  await eventually(() => from.every((client) => client.of('receipt').length > 0), 'no receipts');
  for (const client of from) client.frames.length = 0;
  await send(1000, from, to, receivers);
  const written = from.flatMap((client) => client.frames);
  t.equal(written.filter((frame) => frame.type === 'sent').length, 1000);
  const others = written.length - 1000;
  t.comment(`1000 messages: ${others} receipts`);
  t.ok(others <= 100, `${others} receipts`);
});

t.test('between instances a message takes one look-up and one publish, and many share them', async (t) => {
  const { from, to, receivers } = await pairs(t, two);
  const cost = async (messages: number) => {
    const before = await commands();
    const published = one.app.hub.counts.published;
    const { batches } = one.app.messages.counts;
    await send(messages, from, to, receivers);
    t.equal(one.app.hub.counts.published - published, messages);
    const after = await commands();
    const of = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    return {
      mget: of('mget'),
      get: of('get'),
      claims: of('evalsha') + of('eval'),
      batches: one.app.messages.counts.batches - batches,
    };
  };
  t.strictSame(await cost(1), { mget: 1, get: 0, claims: 0, batches: 1 });
  const { mget, get, claims, batches } = await cost(5000);
  t.comment(`5000 messages: ${batches} batches, ${mget} look-ups`);
  // Receipts of the test before may be told until now, with a look-up of their own.
  t.ok(mget <= batches + 5, `${mget} look-ups for ${batches} batches`);
  t.ok(mget <= 500, `${mget} look-ups`);
  t.strictSame({ get, claims }, { get: 0, claims: 0 });
});

t.test('on one instance a message takes nothing from Redis', async (t) => {
  const { from, to, receivers } = await pairs(t, one);
  const before = await commands();
  await send(1000, from, to, receivers);
  const after = await commands();
  for (const name of ['mget', 'get', 'eval', 'evalsha', 'set', 'publish'])
    t.equal(after.get(name) ?? 0, before.get(name) ?? 0, name);
});
