import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { compare, hashSync } from '@node-rs/bcrypt';
import t from 'tap';
import { NOBODY, Passwords } from '../plugins/auth/passwords.js';
import { HTTP } from '../schemas/limits.js';
import { addUser } from '../sql/users.js';
import { build, freshName, signUp } from './helper.js';
import { mint } from './raw.js';

const server = await build(t);
const { sql } = server.app.db;
const login = (username: string, password: string) =>
  server.request('POST', '/login', { body: { username, password } });
const me = (token: string) => server.request('GET', '/api/me', { token });
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
const now = () => Math.floor(Date.now() / 1000);
const UNAUTHORIZED = { code: 401, message: 'unauthorized', error: 'unauthorized' };

/** Of a password that nobody knows, and of the lowest cost. */
const FAST_HASH = hashSync(randomBytes(30).toString('base64'), 4);
/** The reference's hash of the password `a`. */
const OLD_HASH = '$2a$10$k87L/MF28Q673VKh8/cPi.SUl7MU/rWuSiIDDFayrKk/1tBsSQu4u';

t.test('who registered logs in, and gets a token with the claims of the reference', async (t) => {
  const username = freshName();
  const registered = await server.request('POST', '/register', { body: { username, password: 'secret' } });
  const before = now();
  const { status, body } = await login(username, 'secret');
  t.equal(status, 200);
  const { user_id, token } = body.data;
  const claims = claimsOf(token);
  const token_expires_at = new Date(claims.exp * 1000).toISOString();
  t.strictSame(body, { code: 0, message: 'ok', data: { user_id, username, token, token_expires_at } });
  t.equal(user_id, registered.body.data.user_id);
  t.strictSame(JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString()), {
    alg: 'HS256',
    typ: 'JWT',
  });
  t.strictSame(Object.keys(claims).sort(), ['exp', 'iat', 'sid', 'user_id', 'username']);
  t.strictSame([claims.user_id, claims.username], [user_id, username]);
  t.ok(claims.iat >= before && claims.iat <= now());
  t.equal(claims.exp - claims.iat, 24 * 3600);
  t.equal(mint(claims), token);
  t.equal((await me(token)).status, 200);
});

t.test('a $2a$ hash of the reference logs in', async (t) => {
  const name = freshName();
  await addUser(sql, name, OLD_HASH);
  t.equal((await login(name, 'a')).status, 200);
  t.equal((await login(name, 'b')).status, 401);
});

t.test('a name is found in another case and in another Unicode form', async (t) => {
  const name = freshName('Zoë');
  await addUser(sql, name, OLD_HASH);
  for (const typed of [name.toUpperCase(), name.normalize('NFD'), ` ${name.toLowerCase()} `]) {
    const { status, body } = await login(typed, 'a');
    t.equal(status, 200, typed);
    t.equal(body.data.username, name);
  }
});

t.test('a missing name or password is said with the sentence of the reference', async (t) => {
  t.equal((await login(' ', 'x')).body.message, 'username is required');
  t.equal((await login('x', ' ')).body.message, 'password is required');
});

t.test(
  'a wrong password, an unknown user and a name or password that cannot be: all the same answer',
  async (t) => {
    const name = freshName();
    await addUser(sql, name, OLD_HASH);
    for (const [username, password] of [
      [name, 'b'],
      [name, 'a'.repeat(73)],
      [name, 'a\0'],
      [freshName(), 'a'],
      [`${name}\0`, 'a'],
      ['\ud800', 'a'],
      ['x'.repeat(4096), 'a'],
    ] as const) {
      const { status, body } = await login(username, password);
      t.equal(status, 401);
      t.strictSame(body, UNAUTHORIZED);
    }
  },
);

t.test('bcrypt runs once for a wrong password, an unknown user and an unusable password alike', async (t) => {
  const name = freshName();
  await addUser(sql, name, OLD_HASH);
  const { counts } = server.app.auth.passwords;
  for (const [username, password] of [
    [name, 'b'],
    [freshName(), 'b'],
    [freshName(), 'b'.repeat(73)],
    [`${name}\0`, 'a'],
  ] as const) {
    const before = counts.compared;
    t.equal((await login(username, password)).status, 401);
    t.equal(counts.compared - before, 1);
  }
  t.match(
    NOBODY,
    /^\$2b\$10\$[./A-Za-z0-9]{53}$/,
    'what stands in for an unknown user costs as much as a real hash',
  );
  t.equal(await compare('', NOBODY), false);
});

t.test('beyond a bound, who signs in is told to come back, and nobody is forgotten', async (t) => {
  const passwords = new Passwords();
  t.teardown(() => passwords.close());
  const tries = Array.from({ length: 80 }, () => passwords.matches('x', FAST_HASH));
  const results = await Promise.allSettled(tries);
  const refused = results.filter((result) => result.status === 'rejected');
  t.ok(refused.length > 0);
  for (const { reason } of refused) t.match(reason, { code: 'overloaded', retryAfterMs: 2000 });
  t.equal(passwords.counts.compared, 80 - refused.length);
  t.equal(await passwords.matches('x', FAST_HASH), false);
});

/** Somebody who waits for bcrypt, from an address, in some state of their connection. */
const asker = (address: string, how: 'here' | 'left' | 'gone' = 'here', standing = 1) => {
  const socket = new Socket();
  if (how === 'gone') socket.destroy();
  if (how === 'left') Object.defineProperty(socket, 'readableEnded', { value: true });
  return { address, socket, standing: () => standing };
};

t.test('addresses take turns at bcrypt, and one cannot fill the queue for the others', async (t) => {
  const passwords = new Passwords();
  t.teardown(() => passwords.close());
  const order: string[] = [];
  const ask = (address: string, how?: 'here' | 'left' | 'gone') =>
    passwords.matches('x', FAST_HASH, asker(address, how)).then(
      () => order.push(how ?? address),
      (error) => order.push(`${how ?? address}: ${error.code}`),
    );
  const crowd = Array.from({ length: 100 }, () => ask('crowd'));
  const alone = [ask('one'), ask('other')];
  await Promise.all(alone);
  const before = order.filter((who) => who === 'crowd').length;
  t.ok(before < 16, `${before} of the crowd came first`);
  await Promise.all(crowd);
});

t.test('who may have hung up waits until nobody else does, and who has is forgotten', async (t) => {
  const passwords = new Passwords();
  t.teardown(() => passwords.close());
  const order: string[] = [];
  const ask = (address: string, how?: 'here' | 'left' | 'gone') =>
    passwords.matches('x', FAST_HASH, asker(address, how)).then(
      () => order.push(how ?? address),
      () => order.push('refused'),
    );
  // As many as there can be at once, and then those who wait.
  const first = Array.from({ length: 8 }, (_, i) => ask(`busy ${i}`));
  const gone = Array.from({ length: 60 }, () => ask('a', 'gone'));
  const left = Array.from({ length: 30 }, () => ask('a', 'left'));
  const here = Array.from({ length: 40 }, (_, i) => ask(`b ${i}`));
  await Promise.all([...first, ...gone, ...left, ...here]);
  const atOnce = Reflect.get(passwords, 'atOnce');
  t.equal(passwords.counts.compared, HTTP.waitingPasswords + atOnce, 'nothing is run for who has gone');
  t.equal(order.filter((who) => who.startsWith('b')).length, 48, 'nobody who is there is refused');
  const last = order.filter((who) => who === 'left').length;
  t.ok(last > 0);
  // Those that run at one time may end in any order.
  t.equal(order.slice(atOnce - last).filter((who) => who !== 'left').length, 0);
});

t.test(
  'whoever is known goes before those who may be guessing, however long these have waited',
  async (t) => {
    const passwords = new Passwords();
    t.teardown(() => passwords.close());
    const order: string[] = [];
    const ask = (who: string, standing: number) =>
      passwords.matches('x', FAST_HASH, asker(who, 'here', standing)).then(
        () => order.push(who),
        () => order.push(`${who} is refused`),
      );
    const guesses = Array.from({ length: 100 }, (_, i) => ask(`guess ${i}`, 9));
    const others = [ask('somebody new', 1), ask('somebody known', 0)];
    await Promise.all([...guesses, ...others]);
    const ran = order.filter((who) => !who.endsWith('refused'));
    // As many as run at once came before, and may end in any order.
    const first = ran.slice(0, Reflect.get(passwords, 'atOnce') + 2);
    t.ok(first.includes('somebody new') && first.includes('somebody known'), first.join(', '));
    t.ok(!order.some((who) => who.startsWith('somebody') && who.endsWith('refused')));
  },
);

t.test('what is no hash of bcrypt is not told by how soon it is refused', async (t) => {
  const passwords = new Passwords();
  t.teardown(() => passwords.close());
  const took = async (stored: string | undefined) => {
    const start = performance.now();
    t.equal(await passwords.matches('x', stored), false);
    return performance.now() - start;
  };
  await took(NOBODY);
  const wrong = await took(NOBODY);
  for (const text of ['not a hash', `${NOBODY}x`, undefined])
    t.ok((await took(text)) > wrong / 4, String(text));
});

t.test('who waits for bcrypt while the server ends is told so', async (t) => {
  const passwords = new Passwords();
  const tries = Array.from({ length: 20 }, () => passwords.matches('x', NOBODY));
  await passwords.close();
  for (const result of await Promise.allSettled([...tries, passwords.hash('x')]))
    t.match(result, { status: 'rejected', reason: { code: 'unavailable' } });
});

t.test('a thread of bcrypt that dies while it is idle is not asked again', async (t) => {
  const passwords = new Passwords();
  t.teardown(() => passwords.close());
  await passwords.hash('x');
  await Reflect.get(passwords, 'idle')[0].terminate();
  t.equal(await passwords.matches('x', NOBODY), false);
});

// Elsewhere threads have no priorities of their own.
if (process.platform === 'linux')
  t.test('bcrypt runs in threads that everything else goes before', async (t) => {
    const passwords = new Passwords();
    t.teardown(() => passwords.close());
    await passwords.hash('x');
    const stats = (await readdir('/proc/self/task')).map((thread) =>
      readFile(`/proc/self/task/${thread}/stat`, 'latin1').catch(() => ''),
    );
    // Fields are counted from behind the name, which may have spaces (proc_pid_stat(5)): nice is the 19th.
    const nices = (await Promise.all(stats)).map(
      (text) => text.slice(text.lastIndexOf(')') + 2).split(' ')[16],
    );
    t.ok(nices.includes('5'));
    t.ok(nices.includes('0'));
  });

t.test('a token that the reference minted with the same secret is accepted', async (t) => {
  const { user_id, username } = await signUp(server);
  const exp = now() + 3600;
  const { status, body } = await me(mint({ user_id, username, exp, iat: now() }));
  t.equal(status, 200);
  const token_expires_at = new Date(exp * 1000).toISOString();
  t.strictSame(body.data, { user_id, username, token_expires_at, muted_until: null });
});

t.test('a token that is not quite one is refused', async (t) => {
  const { user_id, username, token } = await signUp(server);
  const good = { user_id, username, exp: now() + 3600, iat: now() };
  const [head = '', , signature = ''] = token.split('.');
  const body = Buffer.from(JSON.stringify({ ...good, user_id: user_id + 1 })).toString('base64url');
  const without = (claim: keyof typeof good) => {
    const { [claim]: _, ...rest } = good;
    return rest;
  };
  const none = mint(good, { header: { alg: 'none', typ: 'JWT' } });
  for (const [what, bad] of Object.entries({
    'algorithm none, signed': none,
    'algorithm none, unsigned': none.slice(0, none.lastIndexOf('.') + 1),
    'algorithm NONE': mint(good, { header: { alg: 'NoNe', typ: 'JWT' } }),
    'another algorithm': mint(good, { header: { alg: 'HS512', typ: 'JWT' } }),
    'a public key algorithm': mint(good, { header: { alg: 'RS256', typ: 'JWT' } }),
    'no algorithm': mint(good, { header: { typ: 'JWT' } as unknown as { alg: string; typ: string } }),
    'another secret': mint(good, { secret: 'another secret' }),
    'an empty secret': mint(good, { secret: '' }),
    'changed claims': `${head}.${body}.${signature}`,
    'no signature': `${head}.${body}.`,
    expired: mint({ ...good, exp: now() - 1 }),
    'no end': mint(without('exp')),
    'no user_id': mint(without('user_id')),
    'no username': mint(without('username')),
    'user_id as text': mint({ ...good, user_id: String(user_id) }),
    'user_id 0': mint({ ...good, user_id: 0 }),
    'user_id beyond 2^53': mint({ ...good, user_id: 2 ** 60 }),
    'user_id and a half': mint({ ...good, user_id: user_id + 0.5 }),
    'exp as text': mint({ ...good, exp: String(good.exp) }),
    'an end past all dates': mint({ ...good, exp: 1e18 }),
    'claims that are a list': mint([good]),
    'claims that are null': mint(null as unknown as object),
    'no token': 'nonsense',
    'three dots': '...',
    'a long one': 'x'.repeat(8000),
  })) {
    const answer = await me(bad);
    t.equal(answer.status, 401, what);
    t.strictSame(answer.body, UNAUTHORIZED, what);
  }
});

t.test('without a bearer token, the token is missing', async (t) => {
  for (const authorization of [undefined, '', 'Bearer', 'Bearer ', 'Basic dTpw', 'Token x', 'Bearer a b']) {
    const { status, body } = await server.request('GET', '/api/me', {
      headers: authorization === undefined ? {} : { authorization },
    });
    t.equal(status, 401, authorization ?? 'no header');
    t.strictSame(body, { code: 401, message: 'missing token', error: 'missing_token' });
  }
});

t.test('the scheme of the header is read in any case', async (t) => {
  const { token } = await signUp(server);
  for (const scheme of ['bearer', 'BEARER'])
    t.equal(
      (await server.request('GET', '/api/me', { headers: { authorization: `${scheme} ${token}` } })).status,
      200,
    );
});

t.test('the token of a user who is gone is worth nothing', async (t) => {
  const { user_id, token } = await signUp(server);
  await sql`delete from users where user_id = ${user_id}`;
  for (const answer of [await me(token), await server.request('POST', '/api/token', { token })]) {
    t.equal(answer.status, 401);
    t.strictSame(answer.body, UNAUTHORIZED);
  }
});

t.test('a token is exchanged for a fresh one, with a body or without', async (t) => {
  const { user_id, username } = await signUp(server);
  const old = mint({ user_id, username, exp: now() + 60, iat: now() });
  for (const body of [undefined, {}, '']) {
    const answer = await server.request('POST', '/api/token', { token: old, body });
    t.equal(answer.status, 200);
    const fresh = claimsOf(answer.body.data.token);
    t.strictSame([fresh.user_id, fresh.username], [user_id, username]);
    t.equal(fresh.exp - fresh.iat, 24 * 3600);
  }
});

t.test('how long a token is valid is a setting', async (t) => {
  const beside = await build(t, { TOKEN_HOURS: '2' }, server);
  const { user_id, username } = await signUp(server);
  const shown = mint({ user_id, username, exp: now() + 60, iat: now() });
  const answer = await beside.request('POST', '/api/token', { token: shown });
  const claims = claimsOf(answer.body.data.token);
  t.equal(claims.exp - claims.iat, 7200);
});
