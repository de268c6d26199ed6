import t, { type Test } from 'tap';
import { build, connect, eventually, freshName, type Server, signUp, type User } from './helper.js';

/** An installation with its first account, whose owner is an admin, and somebody new who isn't. */
async function installation(t: Test) {
  const server = await build(t);
  return inside(server, await signUp(server));
}

async function inside(server: Server, admin: User) {
  const user = await signUp(server);
  const as = (who: User) => ({
    get: (path: string) => server.request('GET', path, { token: who.token }),
    post: (path: string, body?: object) => server.request('POST', path, { token: who.token, body }),
    delete: (path: string) => server.request('DELETE', path, { token: who.token }),
  });
  return { server, admin, user, as, ask: as(admin) };
}

/** One installation for all tests that leave it as it is, and an instance beside it with other settings. */
const home = await installation(t);
const beside = async (t: Test, env: Record<string, string> = {}) =>
  inside(await build(t, env, home.server), home.admin);

const register = (server: Server, more: object = {}, username = freshName()) =>
  server.request('POST', '/register', { body: { username, password: 'correct horse', ...more } });
const login = (server: Server, username: string, password: string) =>
  server.request('POST', '/login', { body: { username, password } });
/** What the latest rows of the audit say, newest first. */
const audit = async (server: Server, admin: User, limit: number) => {
  const { body } = await server.request('GET', `/api/admin/audit?limit=${limit}`, { token: admin.token });
  return body.data.entries.map((entry: Record<string, unknown>) => [
    entry.actor_id,
    entry.action,
    entry.user_id ?? entry.invite_id,
  ]);
};
/** A session as it is stored. */
const addSession = ({ app }: Server, user: number, sid: string) => {
  const now = new Date().toISOString();
  const times = { created_at: now, seen_at: now, ends_at: '2099-01-01T00:00:00Z' };
  const row = { sid, user_id: user, device: '', address: '', stays: true, ...times };
  return app.db.sql`
    insert into sessions select * from jsonb_populate_record(null::sessions, ${JSON.stringify(row)}::text::jsonb)`;
};
const rings = async ({ app }: Server, user: number) =>
  (await app.db.sql`select from rings where user_id = ${user}`).length;

t.test('the first account of an empty installation is its admin, and no other', async (t) => {
  const server = await build(t);
  const { app } = server;
  const answers = await Promise.all([1, 2, 3].map(() => register(server)));
  t.strictSame(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  const rows = await app.db.sql`select is_admin, user_id from users where is_admin`;
  t.equal(rows.length, 1);
  await app.db.sql`delete from users`;
  t.equal((await register(server)).status, 200);
  t.equal(
    (await app.db.sql`select from users where is_admin`).length,
    0,
    'where everybody was deleted by hand nobody becomes one by chance',
  );
});

t.test('only admins reach what is for admins', async (t) => {
  const { server, user, as } = await beside(t);
  for (const [method, path] of [
    ['GET', '/api/admin/users'],
    ['POST', '/api/admin/users'],
    ['POST', `/api/admin/users/${user.user_id}/promote`],
    ['POST', `/api/admin/users/${user.user_id}/reset`],
    ['DELETE', `/api/admin/users/${user.user_id}`],
    ['GET', '/api/admin/invites'],
    ['POST', '/api/admin/invites'],
    ['DELETE', '/api/admin/invites/1'],
    ['GET', '/api/admin/audit'],
  ] as const) {
    t.equal((await server.request(method, path)).body.error, 'missing_token', path);
    const { status, body } = await server.request(method, path, { token: user.token });
    t.strictSame([status, body.error], [403, 'admin_needed'], path);
  }
  await server.app.accounts.change('promote', user.user_id, undefined);
  t.equal((await as(user).get('/api/admin/audit')).status, 200);
  await server.app.accounts.change('demote', user.user_id, undefined);
  t.equal((await as(user).get('/api/admin/audit')).status, 403, 'from the very moment on');
});

t.test('admins see everybody, by number or by how the name begins', async (t) => {
  const { server, admin, user, ask } = await installation(t);
  const ana = await signUp(server, 'Ana Lima');
  const names = async (query: string) =>
    (await ask.get(`/api/admin/users${query}`)).body.data.users.map((row: User) => row.user_id);
  t.strictSame(await names(''), [admin.user_id, user.user_id, ana.user_id]);
  t.strictSame(await names('?limit=1'), [admin.user_id]);
  t.strictSame(await names(`?after=${admin.user_id}&limit=1`), [user.user_id]);
  t.strictSame(await names('?query=ANA%20l'), [ana.user_id]);
  t.strictSame(await names('?query=lima'), []);
  const { body } = await ask.get('/api/admin/users?query=ana');
  const [row] = body.data.users;
  t.strictSame(body.data.users, [
    {
      user_id: ana.user_id,
      username: 'Ana Lima',
      created_at: row.created_at,
      is_admin: false,
      suspended_at: null,
    },
  ]);
  for (const bad of ['?query=%20', '?query=%00', '?after=0', '?limit=101', '?limit=x'])
    t.equal((await ask.get(`/api/admin/users${bad}`)).body.error, 'bad_request', bad);
});

t.test('rights and suspensions are given and taken, noted, and told to replicas', async (t) => {
  const { server, admin, user, ask } = await beside(t);
  const { sql } = server.app.db;
  const state = async () => {
    const { body } = await ask.get(`/api/admin/users?after=${user.user_id - 1}&limit=1`);
    const [{ is_admin, suspended_at }] = body.data.users;
    return { is_admin, suspended: suspended_at !== null };
  };
  await addSession(server, user.user_id, 'one');
  await addSession(server, admin.user_id, 'two');
  for (const [change, after] of [
    ['promote', { is_admin: true, suspended: false }],
    ['demote', { is_admin: false, suspended: false }],
    ['suspend', { is_admin: false, suspended: true }],
    ['restore', { is_admin: false, suspended: false }],
  ] as const) {
    const before = await rings(server, user.user_id);
    for (const _ of ['once', 'again']) {
      const { status, body } = await ask.post(`/api/admin/users/${user.user_id}/${change}`);
      t.strictSame([status, body.data], [200, {}], change);
      t.strictSame(await state(), after, change);
    }
    t.equal((await rings(server, user.user_id)) - before, 1, `${change} is told once`);
  }
  t.strictSame(await audit(server, admin, 4), [
    [admin.user_id, 'restore', user.user_id],
    [admin.user_id, 'suspend', user.user_id],
    [admin.user_id, 'demote', user.user_id],
    [admin.user_id, 'promote', user.user_id],
  ]);
  const left = await sql`select sid from sessions where sid in ('one', 'two')`;
  t.strictSame(
    left.map(({ sid }) => sid),
    ['two'],
    'a suspension ends the sessions of that user',
  );
  for (const change of ['suspend', 'restore', 'promote', 'demote', 'reset'])
    t.equal((await ask.post(`/api/admin/users/999/${change}`)).body.error, 'user_not_found', change);
  for (const id of ['0', 'x', '1.5', '-1'])
    t.equal((await ask.post(`/api/admin/users/${id}/suspend`)).body.error, 'bad_request', id);
});

t.test('the last admin stays one, whatever two of them do to each other at once', async (t) => {
  const { server, admin, user, as, ask } = await installation(t);
  const second = await build(t, {}, server);
  const taking = (who: User) => [
    ['POST', `/api/admin/users/${who.user_id}/suspend`] as const,
    ['POST', `/api/admin/users/${who.user_id}/demote`] as const,
    ['DELETE', `/api/admin/users/${who.user_id}`] as const,
  ];
  for (const [method, path] of taking(admin)) {
    const { status, body } = await server.request(method, path, { token: admin.token });
    t.strictSame([status, body.error], [409, 'last_admin'], path);
  }
  for (let round = 0; round < 20; round++) {
    for (const who of [admin, user]) await server.app.accounts.change('promote', who.user_id, undefined);
    const answers = await Promise.all([
      as(admin).post(`/api/admin/users/${user.user_id}/demote`),
      second.request('POST', `/api/admin/users/${admin.user_id}/demote`, { token: user.token }),
    ]);
    const admins = await server.app.db.sql`select user_id from users where is_admin`;
    t.equal(admins.length, 1, JSON.stringify(answers.map(({ status }) => status)));
  }
  await server.app.accounts.change('promote', admin.user_id, undefined);
  await server.app.accounts.change('promote', user.user_id, undefined);
  t.equal((await ask.post(`/api/admin/users/${user.user_id}/suspend`)).status, 200);
  t.equal(
    (await ask.post(`/api/admin/users/${admin.user_id}/demote`)).body.error,
    'last_admin',
    'who is suspended is no admin',
  );
});

t.test('without an invite that is good nobody comes in, and the answer is always the same', async (t) => {
  const { server, admin, ask } = await beside(t, { REGISTRATION: 'invite' });
  const { sql } = server.app.db;
  const invite = async (options: object = {}) =>
    (await ask.post('/api/admin/invites', options)).body.data as { code: string; invite_id: number };
  const once = await invite();
  t.equal((await register(server, { invite: once.code })).status, 200);
  const revoked = await invite();
  t.strictSame((await ask.delete(`/api/admin/invites/${revoked.invite_id}`)).body.data, {});
  const expired = await invite();
  await sql`update invites set expires_at = now() where invite_id = ${expired.invite_id}`;
  const other = await installation(t);
  const foreign = (await other.ask.post('/api/admin/invites', {})).body.data;
  const { counts } = server.app.auth.passwords;
  const before = counts.hashed;
  for (const [what, body] of Object.entries({
    without: {},
    null: { invite: null },
    empty: { invite: '' },
    nonsense: { invite: 'x'.repeat(24) },
    'used up': { invite: once.code },
    revoked: { invite: revoked.code },
    expired: { invite: expired.code },
    'of another installation': { invite: foreign.code },
    'in another case': { invite: (await invite()).code.toLowerCase() },
  })) {
    const { status, body: answer } = await register(server, body);
    t.equal(status, 403, what);
    t.strictSame(
      answer,
      {
        code: 403,
        message: 'an invite is needed that is neither used up, nor expired, nor revoked',
        error: 'invite_needed',
      },
      what,
    );
  }
  t.equal(counts.hashed, before, 'and no processor works for it');
  for (const wrong of [5, true, [], {}])
    t.equal((await register(server, { invite: wrong })).body.error, 'bad_request');
  t.strictSame((await audit(server, admin, 7)).map(([, action]: string[]) => action).reverse(), [
    ...['register', 'invite', 'register', 'invite', 'revoke_invite', 'invite', 'invite'],
  ]);
});

t.test('an invite is for as many as it says, however many come at once', async (t) => {
  const { server, ask } = await beside(t, { REGISTRATION: 'invite' });
  const second = await build(t, { REGISTRATION: 'invite' }, server);
  const { code, invite_id } = (await ask.post('/api/admin/invites', { uses: 3, hours: 1 })).body.data;
  const taken = await signUp(server);
  t.equal((await register(server, { invite: code }, taken.username)).body.error, 'username_taken');
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, i) => register(i % 2 === 0 ? server : second, { invite: code })),
  );
  const said = answers.map(({ body }) => body.error ?? 'ok').sort();
  t.strictSame(
    said,
    [...Array(3).fill('invite_needed'), ...Array(3).fill('ok')],
    'a name that is taken uses nothing up',
  );
  const { body } = await ask.get('/api/admin/invites');
  const [row] = body.data.invites;
  t.strictSame([row.invite_id, row.uses_left, row.revoked_at], [invite_id, 0, null]);
  t.notOk(JSON.stringify(body).includes(code), 'its code is told nobody again');
  t.equal(Math.round((Date.parse(row.expires_at) - Date.parse(row.made_at)) / 60_000), 60);
});

t.test('invites are listed newest first, revoked once and for all, and bounded', async (t) => {
  const { server, ask, admin } = await beside(t);
  const ids: number[] = [];
  for (let i = 0; i < 3; i++) ids.unshift((await ask.post('/api/admin/invites', {})).body.data.invite_id);
  const listed = async (query: string) =>
    (await ask.get(`/api/admin/invites${query}`)).body.data.invites.map(
      (row: { invite_id: number }) => row.invite_id,
    );
  t.strictSame(await listed('?limit=3'), ids);
  t.strictSame(await listed(`?before=${ids[0]}&limit=1`), [ids[1]]);
  const revoke = (id: unknown) => ask.delete(`/api/admin/invites/${id}`);
  for (const _ of ['once', 'again']) t.equal((await revoke(ids[0])).status, 200);
  t.strictSame((await audit(server, admin, 2))[0], [admin.user_id, 'revoke_invite', ids[0]]);
  t.equal((await revoke(999_999)).body.error, 'invite_not_found');
  for (const bad of [
    { uses: 0 },
    { uses: 1001 },
    { uses: '1' },
    { hours: 0 },
    { hours: 8761 },
    { hours: 1.5 },
  ])
    t.equal((await ask.post('/api/admin/invites', bad)).body.error, 'bad_request', JSON.stringify(bad));
  await server.app.db.sql`
    insert into invites (code, expires_at, uses_left)
    select sha256(i::text::bytea), now() + interval '1 hour', 1
    from generate_series(1, 500 - (
      select count(*)::int from invites where uses_left > 0 and revoked_at is null and expires_at > now())) i`;
  t.teardown(() => home.server.app.db.sql`delete from invites where made_by is null`);
  const { status, body } = await ask.post('/api/admin/invites', {});
  t.strictSame([status, body.error], [409, 'too_many_invites']);
  await revoke(ids[1]);
  t.equal((await ask.post('/api/admin/invites', {})).status, 200);
});

t.test('an empty installation that asks for invites is opened by the link of its start, once', async (t) => {
  const server = await build(t, { REGISTRATION: 'invite' });
  const second = await build(t, { REGISTRATION: 'invite' }, server);
  const [link, other] = [await server.app.accounts.firstInvite(), await second.app.accounts.firstInvite()];
  t.match(link?.path, /^\/#\/invite\/[\w-]{24}$/);
  t.equal((await register(server)).body.error, 'invite_needed');
  const name = freshName();
  const { body } = await register(server, { invite: link?.code }, name);
  const [row] = await server.app.db.sql`select is_admin from users where user_id = ${body.data.user_id}`;
  t.equal(row?.is_admin, true);
  t.equal(
    (await register(server, { invite: other?.code })).body.error,
    'invite_needed',
    'that of another start',
  );
  t.equal(await server.app.accounts.firstInvite(), undefined);
  const { token } = (await login(server, name, 'correct horse')).body.data;
  const listed = await server.request('GET', '/api/admin/invites', { token });
  t.match(listed.body.data.invites, [{ uses_left: 0 }], 'what opens nothing any more is not listed');
  t.equal(listed.body.data.invites.length, 1);
  t.equal(
    await (await build(t)).app.accounts.firstInvite(),
    undefined,
    'where everybody may come none is needed',
  );
});

t.test('where registration is closed admins make accounts, whose owners set the password', async (t) => {
  const { server, admin, ask } = await beside(t, { REGISTRATION: 'closed' });
  const { code } = (await ask.post('/api/admin/invites', {})).body.data;
  const { status, body } = await register(server, { invite: code });
  t.strictSame([status, body.error], [403, 'registration_closed']);
  const username = freshName();
  const made = await ask.post('/api/admin/users', { username: ` ${username} ` });
  const { user_id, path, code: reset, expires_at } = made.body.data;
  t.equal(path, `/#/reset/${reset}`);
  t.ok(Math.abs(Date.parse(expires_at) - Date.now() - 86_400_000) < 600_000);
  t.strictSame(await audit(server, admin, 2), [
    [admin.user_id, 'reset_link', user_id],
    [admin.user_id, 'create', user_id],
  ]);
  for (const password of ['', ' ', 'x', 'not a hash'])
    t.not((await login(server, username, password)).status, 200, 'nobody comes in before');
  const set = await server.request('POST', '/api/reset', { body: { code: reset, new_password: 'my own' } });
  t.strictSame(set.body.data, { user_id, username });
  t.equal((await login(server, username, 'my own')).body.data.user_id, user_id);
  t.equal((await ask.post('/api/admin/users', { username })).body.error, 'username_taken');
  t.equal((await ask.post('/api/admin/users', { username: 'аdmin' })).body.error, 'username_mixed');
  t.equal((await ask.post('/api/admin/users', {})).body.error, 'username_required');
  t.equal((await ask.post('/api/admin/users', { username: 5 })).body.error, 'bad_request');
});

t.test('a forgotten password is set by a link, once, and that ends what was signed in', async (t) => {
  const { server, admin, ask } = await beside(t);
  const { sql } = server.app.db;
  const username = freshName();
  const { user_id } = (await register(server, {}, username)).body.data;
  const link = async () => (await ask.post(`/api/admin/users/${user_id}/reset`)).body.data.code as string;
  const reset = (code: unknown, new_password: unknown = 'a new one') =>
    server.request('POST', '/api/reset', { body: { code, new_password } });
  const [older, code] = [await link(), await link()];
  await addSession(server, user_id, 'one');
  const [stored] = await sql`select code from resets where user_id = ${user_id}`;
  t.notOk(String(stored?.code).includes(code), 'the code itself is nowhere');
  const before = await rings(server, user_id);
  const { counts } = server.app.auth.passwords;
  const hashed = counts.hashed;
  for (const bad of [older, '', 'nonsense', code.toUpperCase(), 'x'.repeat(256)]) {
    const { status, body } = await reset(bad);
    t.strictSame([status, body.error], [403, 'reset_invalid'], bad);
  }
  t.equal(counts.hashed, hashed, 'and no processor works for it');
  for (const [password, error] of [
    ['short', 'password_too_short'],
    ['a'.repeat(73), 'password_too_long'],
    ['secret\0', 'password_invalid'],
    [' ', 'password_required'],
    [null, 'password_required'],
    [5, 'bad_request'],
  ] as const)
    t.equal((await reset(code, password)).body.error, error, String(password));
  const answers = await Promise.all([reset(code), reset(code), reset(code)]);
  t.strictSame(answers.map(({ status }) => status).sort(), [200, 403, 403], 'of three at once one');
  t.equal((await reset(code)).body.error, 'reset_invalid', 'used');
  t.equal((await login(server, username, 'correct horse')).status, 401);
  t.equal((await login(server, username, 'a new one')).status, 200);
  const [row] = await sql`select tokens_from > now() - interval '1 minute' as recent,
    (select count(*)::int from sessions s where s.sid = 'one') as sessions from users u where user_id = ${user_id}`;
  t.strictSame([row?.recent, row?.sessions], [true, 0]);
  t.equal((await rings(server, user_id)) - before, 1);
  t.strictSame(await audit(server, admin, 3), [
    [user_id, 'reset', user_id],
    [admin.user_id, 'reset_link', user_id],
    [admin.user_id, 'reset_link', user_id],
  ]);
  const late = await link();
  await sql`update resets set expires_at = now() where user_id = ${user_id}`;
  t.equal((await reset(late)).body.error, 'reset_invalid', 'expired');

  const forgotten = await link();
  const { token } = (await login(server, username, 'a new one')).body.data;
  const body = { old_password: 'a new one', new_password: 'another one' };
  t.equal((await server.request('POST', '/api/password', { token, body })).status, 200);
  t.equal((await reset(forgotten)).body.error, 'reset_invalid', 'another password since');
});

t.test(
  'who is suspended, deleted or given a new password is out on both instances within a second',
  async (t) => {
    const { server, ask } = await beside(t);
    const second = await build(t, {}, server);
    for (const [means, again] of [
      ['suspend', [403, 'suspended']],
      ['sign_out', [200, undefined]],
      ['reset', [401, 'unauthorized']],
      ['delete', [401, 'unauthorized']],
    ] as const) {
      const username = freshName();
      const { user_id } = (await register(server, {}, username)).body.data;
      const devices = await Promise.all([1, 2, 3].map(() => login(second, username, 'correct horse')));
      const plain = (await login(server, username, 'correct horse')).body.data;
      const clients = [
        await connect(t, second, plain),
        ...(await Promise.all(
          devices.map(({ body }, i) => connect(t, i === 0 ? server : second, body.data, { extended: true })),
        )),
      ];
      const path = `/api/admin/users/${user_id}`;
      const { code } = means === 'reset' ? (await ask.post(`${path}/reset`)).body.data : { code: '' };
      const answer =
        means === 'reset'
          ? server.request('POST', '/api/reset', { body: { code, new_password: 'a new one' } })
          : means === 'delete'
            ? ask.delete(path)
            : ask.post(`${path}/${means}`);
      t.equal((await answer).status, 200, means);
      const done = performance.now();
      for (const { closed } of clients)
        t.strictSame(await closed, { code: 4001, reason: 'token is expired or revoked' }, means);
      t.ok(performance.now() - done < 1000, means);
      for (const { token } of [plain, ...devices.map(({ body }) => body.data)])
        for (const one of [server, second]) {
          const { status, body } = await one.request('GET', '/api/me', { token });
          t.strictSame([status, body.error], [401, 'unauthorized'], means);
        }
      const { status, body } = await login(second, username, 'correct horse');
      t.strictSame([status, body.error], again, means);
      t.equal(
        (await login(second, username, 'a guess')).body.error,
        'unauthorized',
        'a stranger is told nothing',
      );
    }
  },
);

t.test('the audit is paged, newest first, and is of ids alone', async (t) => {
  const { server, admin, user, ask } = await beside(t);
  for (const change of ['promote', 'demote'] as const)
    await server.app.accounts.change(change, user.user_id, undefined);
  const { body } = await ask.get('/api/admin/audit?limit=2');
  const [newest, before] = body.data.entries;
  t.strictSame(newest, {
    audit_id: newest.audit_id,
    at: newest.at,
    actor_id: null,
    action: 'demote',
    user_id: user.user_id,
    invite_id: null,
  });
  t.ok(Math.abs(Date.parse(newest.at) - Date.now()) < 600_000);
  t.strictSame((await ask.get(`/api/admin/audit?before=${newest.audit_id}&limit=1`)).body.data.entries, [
    before,
  ]);
  t.strictSame(await audit(server, admin, 3), [
    [null, 'demote', user.user_id],
    [null, 'promote', user.user_id],
    [user.user_id, 'register', user.user_id],
  ]);
});

t.test(
  'names from before that look like another one go on, and are told apart by their number',
  async (t) => {
    const { server, user } = await installation(t);
    const { sql } = server.app.db;
    const [first] = await sql`insert into users (username, password) values ('scope', 'x') returning user_id`;
    const [second] =
      await sql`insert into users (username, password) values ('ѕсоре', 'x') returning user_id`;
    await server.stop();
    const again = await build(t, server.env);
    const get = async (path: string) => (await again.request('GET', path, { token: user.token })).body.data;
    const wanted = [
      { user_id: first?.user_id, username: 'scope' },
      { user_id: second?.user_id, username: 'ѕсоре', alike: true },
    ];
    t.strictSame((await get('/api/users?query=scope')).users, wanted.slice(0, 1));
    t.strictSame((await get('/api/users?query=%D1%95')).users, wanted.slice(1));
    t.strictSame(
      { ...(await get(`/api/users/${second?.user_id}`)), created_at: null },
      { ...wanted[1], created_at: null },
    );
    t.equal((await register(again, {}, 'ѕсоре')).body.error, 'username_taken');
    t.equal((await register(again, {}, 'SC0PE')).body.error, 'username_confusable');
  },
);

t.test('what a replica that ended had left to erase the next one erases', async (t) => {
  const { server, user } = await beside(t);
  const { sql } = server.app.db;
  const send = (id: string) =>
    server.request('POST', '/api/messages', {
      token: user.token,
      body: { to_user_id: user.user_id, content: 'a note', id },
    });
  await send('mine-1');
  await sql`select delete_user_1(${user.user_id}, null, true)`;
  await build(t, {}, server);
  const content = async () => {
    const [row] = await sql`select content, client_id from messages where from_user_id = ${user.user_id}`;
    return `${row?.content}${row?.client_id}`;
  };
  await eventually(async () => /^~gone\.\d+$/.test(await content()), 'it is still there');
  const isDone = async () => {
    const [row] = await sql`select erase from users where user_id = ${user.user_id}`;
    return row?.erase === null;
  };
  await eventually(isDone, 'it isn’t noted that nothing is left');
});
