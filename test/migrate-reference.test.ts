import t, { type Test } from 'tap';
import { migrate } from '../sql/migrate.js';
import { build, connect, REAL, type Server } from './helper.js';
import {
  alice,
  bob,
  capital,
  emptyDatabase,
  fill,
  login,
  owed,
  password,
  rows,
  type Sql,
  type Type,
  tables,
} from './reference.js';

t.setTimeout(240_000);

/** The embedded database takes seconds for each start, so it is tried with one of them. */
const types: Type[] = REAL ? ['timestamptz', 'timestamp'] : ['timestamp'];

/** A database as the reference leaves it: settings that point an instance at it. */
async function reference(t: Test, make: (sql: Sql) => Promise<void>): Promise<Record<string, string>> {
  const { env, sql, close } = await emptyDatabase(t);
  await make(sql);
  await close();
  return env;
}

/** Everything that is in the database, but for what only says that a replica was there. */
async function contents(server: Server): Promise<string> {
  const all: unknown[] = [];
  for (const table of [
    'users',
    'friends',
    'conversations',
    'messages',
    'members',
    'cursors',
    'plain_gaps',
    'migrations',
  ])
    all.push(table, [...(await server.app.db.sql.unsafe(`select * from ${table} order by 1, 2`))]);
  return JSON.stringify(all);
}

for (const type of types)
  t.test(`a database of the reference is taken over, with ${type}`, async (t) => {
    const env = await reference(t, (sql) => fill(sql, type));
    const server = await build(t, env);
    const { sql } = server.app.db;

    await t.test('old hashes log in, names that differ only by case too', async (t) => {
      for (const [id, name] of [
        [alice, 'alice'],
        [capital, 'Alice'],
        [bob, 'bob'],
      ] as const) {
        const { status, token } = await login(server, name, password(name));
        t.strictSame([status, server.app.tokens.read(token).user_id], [200, id]);
        t.equal((await login(server, name, 'something else')).status, 401);
      }
      t.equal((await login(server, 'alice', password('Alice'))).status, 401);
      const register = (username: string) =>
        server.request('POST', '/register', { body: { username, password: 'password' } });
      t.equal((await register('somebody new')).body.data.user_id, 7);
      t.strictSame([(await register('ALICE')).status, (await register('alice')).status], [409, 409]);
    });

    await t.test('friends are contacts', async (t) => {
      const { token } = await login(server, 'alice', password('alice'));
      const { contacts, asked, asking } = (await server.request('GET', '/api/contacts', { token })).body.data;
      // The other of them is gone.
      t.strictSame(
        { contacts, asked, asking },
        { contacts: [{ user_id: bob, username: 'bob' }], asked: [], asking: [] },
      );
    });

    await t.test('nothing is lost', async (t) => {
      const [row] = await sql`
        select (select count(*)::int from messages) as messages, (select count(*)::int from plain_gaps) as owed,
          (select count(*)::int from friends) as friends`;
      t.strictSame({ ...row }, { messages: owed.length, owed: owed.length, friends: 4 });
      const stored = await sql`
        select m.msg_id, g.user_id as to_user_id, m.from_user_id, m.content
        from plain_gaps g join messages m using (conversation_id)
        where m.seq between g.first_seq and g.last_seq and (m.from_user_id <> g.user_id or m.content = 'to myself')
        order by msg_id`;
      t.strictSame(
        stored.map((message) => [message.msg_id, message.to_user_id, message.from_user_id, message.content]),
        owed,
      );
    });

    await t.test('old messages are fetched, oldest first, and new numbers go on', async (t) => {
      const user = async (name: string, user_id: number) => ({
        user_id,
        username: name,
        token: (await login(server, name, password(name))).token,
      });
      const b = await connect(t, server, await user('bob', bob));
      b.send('get_offline');
      t.strictSame((await b.next('offline_list')).data, rows(bob));
      const a = await connect(t, server, await user('alice', alice));
      a.send('get_offline');
      t.strictSame((await a.next('offline_list')).data, rows(alice));
      b.send('chat', { to_user_id: alice, content: 'new' });
      t.equal((await a.next('chat')).content, 'new');
      const { token } = await user('alice', alice);
      const { body } = await server.request('GET', '/api/conversations', { token });
      const [newest] = body.data.conversations;
      t.strictSame(
        [newest.user.username, newest.last_seq, newest.last_message.msg_id, newest.last_message.content],
        ['bob', 4, 51, 'new'],
      );
      const history = await server.request('GET', `/api/conversations/${newest.conversation_id}/messages`, {
        token,
      });
      t.strictSame(
        history.body.data.messages.map((message: { content: string }) => message.content),
        ['the oldest', 'to bob', 'the second of bob', 'new'],
      );
    });

    await t.test('a second start changes nothing', async (t) => {
      t.strictSame(await migrate(sql), []);
      // Stopped first, since what was confirmed at the last moment is settled until then.
      await server.stop();
      const second = await build(t, env);
      const before = await contents(second);
      await second.stop();
      t.equal(await contents(await build(t, env)), before);
    });
  });

if (REAL) {
  t.test('an empty database of the reference is taken over', async (t) => {
    const server = await build(
      t,
      await reference(t, async (sql) => void (await sql.unsafe(tables('timestamptz')))),
    );
    const { body } = await server.request('POST', '/register', {
      body: { username: 'first', password: 'password' },
    });
    t.equal(body.data.user_id, 1);
    const { token } = await login(server, 'first', 'password');
    const sent = await server.request('POST', '/api/messages', {
      token,
      body: { to_user_id: 1, content: 'x' },
    });
    t.equal(sent.body.data.seq, 1);
  });

  t.test('two instances that start at once on it take it over once', async (t) => {
    const env = await reference(t, (sql) => fill(sql, 'timestamp'));
    const servers = await Promise.all([build(t, env), build(t, env)]);
    const [one, two] = servers as [Server, Server];
    t.equal(await contents(one), await contents(two));
    const [row] = await one.app.db.sql`
      select (select count(*)::int from messages) as messages, (select count(*)::int from plain_gaps) as owed,
        (select count(*)::int from migrations) as migrations`;
    t.strictSame({ messages: row?.messages, owed: row?.owed }, { messages: owed.length, owed: owed.length });
  });

  t.test('an ordinary role is enough', async (t) => {
    const server = await build(t, await reference(t, (sql) => fill(sql, 'timestamptz')));
    const [role] = await server.app.db.sql`
      select rolsuper, rolcreaterole, rolreplication, rolbypassrls from pg_roles where rolname = current_user`;
    t.strictSame(
      { ...role },
      { rolsuper: false, rolcreaterole: false, rolreplication: false, rolbypassrls: false },
    );
    t.equal((await server.request('GET', '/readyz')).status, 200);
  });
}
