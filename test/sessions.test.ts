/** Where a user is signed in, and the ends of that, on two instances. */
import { request as httpRequest } from 'node:http';
import t from 'tap';
import type { Asker } from '../plugins/db/lanes.js';
import { Standings } from '../plugins/sessions/standings.js';
import { build, connect, eventually, freshName, freshStack, SECRET, type Server, signUp } from './helper.js';
import { mint } from './raw.js';

const one = await build(t, { INSTANCE_ID: 'one' });
const two = await build(t, { INSTANCE_ID: 'two' }, one);
const { sql } = one.app.db;
const PASSWORD = 'a password';
const ended = { code: 4001, reason: 'token is expired or revoked' };
const now = () => Math.floor(Date.now() / 1000);

/** Somebody with a password, who isn't signed in. */
async function register(): Promise<{ username: string; user_id: number }> {
  const username = freshName();
  const { body } = await one.request('POST', '/register', { body: { username, password: PASSWORD } });
  return { username, user_id: body.data.user_id };
}

/** Signs in. @returns the user with a token, and the cookie if one is given */
async function signIn(server: Server, username: string, more: object = {}, headers = {}) {
  const body = { username, password: PASSWORD, ...more };
  const answer = await server.request('POST', '/login', { body, headers });
  return { ...answer.body.data, cookie: answer.headers.get('set-cookie') ?? undefined };
}

const me = async (server: Server, token: string) =>
  (await server.request('GET', '/api/me', { token })).status;
const sessionsOf = async (token: string) =>
  (await one.request('GET', '/api/sessions', { token })).body.data.sessions;
const sidOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).sid;

t.test(
  'each sign-in is a session, with what it is called, where it is from and whether it is this one',
  async (t) => {
    const { username } = await register();
    const phone = await signIn(one, username, { device: 'Phone' });
    const script = await signIn(two, username, {}, { 'user-agent': 'curl/8.5' });
    const sessions = await sessionsOf(script.token);
    t.match(
      sessions.map(({ device, address, current }: { device: string; address: string; current: boolean }) => ({
        device,
        address,
        current,
      })),
      [
        { device: 'curl/8.5', address: '127.0.0.1', current: true },
        { device: 'Phone', address: '127.0.0.1', current: false },
      ],
    );
    for (const { created_at, seen_at, ends_at } of sessions) {
      t.equal(created_at, seen_at);
      t.equal(Date.parse(ends_at) - Date.parse(created_at), 30 * 86_400_000);
    }
    t.equal(sessions[1].id, sidOf(phone.token));
  },
);

t.test(
  'a session that is ended: its sockets close on the other instance, and its next request is refused',
  async (t) => {
    const { username } = await register();
    const [stolen, own] = [await signIn(one, username), await signIn(one, username)];
    const clients = [
      await connect(t, two, stolen),
      await connect(t, two, stolen, { extended: true }),
      await connect(t, one, stolen, { extended: true }),
    ];
    const mine = await connect(t, two, own, { extended: true });
    t.equal(await me(two, stolen.token), 200);
    const started = performance.now();
    const answer = await one.request('DELETE', `/api/sessions/${sidOf(stolen.token)}`, { token: own.token });
    t.strictSame([answer.status, answer.body], [200, { code: 0, message: 'ok', data: {} }]);
    for (const client of clients) t.strictSame(await client.closed, ended);
    t.ok(performance.now() - started < 1000, 'within a second');
    for (const server of [one, two]) t.equal(await me(server, stolen.token), 401);
    t.equal(await me(two, own.token), 200);
    await mine.barrier();
    const again = await one.request('DELETE', `/api/sessions/${sidOf(stolen.token)}`, { token: own.token });
    t.strictSame([again.status, again.body.error], [404, 'session_not_found']);
  },
);

t.test('nobody ends a session of somebody else', async (t) => {
  const [a, b] = [
    await signIn(one, (await register()).username),
    await signIn(one, (await register()).username),
  ];
  const answer = await one.request('DELETE', `/api/sessions/${sidOf(b.token)}`, { token: a.token });
  t.equal(answer.body.error, 'session_not_found');
  t.equal(await me(one, b.token), 200);
});

t.test('what a lost ring would have told is found within three seconds', async (t) => {
  const { username, user_id } = await register();
  const user = await signIn(one, username);
  const client = await connect(t, two, user, { extended: true });
  t.equal(await me(two, user.token), 200);
  const started = performance.now();
  // As another program does it that reaches the database alone.
  await sql`with gone as (delete from sessions where user_id = ${user_id}) insert into rings (user_id) values (${user_id})`;
  t.strictSame(await client.closed, ended);
  t.ok(performance.now() - started < 3000);
  t.equal(await me(two, user.token), 401);
});

t.test('all others: one stays, and the tokens of the reference end', async (t) => {
  const { username, user_id } = await register();
  const [other, own] = [await signIn(one, username), await signIn(two, username)];
  const old = mint({ user_id, username, exp: now() + 3600, iat: now() });
  for (const token of [other.token, own.token, old]) t.equal(await me(two, token), 200);
  t.equal((await one.request('DELETE', '/api/sessions', { token: own.token })).status, 200);
  t.equal(await me(one, own.token), 200);
  await eventually(async () => (await me(two, other.token)) === 401, 'the other goes on');
  t.equal(await me(two, old), 401);
  t.strictSame((await sessionsOf(own.token)).length, 1);
});

t.test('signing out ends the own session alone; without one, all tokens of that kind', async (t) => {
  const { username, user_id } = await register();
  const [a, b] = [await signIn(one, username), await signIn(one, username)];
  t.equal((await one.request('POST', '/api/logout', { token: a.token })).status, 200);
  t.strictSame([await me(one, a.token), await me(one, b.token)], [401, 200]);
  const old = mint({ user_id, username, exp: now() + 3600, iat: now() });
  t.equal(await me(one, old), 200);
  t.equal((await one.request('POST', '/api/logout', { token: old })).status, 200);
  t.strictSame([await me(one, old), await me(one, b.token)], [401, 200]);
});

t.test('another password ends the other sessions, and the old one lets nobody in', async (t) => {
  const { username } = await register();
  const [other, own] = [await signIn(one, username), await signIn(one, username)];
  const client = await connect(t, two, other);
  const change = (old_password: string, new_password: string, token = own.token) =>
    one.request('POST', '/api/password', { token, body: { old_password, new_password } });
  const wrong = await change('a guess', 'a new one');
  t.strictSame([wrong.status, wrong.body.error], [403, 'wrong_password']);
  t.equal((await change(PASSWORD, 'ö'.repeat(37))).body.error, 'password_too_long');
  t.equal((await change(PASSWORD, 'a\0b')).body.error, 'password_invalid');
  t.equal(await me(two, other.token), 200);
  const changed = await change(PASSWORD, 'a new one');
  t.equal(changed.status, 200);
  t.equal(sidOf(changed.body.data.token), sidOf(own.token));
  t.strictSame(await client.closed, ended);
  t.strictSame([await me(one, other.token), await me(one, own.token)], [401, 200]);
  const login = async (password: string) =>
    (await one.request('POST', '/login', { body: { username, password } })).status;
  t.strictSame([await login(PASSWORD), await login('a new one')], [401, 200]);
});

t.test('who has a token of the reference and changes the password is given a session', async (t) => {
  const { username, user_id } = await register();
  const token = mint({ user_id, username, exp: now() + 3600, iat: now() });
  const body = { old_password: PASSWORD, new_password: 'a new one' };
  const changed = await one.request('POST', '/api/password', { token, body });
  t.equal(await me(one, changed.body.data.token), 200);
  t.equal(await me(one, token), 401);
});

t.test('who is suspended is out, and comes back in when that is over', async (t) => {
  const { username, user_id } = await register();
  const user = await signIn(one, username, { stay_signed_in: true });
  const client = await connect(t, two, user, { extended: true });
  const set = async (at: Date | null) => {
    await sql`update users set suspended_at = ${at} where user_id = ${user_id}`;
    await sql`insert into rings (user_id) values (${user_id})`;
    await one.app.sessions.ring([user_id]);
  };
  await set(new Date());
  t.strictSame(await client.closed, ended);
  t.equal(await me(one, user.token), 401);
  const login = () => one.request('POST', '/login', { body: { username, password: PASSWORD } });
  const refused = await login();
  t.strictSame([refused.status, refused.body.error], [403, 'suspended']);
  const wrong = await one.request('POST', '/login', { body: { username, password: 'a guess' } });
  t.equal(wrong.body.error, 'unauthorized', 'a stranger does not hear of it');
  t.equal((await exchange(one, user.cookie)).body.error, 'unauthorized');
  await set(null);
  t.equal((await login()).status, 200);
});

t.test('a token is void that is older than its user, or that another user’s session is in', async (t) => {
  const { user_id, username } = await signUp(one);
  const older = mint({ user_id, username, exp: now() + 3600, iat: now() - 60 });
  t.equal(await me(one, older), 401, 'a user who was restored has another number');
  const other = await signIn(one, (await register()).username);
  const exp = now() + 3600;
  t.equal(await me(one, mint({ user_id, username, exp, sid: sidOf(other.token) })), 401);
  t.equal(await me(one, mint({ user_id, username, exp, sid: 'made-up' })), 401);
  t.equal(
    await me(one, mint({ user_id, username, exp: now() + 25 * 3600 })),
    401,
    'the reference’s end after a day',
  );
  t.equal(await me(one, mint({ user_id: 999_999, username, exp })), 401);
});

t.test('a token is renewed no further than its session goes', async (t) => {
  const { username, user_id } = await register();
  const { token } = await signIn(one, username);
  const ends = new Date(Date.now() + 60_000);
  await sql`update sessions set ends_at = ${ends} where user_id = ${user_id}`;
  await one.app.sessions.ring([user_id]);
  const { body } = await one.request('POST', '/api/token', { token });
  const left = Date.parse(body.data.token_expires_at) - ends.getTime();
  t.ok(left <= 0 && left > -2000, `${left}`);
  await sql`update sessions set ends_at = now() where user_id = ${user_id}`;
  await one.app.sessions.ring([user_id]);
  t.equal(await me(one, body.data.token), 401);
});

t.test('a session that goes on does so where an earlier end is known', async (t) => {
  const { username, user_id } = await register();
  const { token } = await signIn(one, username);
  const ends = new Date(Date.now() + 1000);
  await sql`update sessions set ends_at = ${ends} where user_id = ${user_id}`;
  await one.app.sessions.ring([user_id]);
  t.equal(await me(one, token), 200);
  await sql`update sessions set ends_at = now() + interval '1 day' where user_id = ${user_id}`;
  await eventually(() => Date.now() > ends.getTime(), 'the time does not pass');
  t.equal(await me(one, token), 200);
});

t.test(
  'a session that is made while its user is being asked for is not taken for one that has ended',
  async (t) => {
    const { username, user_id } = await register();
    const { token } = await signIn(one, username);
    let answer = () => {};
    let asked = 0;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const slow: Asker = {
      async ask(question) {
        const found = await one.app.db.delivery.ask(question);
        asked++;
        await answered;
        return found;
      },
    };
    const standings = new Standings(slow, 86_400_000, () => {});
    const older = standings.isValid(one.app.tokens.read(token));
    await eventually(() => asked === 1, 'nobody is asked for');
    const fresh = await signIn(two, username);
    const newer = standings.isValid(one.app.tokens.read(fresh.token));
    answer();
    t.strictSame([await older, await newer], [true, true]);
    t.equal(user_id, fresh.user_id);
  },
);

t.test('of too many sessions the one that was seen longest ago ends', async (t) => {
  const { username, user_id } = await register();
  const first = await signIn(one, username);
  await sql`
    insert into sessions (sid, user_id, device, address, stays, ends_at)
    select 'many-' || ${user_id}::text || '-' || g, ${user_id}, '', '', false, now() + interval '1 day' from generate_series(1, 199) g`;
  await sql`update sessions set seen_at = now() - interval '1 hour' where sid = ${sidOf(first.token)}`;
  const last = await signIn(one, username);
  t.equal((await sessionsOf(last.token)).length, 200);
  await eventually(async () => (await me(one, first.token)) === 401, 'the first one goes on');
});

// ---- the device's cookie ----

/** Asks for a token as the page does. */
const exchange = (server: Server, cookie: string | undefined, headers: Record<string, string> = {}) =>
  server.request('POST', '/api/exchange', {
    headers: {
      origin: server.url,
      ...(cookie !== undefined && { cookie: cookie.split(';')[0] ?? '' }),
      ...headers,
    },
  });

t.test(
  'a browser stays signed in by a cookie that no script reads, and is given short tokens for it',
  async (t) => {
    const { username, user_id } = await register();
    const { cookie, token_expires_at } = await signIn(one, username, { stay_signed_in: true });
    t.match(
      cookie,
      /^chat-device-[0-9a-f]{12}=[\w-]{22}\.[\w-]{43}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    t.ok(Date.parse(token_expires_at) - Date.now() <= 3_600_000);
    const { status, body } = await exchange(two, cookie);
    t.equal(status, 200);
    t.match(body.data, { user_id, username });
    t.equal(await me(one, body.data.token), 200);
    t.ok(Date.parse(body.data.token_expires_at) - Date.now() <= 3_600_000);
    t.equal((await one.request('POST', '/api/logout', { token: body.data.token })).status, 200);
    const over = await exchange(one, cookie);
    t.strictSame([over.status, over.body.error], [401, 'unauthorized']);
    t.match(over.headers.get('set-cookie'), /=; Max-Age=0;/);
  },
);

t.test('where it isn’t one’s own device, the cookie goes with the browser', async (t) => {
  const { username } = await register();
  const { cookie, token } = await signIn(one, username, { stay_signed_in: false });
  t.notMatch(cookie, /Max-Age|Expires/);
  const [session] = await sessionsOf(token);
  t.equal(Date.parse(session.ends_at) - Date.parse(session.created_at), 86_400_000);
  t.notMatch((await exchange(one, cookie)).headers.get('set-cookie'), /Max-Age|Expires/);
  t.equal((await signIn(one, username)).cookie, undefined, 'and who asks for none is given none');
});

t.test('by https the cookie is of this host alone', async (t) => {
  const behind = await build(t, { TRUSTED_PROXIES: '127.0.0.1' }, one);
  const { username } = await register();
  const https = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'chat.example' };
  const { cookie } = await signIn(behind, username, { stay_signed_in: true }, https);
  t.match(cookie, /^__Host-chat-device-[0-9a-f]{12}=.*; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
  t.equal((await exchange(behind, cookie, { ...https, origin: 'https://chat.example' })).status, 200);
  t.equal(
    (await exchange(behind, cookie, { ...https, origin: 'http://chat.example' })).body.error,
    'origin_refused',
  );
});

t.test('the cookie is exchanged for the own page only', async (t) => {
  const { username } = await register();
  const { cookie } = await signIn(one, username, { stay_signed_in: true });
  const { host, hostname, port } = new URL(one.url);
  for (const origin of [
    'null',
    `http://${hostname}`,
    `http://${hostname}:${Number(port) + 1}`,
    `http://a.${host}`,
    `http://${hostname}.:${port}`,
    `HTTP://${host}`,
    `${one.url}/`,
    'https://evil.example',
  ]) {
    const { status, body } = await exchange(one, cookie, { origin });
    t.strictSame([status, body.error], [403, 'origin_refused'], origin);
  }
  const forwarded = await exchange(one, cookie, {
    origin: 'http://evil.example',
    'x-forwarded-host': 'evil.example',
  });
  t.equal(forwarded.body.error, 'origin_refused', 'who is no proxy that is trusted says nothing of the host');
  t.equal(await withoutOrigin(cookie ?? ''), 403);
  t.equal(
    (await exchange(one, cookie, { origin: `https://${host}` })).status,
    200,
    'a proxy in between that isn’t known',
  );
  t.equal((await exchange(one, undefined)).body.error, 'missing_token');
  for (const bad of ['x', `${cookie?.split(';')[0]}x`, (cookie ?? '').replace(/=.{5}/, '=AAAAA')])
    t.equal((await exchange(one, bad)).status, 401);
});

/** `fetch` doesn't send a request without saying where it is from. @returns the status */
const withoutOrigin = (cookie: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    httpRequest(
      `${one.url}/api/exchange`,
      { method: 'POST', headers: { cookie: cookie.split(';')[0] ?? '' } },
      (answer) => resolve(answer.resume().statusCode),
    )
      .on('error', reject)
      .end();
  });

t.test(
  'the secret changes daily, and of 200 who ask at once on two instances nobody is refused',
  async (t) => {
    const { username, user_id } = await register();
    const { cookie } = await signIn(one, username, { stay_signed_in: true });
    t.equal(
      (await exchange(one, cookie)).headers.get('set-cookie')?.split(';')[0],
      cookie?.split(';')[0],
      'not on the first day',
    );
    await sql`update sessions set changed_at = now() - interval '25 hours' where user_id = ${user_id}`;
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => exchange(i % 2 ? one : two, cookie)),
    );
    t.strictSame([...new Set(answers.map(({ status }) => status))], [200]);
    const given = new Set(answers.map(({ headers }) => headers.get('set-cookie')?.split(';')[0]));
    t.equal(given.size, 1, 'all are given the same');
    const [next] = given;
    t.not(next, cookie?.split(';')[0]);
    // The answer got lost: the old one is good until the new one is known, however late that is.
    await sql`update sessions set changed_at = now() - interval '3 hours' where user_id = ${user_id}`;
    t.equal((await exchange(two, cookie)).headers.get('set-cookie')?.split(';')[0], next);
    t.equal((await exchange(one, next)).status, 200);
    t.equal((await exchange(two, cookie)).status, 200, 'for a minute more');
    await sql`update sessions set known_at = now() - interval '61 seconds' where user_id = ${user_id}`;
    t.equal((await exchange(two, cookie)).status, 401);
    t.equal((await exchange(two, next)).status, 200);
  },
);

t.test('a device is known by its cookie, of its own user only', async (t) => {
  const { username, user_id } = await register();
  const { cookie } = await signIn(one, username, { stay_signed_in: true });
  const known: boolean[] = [];
  const app = (await build(t, {}, one)).app;
  const asked = async (user: number) => {
    const request = {
      cookies: Object.fromEntries([(cookie ?? '').split(';')[0]?.split('=') ?? []]),
      protocol: 'http',
    };
    known.push(
      await app.sessions.isKnown(request as unknown as Parameters<typeof app.sessions.isKnown>[0], user),
    );
  };
  await asked(user_id);
  await asked(user_id + 1);
  t.strictSame(known, [true, false]);
});

// ---- secrets ----

t.test('the secret of before still lets in, and signs nothing', async (t) => {
  const { user_id, username } = await signUp(one);
  const SECRET = 'the secret that comes after, of enough letters';
  const other = await build(t, { JWT_SECRET: SECRET, JWT_SECRET_BEFORE: `x\n${one.env.JWT_SECRET}` }, one);
  const token = mint({ user_id, username, exp: now() + 60 });
  t.equal(await me(other, token), 200);
  const { body } = await other.request('POST', '/api/token', { token });
  t.equal(await me(other, body.data.token), 200);
  t.equal(await me(one, body.data.token), 401, 'it is signed by the new one');
  for (const secret of ['', 'another one'])
    t.equal(await me(other, mint({ user_id, username, exp: now() + 60 }, { secret })), 401);
});

t.test(
  'instances that sign with different secrets say so, and those that know the other one do not',
  async (t) => {
    const env = await freshStack(t);
    const first = await build(t, env);
    const said: string[] = [];
    first.app.log.error = (text: unknown) => void said.push(String(text));
    await build(
      t,
      { JWT_SECRET: 'a secret that the first one does not know', JWT_SECRET_BEFORE: SECRET },
      first,
    );
    await eventually(() => said.length > 0, 'nothing is said');
    t.match(said[0], /^Another instance on this database signs tokens with another JWT_SECRET/);
  },
);
