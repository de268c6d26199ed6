/** Looking after accounts from the command line: through a running server's socket, or at PostgreSQL. */
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { atDatabase } from '../plugins/admin/direct.js';
import { askServer, openDesk } from '../plugins/admin/socket.js';
import { help } from '../plugins/admin/words.js';
import { loadConfig } from '../plugins/config.js';
import { build, connect, connectSynced, freshName, REAL, type Server, signUp } from './helper.js';
import { builtServer, startProcess } from './process.js';

const one = await build(t, { INSTANCE_ID: 'one' });
const two = await build(t, { INSTANCE_ID: 'two' }, one);
const { sql } = one.app.db;

/** As the program does, with what was typed. */
const typed = (server: Server, words: string[], env: Record<string, string> = {}) => {
  const config = loadConfig({ ...server.env, ...env });
  return config.embedded ? askServer(config.DATA_DIR, words) : atDatabase(config, words);
};
async function admin(...words: string[]): Promise<string[]> {
  const { ok, lines } = await typed(one, words);
  if (!ok) throw new Error(lines.join('\n'));
  return lines;
}
const refusal = async (...words: string[]) => {
  const { ok, lines } = await typed(one, words);
  return ok ? undefined : lines.join('\n');
};
/** The action and the user of the latest changes, newest first; all by the operator. */
const audited = async (limit: number) =>
  (await admin('audit', '--limit', String(limit)))
    .slice(0, limit)
    .map((line) => /^\d+, \S+Z, the operator: (.*)$/.exec(line)?.[1]);
const codeIn = (lines: string[]) => /#\/\w+\/([\w-]{24})$/.exec(lines[1] ?? '')?.[1];
const me = async (server: Server, token: string) =>
  (await server.request('GET', '/api/me', { token })).status;

t.test('an account is made, its owner sets the password, and it is found', async (t) => {
  const name = freshName('anna');
  const made = await admin('users', 'create', name);
  const id = Number(/#(\d+)/.exec(made[0] ?? '')?.[1]);
  t.equal(made[0], `${name} (#${id}) is made, and sets a password here, once and until tomorrow:`);
  const set = await one.request('POST', '/api/reset', {
    body: { code: codeIn(made), new_password: 'my own' },
  });
  t.strictSame(set.body.data, { user_id: id, username: name });
  const login = await two.request('POST', '/login', { body: { username: name, password: 'my own' } });
  t.equal(login.status, 200);
  t.match(await admin('find', name.toUpperCase()), [/^anna-\S+ \(#\d+\), since \d{4}-\d\d-\d\d/]);
  t.match(await admin('sessions', name), [/^node from 127\.0\.0\.1, seen .*Z, since .*Z$/]);
  t.equal(await refusal('create', name), 'username is already taken');
  t.equal(
    await refusal('create', 'admin'),
    'username is one that stands for the server or for somebody who is gone',
  );
});

t.test('a forgotten password is reset in one command, and ends what was signed in', async (t) => {
  const user = await signUp(one);
  const client = await connect(t, two, user, { extended: true });
  const link = await admin('reset', user.username);
  t.equal(link[0], `${user.username} (#${user.user_id}) sets a new password here, once and until tomorrow:`);
  await client.barrier();
  const body = { code: codeIn(link), new_password: 'another one' };
  t.equal((await one.request('POST', '/api/reset', { body })).status, 200);
  t.equal((await client.closed).code, 4001);
  t.equal((await one.request('POST', '/api/reset', { body })).body.error, 'reset_invalid');
});

t.test('who is suspended, signed out or deleted is out on every instance within a second', async (t) => {
  for (const [words, again] of [
    [['users', 'suspend'], 'suspended'],
    [['sessions', '--end'], undefined],
    [['delete', '--yes'], 'unauthorized'],
  ] as const) {
    const name = freshName();
    const made = await admin('create', name);
    await one.request('POST', '/api/reset', { body: { code: codeIn(made), new_password: 'my own' } });
    const login = () => two.request('POST', '/login', { body: { username: name, password: 'my own' } });
    const user = (await login()).body.data;
    const clients = [await connect(t, one, user, { extended: true }), await connect(t, two, user)];
    for (const server of [one, two]) t.equal(await me(server, user.token), 200);
    const asked = admin(...words, '--id', String(user.user_id));
    const began = performance.now();
    const [row] = await Promise.all([
      asked,
      ...clients.map(async ({ closed }) => t.equal((await closed).code, 4001)),
    ]);
    t.ok(performance.now() - began < 2000, 'with the start of the program');
    t.match(row[0], /is out and stays out|is signed out everywhere|is deleted/);
    for (const server of [one, two]) t.equal(await me(server, user.token), 401);
    t.equal((await login()).body.error, again);
    const wrong = await two.request('POST', '/login', { body: { username: name, password: 'a guess' } });
    t.equal(wrong.body.error, 'unauthorized', 'who doesn’t know the password isn’t told');
  }
});

t.test('rights are given and taken, and every change is noted', async (t) => {
  const [a, b] = [await signUp(one), await signUp(one)];
  const name = `${a.username} (#${a.user_id})`;
  t.strictSame(await admin('promote', a.username), [`${name} is an admin`]);
  t.match(await admin('find', a.username), [/, admin$/]);
  t.strictSame(await admin('users', 'demote', '--id', String(a.user_id)), [`${name} is no admin`]);
  await admin('suspend', b.username);
  t.match(await admin('find', b.username), [/, suspended \d{4}-/]);
  t.strictSame(await admin('restore', b.username), [`${b.username} (#${b.user_id}) may come in again`]);
  t.equal(
    await refusal('delete', a.username),
    `Nobody can undo this: say --yes if ${name} is to be deleted.`,
  );
  await admin('delete', a.username, '--messages', '--yes');
  t.strictSame(await audited(5), [
    `delete_with_messages #${a.user_id}`,
    `restore #${b.user_id}`,
    `suspend #${b.user_id}`,
    `demote #${a.user_id}`,
    `promote #${a.user_id}`,
  ]);
  t.equal(await refusal('suspend', '--id', String(a.user_id)), 'target user not found');
  const [row] = await sql`select count(*)::int as n from users where is_admin and suspended_at is null`;
  const admins = await sql<
    { user_id: number }[]
  >`select user_id from users where is_admin and suspended_at is null`;
  for (const { user_id } of admins.slice(1)) await admin('demote', '--id', String(user_id));
  t.ok((row?.n ?? 0) >= 1);
  for (const verb of ['demote', 'suspend'])
    t.equal(await refusal(verb, '--id', String(admins[0]?.user_id)), 'nobody else is an admin');
});

t.test('invites are made, listed and revoked', async (t) => {
  const invited = await build(t, { REGISTRATION: 'invite' }, one);
  const link = await admin('invites', 'create', '--uses', '2', '--hours', '3');
  const id = Number(/^invite (\d+), good for 2 until /.exec(link[0] ?? '')?.[1]);
  const register = () =>
    invited.request('POST', '/register', {
      body: { username: freshName(), password: 'my own', invite: codeIn(link) },
    });
  t.equal((await register()).status, 200);
  t.match(await admin('invites', 'list', '--limit', '1'), [
    new RegExp(`^${id}, by the operator, good for 1 until `),
  ]);
  t.strictSame(await admin('invites', 'revoke', String(id)), [`invite ${id} is revoked`]);
  t.equal((await register()).body.error, 'invite_needed');
  t.match(await admin('invites', 'list', '--limit', '1'), [`${id}, by the operator, revoked`]);
  t.equal(await refusal('invites', 'revoke', '999999'), 'invite not found');
});

t.test('lists say where they go on, and show nothing that a terminal would do', async (t) => {
  await sql`
    insert into users (username, password, name_key, legacy, skeleton, lookalike, words_known)
    values (${`\u001b[2Jevil${freshName()}`}, '', 'evil', true, 'evil', true, true)`;
  const users = Array.from({ length: 2 }, () => signUp(one));
  const last = Math.max(...(await Promise.all(users)).map(({ user_id }) => user_id));
  const page = await admin('list', '--limit', '1', '--after', String(last - 1));
  t.match(page[0], new RegExp(`\\(#${last}\\)`));
  t.equal(page[1], `… more: --after ${last}`);
  t.strictSame(await admin('users', 'list', '--after', String(last)), ['nobody']);
  const all = (await admin('list', '--limit', '1000')).join('\n');
  t.ok(all.includes('?[2Jevil'));
  t.notOk(all.includes('\u001b'));
});

t.test('what can’t be done is said in a sentence', async (t) => {
  for (const [words, sentence] of [
    [['nonsense'], 'There is no verb nonsense; --help lists all.'],
    [['users'], 'There is no verb users; --help lists all.'],
    [['users', 'constructor'], 'There is no verb users constructor; --help lists all.'],
    [['suspend'], 'Say whom: by name, or by --id.'],
    [['suspend', 'x', '--id', '1'], 'Say whom: by name, or by --id.'],
    [['suspend', 'nobody at all'], 'There is no user nobody at all.'],
    [['suspend', 'x\u0000'], 'There is no user x?.'],
    [['suspend', '--id', '999999'], 'There is no user #999999.'],
    [['suspend', '--id', '-1'], /argument is ambiguous|whole number/],
    [['suspend', '--id', '1e3'], '--id 1e3: it should be a whole number from 1 to 9007199254740991.'],
    [['list', '--limit', '1001'], '--limit 1001: it should be a whole number from 1 to 1000.'],
    [['list', '--uses', '3'], '--uses means nothing there: [--after ID] [--limit N].'],
    [['list', 'alice'], 'alice is too much: [--after ID] [--limit N].'],
    [['check', 'it'], 'it is too much: nothing stands behind it.'],
    [['list', '--bogus'], /--bogus/],
    [['invites', 'revoke', 'x'], 'Say which: the number that `invites list` gives.'],
    [['invites', 'create', '--hours', '9999'], '--hours 9999: it should be a whole number from 1 to 8760.'],
    [['create', ' '], 'Say what the account is called.'],
    [['find'], 'Say how the name begins.'],
  ] as const)
    t.match(await refusal(...words), sentence, words.join(' '));
});

t.test(
  '[G10] whom the operator brings back to a group is shown nothing of between, in the list neither',
  async (t) => {
    const [owner, bob] = [await signUp(one), await signUp(one)];
    const ask = async ({ token }: typeof owner, method: string, path: string, body?: object) =>
      (await two.request(method, `/api/${path}`, { token, ...(body && { body }) })).body.data;
    const made = { title: `Cellar ${freshName()}`, user_ids: [bob.user_id], history: 'joining' };
    const { conversation_id: id } = await ask(owner, 'POST', 'conversations', made);
    await ask(bob, 'DELETE', `conversations/${id}/members/${bob.user_id}`);
    await ask(owner, 'POST', 'messages', { conversation_id: id, content: 'between' });
    await admin('groups', 'own', String(id), bob.username);
    const { messages } = await ask(bob, 'GET', `conversations/${id}/messages`);
    t.strictSame(
      messages.map(({ event }: { event: { action: string } }) => event.action),
      ['added', 'left'],
    );
    t.match(await ask(bob, 'GET', `conversations/${id}`), { last_message: null, unread: 0 });
  },
);

t.test('[G16] a group is listed, given an owner, and archived: nobody writes to it any more', async (t) => {
  const [owner, bob, eve, stranger] = [
    await signUp(one),
    await signUp(one),
    await signUp(one),
    await signUp(one),
  ];
  const ask = async ({ token }: typeof owner, method: string, path: string, body?: object) =>
    (await two.request(method, `/api/${path}`, { token, ...(body && { body }) })).body;
  const made = { title: `Gardens ${freshName()}`, topic: 'Weeds', user_ids: [bob.user_id] };
  const { conversation_id: id, last_seq } = (
    await ask(owner, 'POST', 'conversations', { ...made, kind: 'channel', history: 'joining' })
  ).data;
  const row = `${id}: ${made.title}, channel, 2 members, owned by #${owner.user_id}, topic: Weeds`;
  t.strictSame(await admin('groups', 'list', made.title.toUpperCase()), [row]);
  t.strictSame(await admin('groups', 'list', '--after', String(id)), ['none']);
  const member = await connectSynced(t, two, bob);
  for (const user of [bob, eve])
    t.strictSame(await admin('groups', 'own', String(id), user.username), [
      `${user.username} (#${user.user_id}) owns group ${id}`,
    ]);
  t.match(await ask(eve, 'GET', `conversations/${id}`), {
    data: { group: { role: 'owner', members: 3 }, last_message: null },
  });
  t.strictSame((await ask(eve, 'GET', `conversations/${id}/messages`)).data.messages, []);
  t.equal((await ask(bob, 'GET', `conversations/${id}`)).data.last_seq, last_seq, 'there is no event');
  const said = await ask(bob, 'POST', 'messages', { conversation_id: id, content: 'to the new owner' });
  t.equal(said.data.seq, last_seq + 1);
  t.match((await ask(eve, 'GET', 'conversations')).data.conversations, [
    { conversation_id: id, unread: 1, last_message: { content: 'to the new owner' } },
  ]);
  t.strictSame(await admin('groups', 'archive', String(id)), [`group ${id} is archived`]);
  t.strictSame(await admin('groups', 'archive', String(id)), [`group ${id} is archived`]);
  t.match(await admin('groups', 'list', made.title), [/, archived$/]);
  member.send('chat', { conversation_id: id, content: 'too late' });
  t.equal((await member.next('error')).code, 'posting_closed');
  for (const [method, path, body] of [
    ['POST', 'messages', { conversation_id: id, content: 'x' }],
    ['PATCH', `conversations/${id}`, { posting: 'all' }],
    ['PATCH', `conversations/${id}`, { title: 'x' }],
    ['POST', `conversations/${id}/members`, { user_ids: [eve.user_id] }],
    ['DELETE', `conversations/${id}/members/${eve.user_id}`],
  ] as const)
    t.equal((await ask(owner, method, path, body)).error, 'posting_closed', path);
  t.equal((await ask(stranger, 'POST', `conversations/${id}/join`)).error, 'posting_closed');
  t.strictSame((await ask(stranger, 'GET', 'channels?search=gardens')).data.channels, []);
  t.match((await ask(bob, 'GET', `conversations/${id}`)).data.group, { title: made.title, archived: true });
  t.equal((await ask(bob, 'DELETE', `conversations/${id}/members/${bob.user_id}`)).error, undefined);
  t.strictSame(await audited(3), [
    `archive_group group ${id}`,
    `own_group #${eve.user_id} group ${id}`,
    `own_group #${bob.user_id} group ${id}`,
  ]);
  t.equal(await refusal('groups', 'own', '999999', bob.username), 'conversation not found');
  t.equal(await refusal('groups', 'archive', '999999'), 'conversation not found');
  t.equal(await refusal('groups', 'own', String(id)), 'Say whom: by name, or by --id.');
  t.equal(await refusal('groups', 'archive'), 'Say which: the number that `groups list` gives.');
  t.equal(await refusal('groups', 'archive', '1', 'x'), 'x is too much: NUMBER.');
});

t.test('a line is on every page until it is taken away', async (t) => {
  const notice = async () => (await two.request('GET', '/api/notice')).body.data.notice;
  t.equal(await notice(), null);
  t.strictSame(await admin('announce', ' Back at eight '), ['it is on every page within five minutes']);
  t.equal(await notice(), 'Back at eight');
  t.strictSame(await admin('announce', '--end'), ['nothing is on the pages any more']);
  t.equal(await notice(), null);
  t.strictSame(await audited(2), ['end_announcement', 'announce']);
  for (const words of [[], ['x', '--end'], [' ']])
    t.equal(await refusal('announce', ...words), 'Say what, or --end.');
  for (const words of ['x'.repeat(501), 'two\nlines', 'bell\u0007'])
    t.equal(await refusal('announce', words), 'It should be one line of at most 500 characters.');
});

t.test('a check says what it all runs on, and how much there is', async (t) => {
  const lines = await admin('check');
  t.match(lines, [
    /^chat-server \d+\.\d+\.\d+$/,
    `Node ${process.versions.node}`,
    /^database: (embedded )?PostgreSQL \d\S* works$/,
    REAL ? 'bus: Redis works' : 'bus: none is needed',
    /^search: (all|\d+ % of the conversations) indexed$/,
    /^users: \d+$/,
  ]);
  t.equal(lines.length, 13);
});

t.test('the help has every verb with an example, which does what it says', async (t) => {
  const lines = help('admin');
  const examples = lines.filter((line) => line.startsWith('    admin ')).map((line) => line.trim());
  t.equal(examples.length, 20);
  await admin('create', 'alice');
  for (const example of examples) {
    const said = await refusal(...example.split(/ (?=[^"]*(?:"[^"]*"[^"]*)*$)/).slice(1));
    t.ok(
      said === undefined ||
        /no user alice|already taken|nobody else|invite not found|conversation not found/.test(said),
      `${example}: ${said}`,
    );
  }
});

if (REAL) {
  t.test('where Redis is away, all is done, and servers hear of it by themselves', async (t) => {
    const user = await signUp(one);
    const client = await connect(t, two, user, { extended: true });
    const { ok, lines } = await typed(one, ['suspend', user.username], { REDIS_ADDR: '127.0.0.1:1' });
    t.strictSame(
      [ok, lines[1]],
      [true, 'Redis (REDIS_ADDR) is away: servers hear of it within three seconds.'],
    );
    t.equal((await client.closed).code, 4001);
    const check = await typed(one, ['check'], { REDIS_ADDR: '127.0.0.1:1' });
    t.equal(check.ok, false);
    t.match(check.lines.at(-1), /^bus: Redis at 127\.0\.0\.1:1 \(REDIS_ADDR\) can't be reached/);
  });
} else {
  t.test('the socket is its owner’s alone, and is gone with the server', async (t) => {
    const server = await build(t);
    const dir = server.env.DATA_DIR ?? '';
    t.equal((await stat(join(dir, 'admin.sock'))).mode & 0o777, 0o600);
    t.strictSame(
      (await readdir(dir)).filter((name) => name.startsWith('admin')),
      ['admin.sock'],
    );
    await server.stop();
    t.notOk((await readdir(dir)).includes('admin.sock'));
    await t.rejects(askServer(dir, ['check']), {
      message: `No server runs on ${dir} (DATA_DIR): start it first, or set DATA_DIR as it has it.`,
    });
    await t.rejects(askServer(join(dir, 'nowhere'), ['check']), { message: /^There is no folder / });
  });

  t.test('what a dead server left is replaced, in a folder of any depth', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'chat-desk-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const deep = join(folder, 'x'.repeat(100), 'y'.repeat(100));
    await mkdir(deep, { recursive: true });
    for (const dir of [folder, deep]) {
      await writeFile(join(dir, 'admin.sock'), 'left behind');
      const close = await openDesk(dir, async (words) => ({ ok: true, lines: words }));
      t.strictSame(await askServer(dir, ['a', 'b']), { ok: true, lines: ['a', 'b'] });
      await t.rejects(openDesk(join(dir, 'nowhere'), async (words) => ({ ok: true, lines: words })));
      const odd = await askServer(dir, Array(21).fill('x'));
      t.strictSame([odd.ok, odd.lines.length], [false, 1]);
      await close();
      t.strictSame(
        (await readdir(dir)).filter((name) => name.includes('admin')),
        [],
      );
    }
  });

  t.test('who hangs up, or says nothing, keeps no server from ending', async (t) => {
    const server = await build(t);
    const path = join(server.env.DATA_DIR ?? '', 'admin.sock');
    const silent = createConnection(path);
    await new Promise((resolve) => silent.once('connect', resolve));
    const rude = createConnection(path, () => rude.destroy());
    await new Promise((resolve) => rude.once('close', resolve));
    const ended = new Promise((resolve) => silent.once('close', resolve));
    await server.stop();
    await ended;
  });

  t.test('as a program: it says what it did, and whether', async (t) => {
    const dist = dirname(await builtServer(t));
    const cwd = await mkdtemp(join(tmpdir(), 'chat-admin-'));
    t.teardown(() => rm(cwd, { recursive: true, force: true }));
    const server = startProcess(t, join(dist, 'server.js'), { PORT: '0', HOST: '127.0.0.1' }, cwd);
    await server.says(/chat-server is ready/);
    const program = (...args: string[]) => startProcess(t, join(dist, 'admin.js'), {}, cwd, { args });
    for (const [args, code, says] of [
      [['create', 'alice'], 0, /alice \(#1\) is made/],
      [['reset', 'alice'], 0, /#\/reset\//],
      [['suspend', 'alice'], 1, /nobody else is an admin/],
      [['check'], 0, /users: 1/],
      [[], 0, /users suspend NAME/],
      [['users', '--help'], 0, /node dist\/admin\.js users suspend alice/],
    ] as const) {
      const asked = program(...args);
      t.equal(await asked.ended, code, args.join(' '));
      t.match(asked.output(), says);
    }
    server.signal('SIGTERM');
    t.equal(await server.ended, 0);
    const after = program('check');
    t.equal(await after.ended, 1);
    t.match(after.output(), /^No server runs on \.\/data \(DATA_DIR\)/);
  });
}
