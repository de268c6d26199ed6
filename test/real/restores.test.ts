/** A PostgreSQL that is put back under running servers: what each client is told. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import postgresClient from 'postgres';
import t from 'tap';
import { build, connect, connectSynced, eventually, SECRET, type Server, signUp } from '../helper.js';
import { type Postgres, startPostgres } from '../nodes/postgres.js';
import { builtServer, startProcess } from '../process.js';
import { Talker, twoServers } from './talker.js';

t.setTimeout(300_000);

const execute = promisify(execFile);

const copy = (from: string, to: string) => execute('cp', ['-a', from, to]);

/** Ends PostgreSQL, and starts it on the files of a copy. */
const putBack = (postgres: Postgres, backup: string) =>
  postgres.restart('immediate', () =>
    execute('sh', ['-c', 'rm -rf "$1" && cp -a "$2" "$1"', 'sh', postgres.data, backup]),
  );

/** What a database has: its messages, and the cursors that are past their end. */
async function lookInto(url: string): Promise<{ contents: string[]; past: object[] }> {
  const sql = postgresClient(url, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ content: string }[]>`select content from messages order by conversation_id, seq`;
    const past = await sql`
      select * from cursors c where greatest(delivered_seq, read_seq, plain_seq) > coalesce(
        (select max(seq) from messages m where m.conversation_id = c.conversation_id), 0)`;
    return { contents: rows.map(({ content }) => content), past: [...past] };
  } finally {
    await sql.end();
  }
}

t.test(
  'files put back under two running servers: both notice, nothing is written, clients are told where',
  async (t) => {
    const postgres = await startPostgres();
    t.teardown(() => postgres.stop());
    const url = await postgres.createDatabase();
    const [one, two] = await twoServers(t, url);
    const [alice, bob, carol] = [await signUp(one), await signUp(one), await signUp(one)];
    const plain = await connect(t, two, carol);
    const before = new Talker(await connectSynced(t, one, alice), bob.user_id, 'before');
    await eventually(() => before.stored.size > 20, 'nothing is stored');
    await before.finish();
    const untouched = (
      await two.request('POST', '/api/messages', {
        token: bob.token,
        body: { to_user_id: carol.user_id, content: 'kept' },
      })
    ).body.data;

    const backup = `${postgres.data}.backup`;
    await postgres.restart('fast', () => copy(postgres.data, backup));
    const works = async (server: Server) => (await server.request('GET', '/readyz')).status === 200;
    for (const server of [one, two]) await eventually(() => works(server), 'it does not come back', 30_000);
    t.notOk(one.app.db.history.isOver || two.app.db.history.isOver, 'a restart alone is nothing');
    const kept = await lookInto(url);

    const a = await connectSynced(t, one, alice);
    const b = await connectSynced(t, two, bob);
    b.socket.on('message', () => {
      const { type, conversation_id, seq } = b.frames.at(-1);
      if (type === 'chat') b.send('read', { conversation_id, seq });
    });
    // Somebody who isn't there in the copy, either.
    const eve = await signUp(one);
    const e = await connectSynced(t, two, eve);
    const lost = new Talker(a, bob.user_id, 'lost');
    const others = [
      new Talker(await connectSynced(t, one, bob), carol.user_id, 'lost-plain'),
      new Talker(await connectSynced(t, one, alice), eve.user_id, 'lost-eve'),
    ];
    await eventually(() => [lost, ...others].every(({ stored }) => stored.size > 50), 'too few are stored');
    const isLost = ({ content }: { content?: unknown }) => String(content).startsWith('lost');
    for (const client of [b, e, plain]) await client.until(() => client.frames.some(isLost), 'nothing comes');
    await putBack(postgres, backup);

    for (const { app } of [one, two]) t.match(await app.db.dead, { name: 'OtherHistoryError' });
    for (const client of [a, b, e, plain]) t.equal((await client.closed).code, 1012);
    for (const talker of [lost, ...others]) {
      talker.stop();
      const fates = new Set(talker.told.values());
      fates.delete('sent');
      t.ok(
        [...fates].every((told) => ['unavailable', 'outcome_unknown', 'nothing'].includes(told)),
        `what is not known to be stored is told so: ${[...fates]}`,
      );
    }
    await Promise.all([one.stop(), two.stop()]);
    t.strictSame(
      await lookInto(url),
      { ...kept, past: [] },
      'nothing of the old history is written into the other',
    );

    // Started again, and a new history in place of the lost one.
    const again = await build(t, { DB_URL: url });
    const last = [...lost.stored.values()].reduce((x, y) => (y.seq > x.seq ? y : x));
    const anew = new Talker(await connectSynced(t, again, alice), bob.user_id, 'anew');
    await eventually(() => [...anew.stored.values()].some(({ seq }) => seq > last.seq), 'too few', 30_000);
    await anew.finish();
    const plainBack = await connect(t, again, carol);
    plainBack.send('get_offline');
    t.notOk((await plainBack.next('offline_list')).data.some(isLost));
    const frank = await signUp(again);
    t.equal(frank.user_id, eve.user_id, 'the number is given again');
    t.strictSame((await connectSynced(t, again, frank)).of('chat'), []);
    const back = await connect(t, again, bob, { extended: true });
    const end = Math.max(...[...anew.stored.values()].map(({ seq }) => seq));
    back.send('sync', {
      positions: [
        last,
        { conversation_id: untouched.conversation_id, seq: 1, at: Date.parse(untouched.created_at) },
      ],
    });
    await back.next('synced');
    t.strictSame(
      back.of('reset').map(({ conversation_id, seq }) => [conversation_id, seq]),
      [[last.conversation_id, end]],
      'the same `seq` is another message now, and of the other conversation nothing is said',
    );
  },
);

t.test('files put back that lack no message, but people, are another history, too', async (t) => {
  const postgres = await startPostgres();
  t.teardown(() => postgres.stop());
  const server = await build(t, { DB_URL: await postgres.createDatabase(), REPAIR_SECONDS: '1' });
  const alice = await signUp(server);
  const client = await connectSynced(t, server, alice);
  client.send('chat', { to_user_id: alice.user_id, content: 'to myself' });
  await client.next('sent');
  const backup = `${postgres.data}.backup`;
  await postgres.restart('fast', () => copy(postgres.data, backup));
  await eventually(
    async () => (await server.request('GET', '/readyz')).status === 200,
    'it does not come back',
    30_000,
  );
  for (let i = 0; i < 300; i++) await signUp(server);
  // What is over for a second is known to any standby, and undone for no other reason.
  const since = performance.now();
  await eventually(async () => {
    await server.app.hub.repair();
    return performance.now() - since > 2500;
  }, 'it does not look');
  t.notOk(server.app.db.history.isOver);
  await putBack(postgres, backup);
  t.match(await server.app.db.dead, { name: 'OtherHistoryError' });
  t.equal((await client.closed).code, 1012);
});

t.test('the process ends with a sentence, to be started again by whoever watches it', async (t) => {
  const postgres = await startPostgres();
  t.teardown(() => postgres.stop());
  const url = await postgres.createDatabase();
  const file = await builtServer(t);
  const env = {
    DB_URL: url,
    REDIS_ADDR: 'memory',
    PORT: '0',
    JWT_SECRET: SECRET,
    REPAIR_SECONDS: '1',
    LIMITS: 'off',
  };
  const server = startProcess(t, file, env, t.testdir());
  const [, address = ''] = await server.says(/open (http:\S+)/);
  const ask = async (path: string, body: object, token = '') => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const answer = await fetch(address + path, { method: 'POST', headers, body: JSON.stringify(body) });
    return JSON.parse(await answer.text());
  };
  const person = { username: 'alice', password: 'a password' };
  const { user_id } = (await ask('/register', person)).data;
  const { token } = (await ask('/login', person)).data;
  t.equal((await ask('/api/messages', { to_user_id: user_id, content: 'to myself' }, token)).message, 'ok');
  const client = await connectSynced(t, { url: address }, { ...person, user_id, token });
  const sql = postgresClient(url, { max: 1 });
  await sql`delete from messages`;
  await sql.end();
  t.equal((await client.closed).code, 1012);
  t.equal(await server.ended, 1);
  t.match(server.output(), /The database has another history than this server knows: .*\n$/);
});
