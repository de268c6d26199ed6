/** A second factor beside the password. */
import { generate } from 'lean-qr';
import { toSvgPath } from 'lean-qr/extras/svg';
import { Secret, TOTP, URI } from 'otpauth';
import t from 'tap';
import { build, connect, freshName, refusedUpgrade, type Server, type User } from './helper.js';

const server = await build(t);
const strict = await build(t, { SECOND_FACTOR: 'required', INSTANCE_ID: 'strict' }, server);
/** The time for both, in milliseconds since 1970. */
let time = Date.UTC(2026, 0, 1);
for (const { app } of [server, strict]) app.factor.now = () => time;
const PASSWORD = 'a password';

/** The code of a time step, counted from now. */
const codeOf = (secret: string, steps = 0) =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: time + steps * 30_000 });

async function signIn(username: string, more: object = {}, on = server) {
  const { status, body } = await on.request('POST', '/login', {
    body: { username, password: PASSWORD, ...more },
  });
  return { status, error: body.error, ...body.data };
}

async function somebody(on = server): Promise<User> {
  const username = freshName();
  await server.request('POST', '/register', { body: { username, password: PASSWORD } });
  const { user_id, token } = await signIn(username, {}, on);
  return { username, user_id, token };
}

const offer = async (on: Server, token: string) =>
  (await on.request('POST', '/api/second-factor/secret', { token })).body.data;
async function set(on: Server, token: string, more: object = {}) {
  const { secret } = await offer(on, token);
  const { status, body } = await on.request('PUT', '/api/second-factor', {
    token,
    body: { password: PASSWORD, secret, code: codeOf(secret), ...more },
  });
  return { status, error: body.error, secret, codes: body.data?.recovery_codes };
}
const state = async (token: string) =>
  (await server.request('GET', '/api/second-factor', { token })).body.data;
const end = async (token: string, code: string, password = PASSWORD) => {
  const { status, body } = await server.request('DELETE', '/api/second-factor', {
    token,
    body: { password, code },
  });
  return [status, body.error];
};

t.test('an offer is what authenticators read, as text and as a picture', async (t) => {
  const { username, token } = await somebody();
  const [one, other] = [await offer(server, token), await offer(server, token)];
  t.not(one.secret, other.secret);
  const read = URI.parse(one.uri);
  t.match(read, { label: username, issuer: '127.0.0.1', digits: 6, period: 30, algorithm: 'SHA1' });
  t.equal(read.secret.base32, one.secret);
  const picture = generate(one.uri);
  t.strictSame(one.qr, { path: toSvgPath(picture), size: picture.size });
  t.strictSame(await state(token), { enabled: false, recovery_codes: 0 }, 'and nothing is kept of it');
});

t.test('with a second factor the password alone opens nothing, and each code is good once', async (t) => {
  const { username, token } = await somebody();
  const { status, secret, codes } = await set(server, token);
  t.equal(status, 200);
  t.equal(new Set(codes).size, 10);
  for (const code of codes) t.match(code, /^[A-Z2-7]{4}(-[A-Z2-7]{4}){3}$/);
  t.strictSame(await state(token), { enabled: true, recovery_codes: 10 });

  t.match(await signIn(username), { status: 403, error: 'code_needed' });
  t.match(await signIn(username, { code: '  ' }), { status: 403, error: 'code_needed' });
  t.match(await signIn(username, { code: codeOf(secret) }), { status: 403, error: 'code_wrong' });
  for (const code of [codeOf(secret, 2), codeOf(secret, -2), '12345', 'ABCD-EFGH-IJKL-MNOP'])
    t.match(await signIn(username, { code }), { status: 403, error: 'code_wrong' }, code);
  const wrong = await signIn(username, { code: codeOf(secret, 1), password: 'another' });
  t.match(wrong, { status: 401, error: 'unauthorized' }, 'of the code nothing is said without the password');
  const code = codeOf(secret, 1);
  t.match(await signIn(username, { code: `${code.slice(0, 3)} ${code.slice(3)}` }), { status: 200 });
  t.match(await signIn(username, { code }), { status: 403, error: 'code_wrong' }, 'it was used');
  time += 60_000;
  const late = codeOf(secret, -1);
  t.match(await signIn(username, { code: codeOf(secret) }), { status: 200 });
  t.match(await signIn(username, { code: late }), { status: 403, error: 'code_wrong' }, 'a later one was');
});

t.test('of two who show the same code at once one comes in', async (t) => {
  const { username, token } = await somebody();
  const { secret, codes } = await set(server, token);
  for (const code of [codeOf(secret, 1), codes[0]]) {
    const answers = await Promise.all(Array.from({ length: 4 }, () => signIn(username, { code })));
    t.strictSame(answers.map(({ status }) => status).sort(), [200, 403, 403, 403]);
  }
});

t.test('a recovery code stands for a code, however it is typed, once', async (t) => {
  const { username, token } = await somebody();
  const { codes } = await set(server, token);
  const code = codes[3].toLowerCase().replaceAll('-', ' ');
  t.match(await signIn(username, { code }), { status: 200 });
  t.match(await signIn(username, { code }), { status: 403, error: 'code_wrong' });
  t.strictSame(await state(token), { enabled: true, recovery_codes: 9 });
  const other = await somebody();
  await set(server, other.token);
  const another = await signIn(other.username, { code: codes[4] });
  t.match(another, { status: 403, error: 'code_wrong' }, 'nobody else comes in by it');
});

t.test('it is set up and ended by who knows the password and has the device', async (t) => {
  const { username, token } = await somebody();
  t.match(await set(server, token, { password: 'another' }), { status: 403, error: 'wrong_password' });
  t.match(await set(server, token, { code: '000000' }), { status: 403, error: 'code_wrong' });
  t.strictSame(await state(token), { enabled: false, recovery_codes: 0 });
  const { secret, codes } = await set(server, token);
  t.match(await set(server, token), { status: 409, error: 'factor_exists' });
  t.strictSame(await end(token, codeOf(secret, 1), 'another'), [403, 'wrong_password']);
  t.strictSame(await end(token, codeOf(secret, 5)), [403, 'code_wrong']);
  t.strictSame(await end(token, codes[0]), [200, undefined]);
  t.strictSame(await state(token), { enabled: false, recovery_codes: 0 });
  t.match(await signIn(username), { status: 200 });
  t.equal((await set(server, token)).status, 200, 'and it may be set up anew');
});

t.test('an admin ends it for who has lost everything', async (t) => {
  const { username, user_id, token } = await somebody();
  await set(server, token);
  await server.app.accounts.change('end_second_factor', user_id, undefined);
  t.strictSame(await state(token), { enabled: false, recovery_codes: 0 });
  t.match(await signIn(username), { status: 200 });
});

t.test('where it is required, a token is good for setting it up, and then for everything', async (t) => {
  const user = await somebody(strict);
  const { second_factor_needed } = await signIn(user.username, {}, strict);
  t.equal(second_factor_needed, true);
  t.equal((await signIn(user.username)).second_factor_needed, undefined);
  const list = async () => {
    const { status, body } = await strict.request('GET', '/api/conversations', { token: user.token });
    return [status, body.error];
  };
  t.strictSame(await list(), [403, 'second_factor_needed']);
  const upgrade = await refusedUpgrade(strict, `/ws?token=${user.token}`);
  t.strictSame([upgrade.status, upgrade.body.error], [403, 'second_factor_needed']);
  t.equal((await strict.request('GET', '/api/me', { token: user.token })).status, 200);
  const { secret, codes } = await set(strict, user.token);
  t.strictSame(await list(), [200, undefined]);
  const again = await signIn(user.username, { code: codeOf(secret, 1) }, strict);
  t.match(again, { status: 200, second_factor_needed: undefined });
  // Who ends it stands before the door again, with all sockets.
  const client = await connect(t, strict, user);
  t.strictSame(await end(user.token, codes[0]), [200, undefined]);
  t.match(await client.closed, { code: 4001 });
  t.strictSame(await list(), [403, 'second_factor_needed']);
});

t.test('who has shown a cookie hears that a second factor is needed', async (t) => {
  const user = await somebody();
  const body = { username: user.username, password: PASSWORD, stay_signed_in: true };
  const { headers } = await strict.request('POST', '/login', { body });
  const cookie = (headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  const answer = await strict.request('POST', '/api/exchange', {
    headers: { cookie, origin: strict.url },
  });
  t.match(answer.body.data, { user_id: user.user_id, second_factor_needed: true });
});

t.test('what is no secret or code is refused', async (t) => {
  const { token } = await somebody();
  const { secret } = await offer(server, token);
  const good = { password: PASSWORD, secret, code: '123456' };
  for (const bad of [
    { ...good, secret: 'A'.repeat(31) },
    { ...good, secret: 'A'.repeat(129) },
    { ...good, secret: `${secret}1` },
    { ...good, secret: secret.toLowerCase() },
    { ...good, code: '' },
    { ...good, code: '1'.repeat(65) },
    { ...good, code: 123_456 },
    { secret, code: '123456' },
  ]) {
    const { status, body } = await server.request('PUT', '/api/second-factor', { token, body: bad });
    t.strictSame([status, body.error], [400, 'bad_request'], JSON.stringify(bad));
  }
  for (const [method, path] of [
    ['GET', '/api/second-factor'],
    ['PUT', '/api/second-factor'],
    ['DELETE', '/api/second-factor'],
    ['POST', '/api/second-factor/secret'],
  ] as const)
    t.equal((await server.request(method, path, {})).status, 401, `${method} ${path}`);
});
