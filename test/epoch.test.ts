import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { buildApp } from '../app.js';
import { loadConfig } from '../plugins/config.js';
import {
  build,
  connect,
  connectSynced,
  eventually,
  REAL,
  SECRET,
  type Server,
  signUp,
  type User,
} from './helper.js';
import { findProgram } from './nodes/find.js';

const execute = promisify(execFile);

/** Starts an instance on a folder, asks it something, and ends it. */
async function asked<T>(folder: string, question: (app: FastifyInstance) => Promise<T>): Promise<T> {
  const app = await buildApp(loadConfig({ DATA_DIR: folder, LOG_LEVEL: 'fatal', JWT_SECRET: SECRET }));
  try {
    return await question(app);
  } finally {
    await app.close();
  }
}

async function makeFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chat-epoch-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

t.test('[X3] an installation keeps its epoch over restarts, and wherever its files are put', async (t) => {
  const folder = await makeFolder(t);
  const epochIn = (name: string) => asked(join(folder, name), async ({ db }) => db.epoch);
  const first = await epochIn('data');
  t.equal(await epochIn('data'), first);
  await cp(join(folder, 'data'), join(folder, 'copy'), { recursive: true });
  t.equal(await epochIn('copy'), first);
});

t.test('the update keeps the epoch that the version before gave', async (t) => {
  const folder = await makeFolder(t);
  const data = join(folder, 'data');
  // As that version left its database, which has computed this at each start.
  const before = await asked(data, async ({ db: { sql } }) => {
    const [row] = await sql<[{ epoch: string }]>`
      select concat_ws('.', left(i.id::text, 8), s.system_identifier, d.oid, left(pg_walfile_name(pg_current_wal_lsn()), 8)) as epoch
      from installation i, pg_control_system() s, pg_database d where d.datname = current_database()`;
    await sql`alter table installation drop column name`;
    await sql`delete from migrations where name = '0007_name.sql'`;
    return row.epoch;
  });
  await cp(data, join(folder, 'back'), { recursive: true });
  t.equal(await asked(data, async ({ db }) => db.epoch), before);
  t.equal(await asked(data, async ({ db }) => db.epoch), before);

  // Put back from a copy as it is updated: the version before would have taken another, which clients without `at` lean on.
  await asked(join(folder, 'back'), async ({ db: { sql } }) => {
    await sql`update installation set name = null, place = 'elsewhere'`;
  });
  const [another = '', ...rest] = (await asked(join(folder, 'back'), async ({ db }) => db.epoch)).split('.');
  t.not(another, before.split('.')[0]);
  t.strictSame(rest, before.split('.').slice(1));
});

/** Ways to put a copy back in place: each lays its files over those that are there, and leaves what only those have. */
const ways: { program: string; lay: (from: string, to: string) => Promise<unknown> }[] = [
  { program: 'cp', lay: (from, to) => execute('cp', ['-a', `${from}/.`, to]) },
  { program: 'rsync', lay: (from, to) => execute('rsync', ['-a', `${from}/`, to]) },
  { program: 'tar', lay: (from, to) => execute('sh', ['-c', 'tar -cC "$0" . | tar -xpC "$1"', from, to]) },
];

t.test('[X18] files put back over a stopped folder are noticed, where they lack something', async (t) => {
  const folder = await makeFolder(t);
  const first = await build(
    t,
    REAL ? { DATA_DIR: join(folder, 'data'), DB_URL: '', REDIS_ADDR: 'memory' } : {},
  );
  const { DATA_DIR: data = '' } = first.env;
  const [alice, bob, carol] = [await signUp(first), await signUp(first), await signUp(first)];
  const say = async (server: Server, to: User, content: string): Promise<object> => {
    const body = { to_user_id: to.user_id, content };
    const { conversation_id, seq, created_at } = (
      await server.request('POST', '/api/messages', { token: alice.token, body })
    ).body.data;
    return { conversation_id, seq, at: Date.parse(created_at) };
  };
  const kept = await say(first, carol, 'kept');
  await say(first, bob, 'kept, too');
  await first.stop();
  const backup = join(folder, 'backup');
  await execute('cp', ['-a', data, backup]);

  const second = await build(t, first.env);
  const { epoch } = second.app.db;
  const lost = [await say(second, bob, 'lost'), await say(second, bob, 'lost, too')];
  await second.stop();

  for (const { program, lay } of ways) {
    const skip = findProgram(program) === undefined && `${program} is not installed: run test/install.sh`;
    await t.test(`by ${program}`, { skip }, async (t) => {
      const place = join(folder, program);
      await execute('cp', ['-a', data, place]);
      await lay(backup, place);

      const third = await build(t, { ...first.env, DATA_DIR: place });
      t.equal(third.app.db.epoch, epoch);
      const resets = async (position: object | undefined) => {
        const client = await connect(t, third, alice, { extended: true });
        client.send('sync', { epoch, positions: [kept, position] });
        await client.next('synced');
        return client.of('reset').map(({ seq }) => seq);
      };
      t.strictSame(await resets(lost[1]), [1], 'past the end');
      const anew = await say(third, bob, 'another');
      t.strictSame(await resets(lost[0]), [2], 'another one in its place');
      t.strictSame(await resets(anew), []);
    });
  }
});

/** A server with two people, and what they and two others ask of it. */
async function talk(t: Test) {
  const server = await build(t, { REPAIR_SECONDS: '1' });
  const [alice, bob, carol, dave] = [
    await signUp(server),
    await signUp(server),
    await signUp(server),
    await signUp(server),
  ];
  const send = (body: object) =>
    server.request('POST', '/api/messages', { token: alice.token, body: { content: 'for Bob', ...body } });
  return { server, alice, bob, carol, dave, send };
}

t.test(
  'in a database that was put back under a running server, nobody gets what is for another',
  async (t) => {
    const { server, alice, bob, carol, dave, send } = await talk(t);
    const { conversation_id } = (await send({ to_user_id: bob.user_id })).body.data;
    t.equal((await send({ conversation_id })).body.data.seq, 2);
    const page = () =>
      server.request('GET', `/api/conversations/${conversation_id}/messages`, { token: bob.token });
    t.equal((await page()).status, 200);
    const client = await connectSynced(t, server, alice);
    const plain = await connect(t, server, bob);

    // As a backup from before the first message would: numbers are given again, to others.
    const { sql } = server.app.db;
    await sql`truncate conversations, messages, members, cursors, plain_gaps, batches restart identity`;
    await sql`insert into conversations (conversation_id, user_a, user_b) overriding system value
      values (${conversation_id}, ${carol.user_id}, ${dave.user_id})`;
    await sql`select setval('conversations_conversation_id_seq', ${conversation_id})`;

    t.match(await server.app.db.dead, { name: 'OtherHistoryError' });
    t.equal((await client.closed).code, 1012);
    t.equal((await plain.closed).code, 1012);
    t.equal((await send({ conversation_id })).body.error, 'unavailable');
    t.equal((await send({ to_user_id: bob.user_id })).body.error, 'unavailable');
    t.equal((await page()).status, 503);
    t.equal((await server.request('GET', '/readyz')).status, 503);
  },
);

t.test('a server whose newest message is there goes on, whatever else was put back', async (t) => {
  const { server, alice, bob, send } = await talk(t);
  const client = await connectSynced(t, server, alice);
  await send({ to_user_id: bob.user_id });
  await client.next('chat');
  const { sql } = server.app.db;
  await sql`truncate batches, cursors, plain_gaps`;
  await server.app.hub.repair();
  t.notOk(server.app.db.history.isOver);
  await send({ to_user_id: bob.user_id });
  t.equal((await client.next('chat')).seq, 2);
});

t.test('a message of another time is another history', async (t) => {
  const { server, alice, bob, send } = await talk(t);
  await send({ to_user_id: bob.user_id });
  const client = await connectSynced(t, server, alice);
  await server.app.db.sql`update messages set created_at = created_at + interval '1 ms'`;
  await server.app.hub.repair();
  t.ok(server.app.db.history.isOver);
  t.equal((await client.closed).code, 1012);
  await eventually(() => server.app.hub.size === 0, 'sockets are left');
});
