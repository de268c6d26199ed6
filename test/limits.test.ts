/** How often anybody may try, send and ask. The clock stands in these tests, unless they move it. */
import { hashSync } from '@node-rs/bcrypt';
import t, { type Test } from 'tap';
import { RATES } from '../schemas/limits.js';
import { addUser } from '../sql/users.js';
import {
  type Answer,
  build,
  connect,
  connectSynced,
  eventually,
  freshName,
  refusedUpgrade,
  type Server,
  signUp,
} from './helper.js';

t.setTimeout(240_000);

const FREE = RATES.accountFailures;
const FREE_OF_ADDRESS = RATES.addressFailures;
/** Of the password `right`, and of the lowest cost. */
const HASH = hashSync('the right one', 4);

const first = await build(t);

/** An instance with limits, in which no time goes by of itself. */
async function limited(t: Test, env: Record<string, string> = {}): Promise<Server> {
  const server = await build(t, { LIMITS: 'on', TRUSTED_PROXIES: '127.0.0.1', ...env }, first);
  const { clock } = server.app;
  clock.close();
  clock.now = Math.ceil(clock.now);
  return server;
}

async function makeUser(server: Server): Promise<string> {
  const name = freshName();
  await addUser(server.app.db.sql, name, HASH);
  return name;
}

/** What somebody at an address is answered at a door. */
const at =
  (path: string) =>
  (
    server: Server,
    address: string,
    username: string,
    password = 'a wrong one',
    headers = {},
  ): Promise<Answer> =>
    server.request('POST', path, {
      body: { username, password },
      headers: { 'x-forwarded-for': address, ...headers },
    });
const login = at('/login');
const register = at('/register');

/** An address that nobody had before. */
let addresses = 0;
const elsewhere = () => `10.0.${++addresses >> 8}.${addresses & 255}`;

function hasToWait(t: Test, answer: Answer, seconds: number, what = ''): void {
  t.equal(answer.status, 429, what);
  t.strictSame(
    answer.body,
    {
      code: 429,
      message: `too many tries, wait ${seconds} s`,
      error: 'too_many_requests',
      retry_after_ms: seconds * 1000,
    },
    what,
  );
  t.equal(answer.headers.get('retry-after'), String(seconds), what);
}

t.test(
  'after some failures of an account each further try waits twice as long, from everywhere',
  async (t) => {
    const server = await limited(t);
    const { clock, auth } = server.app;
    const name = await makeUser(server);
    for (let i = 0; i < FREE; i++) t.equal((await login(server, elsewhere(), name)).status, 401);
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      const { compared } = auth.passwords.counts;
      hasToWait(t, await login(server, elsewhere(), name), seconds);
      hasToWait(t, await login(server, elsewhere(), name, 'the right one'), seconds, 'a right password, too');
      t.equal(auth.passwords.counts.compared, compared, 'bcrypt is not asked');
      clock.now += seconds * 1000 - 500;
      t.equal((await login(server, elsewhere(), name)).body.retry_after_ms, 500);
      clock.now += 500;
      t.equal((await login(server, elsewhere(), name)).status, 401);
    }
    clock.now += 60_000;
    t.equal((await login(server, elsewhere(), name, 'the right one')).status, 200);
    const another = await makeUser(server);
    t.equal(
      (await login(server, elsewhere(), another, 'the right one')).status,
      200,
      'others are not concerned',
    );
    clock.now += RATES.failuresMs;
    for (let i = 0; i < FREE; i++) t.equal((await login(server, elsewhere(), name)).status, 401, 'forgotten');
  },
);

t.test(
  'a name counts as one in every case and form, and one that nobody has as if somebody had it',
  async (t) => {
    const server = await limited(t);
    for (const name of [await makeUser(server), freshName('nobody')]) {
      const forms = [name, name.toUpperCase(), ` ${name} `, name.replace('u', 'ｕ'), `${name}\u200b`];
      for (let i = 0; i < FREE; i++)
        t.equal((await login(server, elsewhere(), forms[i % forms.length] ?? '')).status, 401);
      for (const form of forms) hasToWait(t, await login(server, elsewhere(), form), 1, form);
    }
  },
);

t.test('of guesses that are made at once no more are let in than one after the other', async (t) => {
  const server = await limited(t);
  const name = await makeUser(server);
  const answers = await Promise.all(Array.from({ length: 30 }, () => login(server, elsewhere(), name)));
  t.equal(answers.filter(({ status }) => status === 401).length, FREE);
  t.equal(answers.filter(({ status }) => status === 429).length, 30 - FREE);
});

t.test(
  'after some failures of an address it has to wait, whatever the account, and no other does',
  async (t) => {
    const server = await limited(t);
    const guesser = elsewhere();
    for (let i = 0; i < FREE_OF_ADDRESS; i++)
      t.equal((await login(server, guesser, await makeUser(server))).status, 401);
    const name = await makeUser(server);
    hasToWait(t, await login(server, guesser, name, 'the right one'), 1);
    t.equal((await login(server, elsewhere(), name, 'the right one')).status, 200);
    server.app.clock.now += 1000;
    const together = await Promise.all(Array.from({ length: 5 }, () => login(server, guesser, freshName())));
    t.strictSame(together.map(({ status }) => status).sort(), [401, 429, 429, 429, 429], 'one for each wait');
  },
);

t.test('who has one address of IPv6 has its network, and a mapped address is the one of IPv4', async (t) => {
  const server = await limited(t, { ADDRESS_FAILURES: '2' });
  const n = () => Math.ceil(Math.random() * 0xffff).toString(16);
  for (let i = 0; i < 2; i++)
    t.equal((await login(server, `2001:db8:1:2:${n()}::${n()}`, await makeUser(server))).status, 401);
  hasToWait(t, await login(server, `2001:db8:1:2::${n()}`, await makeUser(server)), 1);
  t.equal((await login(server, `2001:db8:1:3::${n()}`, await makeUser(server))).status, 401);
  for (const address of ['::ffff:192.0.2.1', '192.0.2.1'])
    t.equal((await login(server, address, await makeUser(server))).status, 401);
  hasToWait(t, await login(server, '::ffff:c000:201', await makeUser(server)), 1);
});

t.test('what a proxy says that is no address counts as one, and harms nobody', async (t) => {
  const server = await limited(t, { ADDRESS_FAILURES: '1' });
  for (const bad of [
    'unknown',
    'x'.repeat(4000),
    '1.2.3.4:5678',
    'fe80::1%eth0',
    '[::1]',
    '999.1.1.1',
    '::1::',
  ]) {
    t.equal((await login(server, bad, await makeUser(server))).status, 401, bad);
    t.equal((await login(server, bad, await makeUser(server))).status, 429, bad);
  }
});

t.test('an address is believed from a trusted proxy only', async (t) => {
  const server = await limited(t, { TRUSTED_PROXIES: '', ADDRESS_FAILURES: '3' });
  for (let i = 0; i < 3; i++) t.equal((await login(server, elsewhere(), await makeUser(server))).status, 401);
  hasToWait(t, await login(server, elsewhere(), await makeUser(server)), 1);
});

t.test('an office that comes to work at one hour signs in from its one address', async (t) => {
  const server = await limited(t);
  const office = elsewhere();
  const names = await Promise.all(Array.from({ length: 30 }, () => makeUser(server)));
  for (let i = 0; i < 2; i++) {
    const answers = await Promise.all(names.map((name) => login(server, office, name, 'the right one')));
    t.strictSame([...new Set(answers.map(({ status }) => status))], [200]);
  }
});

t.test('registrations count for their address, and for a name where it is taken', async (t) => {
  const server = await limited(t, { ADDRESS_FAILURES: '4' });
  const flood = elsewhere();
  for (let i = 0; i < 4; i++) t.equal((await register(server, flood, freshName())).status, 200);
  const { hashed } = server.app.auth.passwords.counts;
  hasToWait(t, await register(server, flood, freshName()), 1);
  t.equal(server.app.auth.passwords.counts.hashed, hashed, 'bcrypt is not asked');
  t.equal((await register(server, elsewhere(), freshName())).status, 200);
  const name = await makeUser(server);
  t.equal(
    (await login(server, flood, name, 'the right one')).status,
    200,
    'who is there already can come in',
  );
  for (let i = 0; i < FREE; i++) t.equal((await register(server, elsewhere(), name)).status, 409);
  hasToWait(t, await register(server, elsewhere(), name), 1);
  t.equal((await login(server, elsewhere(), name, 'the right one')).status, 200, 'that keeps nobody out');
});

t.test('what is refused before bcrypt is asked counts as no try', async (t) => {
  const server = await limited(t, { ACCOUNT_FAILURES: '1', ADDRESS_FAILURES: '1' });
  const address = elsewhere();
  for (let i = 0; i < 5; i++) {
    t.equal((await login(server, address, ' ')).status, 400);
    t.equal((await register(server, address, '\u200b')).status, 400);
  }
  t.equal((await login(server, address, await makeUser(server))).status, 401);
  t.equal((await register(server, address, freshName())).status, 200);
});

/** Somebody who has signed in, on a device of their own. */
async function onDevice(server: Server, name: string) {
  const body = { username: name, password: 'the right one', stay_signed_in: true };
  const headers = { 'x-forwarded-for': elsewhere() };
  const answer = await server.request('POST', '/login', { body, headers });
  const [cookie = ''] = (answer.headers.get('set-cookie') ?? '').split(';');
  const token: string = answer.body.data.token;
  return { cookie, token };
}

t.test('whoever shows a device of the account passes, whatever strangers do', async (t) => {
  const server = await limited(t);
  const name = await makeUser(server);
  const [own, ended] = [await onDevice(server, name), await onDevice(server, name)];
  const other = await onDevice(server, await makeUser(server));
  t.equal((await server.request('POST', '/api/logout', { token: ended.token })).status, 200);
  const stranger = elsewhere();
  for (let i = 0; i < FREE; i++) t.equal((await login(server, stranger, name)).status, 401);
  for (let i = FREE; i < FREE_OF_ADDRESS; i++)
    t.equal((await login(server, stranger, await makeUser(server))).status, 401);
  const madeUp = own.cookie.replace(/=.{5}/, '=AAAAA');
  const { compared } = server.app.auth.passwords.counts;
  for (const cookie of ['x', '', madeUp, `${own.cookie.slice(0, -5)}AAAAA`, ended.cookie, other.cookie])
    hasToWait(t, await login(server, stranger, name, 'the right one', { cookie }), 1, cookie);
  t.equal(server.app.auth.passwords.counts.compared, compared, 'bcrypt is not asked');
  t.equal((await login(server, stranger, name, 'the right one', { cookie: own.cookie })).status, 200);
  for (let i = 0; i < FREE; i++)
    t.equal((await login(server, elsewhere(), name, 'a wrong one', { cookie: own.cookie })).status, 401);
  hasToWait(
    t,
    await login(server, elsewhere(), name, 'a wrong one', { cookie: own.cookie }),
    1,
    'a stolen device guesses no faster',
  );
});

t.test('an address that an account has signed in from is no pass: others are behind it, too', async (t) => {
  const server = await limited(t);
  const [name, office] = [await makeUser(server), elsewhere()];
  t.equal((await login(server, office, name, 'the right one')).status, 200);
  for (let i = 0; i < FREE; i++) t.equal((await login(server, elsewhere(), name)).status, 401);
  hasToWait(t, await login(server, office, name), 1);
});

t.test('the password of a stolen token is guessed no faster, and its owner can change it', async (t) => {
  const server = await limited(t);
  const name = await makeUser(server);
  const own = await onDevice(server, name);
  const [thief, another] = [await onDevice(server, name), await onDevice(server, await makeUser(server))];
  const change = ({ token }: { token: string }, old_password: string, headers = {}) =>
    server.request('POST', '/api/password', {
      token,
      body: { old_password, new_password: 'the right one' },
      headers: { 'x-forwarded-for': elsewhere(), ...headers },
    });
  const together = await Promise.all(Array.from({ length: FREE + 5 }, () => change(thief, 'a wrong one')));
  t.equal(together.filter(({ status }) => status === 403).length, FREE);
  t.equal(together.filter(({ status }) => status === 429).length, 5);
  hasToWait(t, await change(thief, 'the right one'), 1);
  t.equal((await change(another, 'the right one')).status, 200, 'others are not concerned');
  t.equal((await change(own, 'the right one', { cookie: own.cookie })).status, 200);
});

t.test('nobody keeps a device from its tokens, nor a user from ending a session', async (t) => {
  const server = await limited(t);
  const name = await makeUser(server);
  const [own, thief] = [await onDevice(server, name), await onDevice(server, name)];
  const most = (RATES.questions * RATES.burstMs) / 1000;
  const exchange = (cookie: string) =>
    server.request('POST', '/api/exchange', { headers: { origin: server.url, cookie } });
  for (let i = 0; i < most; i++) t.equal((await exchange(thief.cookie)).status, 200);
  t.match(await exchange(thief.cookie), { status: 429, body: { error: 'too_many_requests' } });
  const madeUp = `${own.cookie.slice(0, -10)}AAAAAAAAAA`;
  for (let i = 0; i < most; i++) t.equal((await exchange(madeUp)).status, 401);
  t.equal((await exchange(madeUp)).status, 429);
  t.equal((await exchange(own.cookie)).status, 200);
  for (let i = 0; i < most; i++)
    t.equal((await server.request('GET', '/api/me', { token: thief.token })).status, 200);
  t.equal((await server.request('GET', '/api/sessions', { token: own.token })).status, 429);
  t.equal((await server.request('DELETE', '/api/sessions', { token: own.token })).status, 200);
  t.equal((await server.request('GET', '/api/me', { token: thief.token })).status, 401);
});

t.test('instances tell each other of failures', async (t) => {
  const [one, two] = [await limited(t), await limited(t)];
  const name = await makeUser(one);
  const address = elsewhere();
  for (let i = 0; i < FREE; i++) t.equal((await login(one, elsewhere(), name)).status, 401);
  await eventually(
    async () => (await login(two, elsewhere(), name, 'the right one')).status === 429,
    'an account is let in',
  );
  for (let i = 0; i < FREE_OF_ADDRESS; i++)
    t.equal((await login(one, address, await makeUser(one))).status, 401);
  await eventually(async () => (await login(two, address, name)).status === 429, 'an address is let in');
  t.equal((await login(two, elsewhere(), await makeUser(one), 'the right one')).status, 200);
});

t.test('where limits are off nobody waits', async (t) => {
  const server = await limited(t, { LIMITS: 'off', ACCOUNT_FAILURES: '1', SENDS_PER_SECOND: '1' });
  const name = await makeUser(server);
  for (let i = 0; i < 10; i++) t.equal((await login(server, '192.0.2.7', name)).status, 401);
  t.equal((await login(server, '192.0.2.7', name, 'the right one')).status, 200);
  const user = await signUp(server);
  const client = await connectSynced(t, server, user);
  for (let i = 0; i < 30; i++) client.send('chat', { to_user_id: user.user_id, content: 'x' });
  await client.until(() => client.of('sent').length === 30, 'not all are stored');
});

// ---- what is sent and asked ----

/** Sends until one is refused, and gives how many weren't. */
async function sendMany(server: Server, token: string, to: number, content: string, most: number) {
  const send = () => server.request('POST', '/api/messages', { token, body: { to_user_id: to, content } });
  for (let sent = 0; sent < most; sent++) {
    const answer = await send();
    if (answer.status !== 200) return { sent, answer };
  }
  return { sent: most, answer: await send() };
}

t.test(
  '[L1] a user sends so many messages at once, over all doors together, and is told when to go on',
  async (t) => {
    const server = await limited(t, { SENDS_PER_SECOND: '3' });
    const [alice, bob] = [await signUp(server), await signUp(server)];
    const extended = await connectSynced(t, server, alice);
    const plain = await connect(t, server, alice);
    const reader = await connect(t, server, bob);
    const chat = { to_user_id: bob.user_id, content: 'x' };
    for (let i = 0; i < 10; i++) extended.send('chat', { ...chat, id: `e${i}` });
    await extended.barrier();
    for (let i = 0; i < 10; i++) plain.send('chat', chat);
    await plain.barrier();
    const { sent, answer } = await sendMany(server, alice.token, bob.user_id, 'x', 10);
    t.equal(sent, 10);
    const wait = Math.ceil(1000 / 3) + 100;
    t.strictSame(answer.body, {
      code: 429,
      message: 'too many messages, wait 1 s',
      error: 'too_many_requests',
      retry_after_ms: wait,
    });
    t.equal(answer.headers.get('retry-after'), '1');
    extended.send('chat', { ...chat, id: 'more' });
    t.strictSame(await extended.next('error'), {
      type: 'error',
      id: 'more',
      code: 'too_many_requests',
      content: 'too many messages, wait 1 s',
      retryable: true,
      retry_after_ms: wait,
    });
    plain.send('chat', chat);
    t.strictSame(await plain.next('error'), { type: 'error', content: 'too many messages, wait 1 s' });
    const another = await signUp(server);
    t.equal((await sendMany(server, another.token, bob.user_id, 'y', 1)).sent, 1, 'others may');
    server.app.clock.now += wait;
    extended.send('chat', { ...chat, id: 'more' });
    t.match(
      await extended.until(() => extended.of('sent').some(({ id }) => id === 'more'), 'not stored'),
      undefined,
    );
    await reader.until(() => reader.of('chat').length === 33, 'not all came');
    await reader.barrier();
    t.equal(reader.of('chat').length, 33, 'what was refused is not stored: 31 of hers, 2 of the other');
  },
);

t.test('[L1] so many bytes, too', async (t) => {
  const server = await limited(t, { SENDS_PER_SECOND: '10000' });
  const user = await signUp(server);
  const bytes = 16_000;
  const room = Math.floor((RATES.sendBytes * RATES.burstMs) / 1000 / bytes);
  const { sent, answer } = await sendMany(server, user.token, user.user_id, '好'.repeat(bytes / 3), room + 1);
  t.equal(sent, Math.floor((RATES.sendBytes * RATES.burstMs) / 1000 / (3 * Math.floor(bytes / 3))));
  t.equal(answer.status, 429);
  t.ok(answer.body.retry_after_ms > 100 && answer.body.retry_after_ms < 200);
});

t.test(
  '[L2] a user asks so much at once over HTTP and by opening connections, and is told when to go on',
  async (t) => {
    const server = await limited(t);
    const [user, other] = [await signUp(server), await signUp(server)];
    const paths = [
      '/api/users?query=x',
      '/api/users',
      '/api/conversations',
      '/api/me',
      `/api/users/${user.user_id}`,
    ];
    const most = (RATES.questions * RATES.burstMs) / 1000;
    const ask = (path: string, { token } = user) => server.request('GET', path, { token });
    for (let i = 0; i < most; i++) t.equal((await ask(paths[i % paths.length] ?? '')).status, 200);
    const wait = 1000 / RATES.questions + 100;
    for (const path of [...paths, '/api/conversations/1/messages']) {
      const { status, headers, body } = await ask(path);
      t.equal(status, 429, path);
      t.strictSame(body, {
        code: 429,
        message: 'too many requests, wait 1 s',
        error: 'too_many_requests',
        retry_after_ms: wait,
      });
      t.equal(headers.get('retry-after'), '1');
    }
    const refused = await refusedUpgrade(server, '/ws', { authorization: `Bearer ${user.token}` });
    t.match(refused, { status: 429, body: { error: 'too_many_requests', retry_after_ms: wait } });
    t.equal((await ask('/api/me', other)).status, 200);
    t.equal((await sendMany(server, user.token, other.user_id, 'x', 1)).sent, 1, 'sending is apart');
    server.app.clock.now += wait;
    t.equal((await ask('/api/me')).status, 200);
  },
);

t.test('[L3] a connection whose frames come too fast is read more slowly, and loses none', async (t) => {
  const server = await build(t, { LIMITS: 'on' }, first);
  const client = await connectSynced(t, server, await signUp(server));
  const { frames, burstMs } = RATES;
  const most = (frames * burstMs) / 1000;
  const tooMany = frames;
  const start = performance.now();
  for (let i = 0; i < most + tooMany; i++) client.send('ping', { id: `p${i}` });
  await client.until(() => client.of('pong').length === most + tooMany, 'some are not answered');
  t.ok(performance.now() - start > (tooMany / frames) * 900, 'at their rate');
  t.strictSame(
    client.of('pong').map(({ id }) => id),
    Array.from({ length: most + tooMany }, (_, i) => `p${i}`),
  );
});

t.test('what was refused is counted for the operator', async (t) => {
  const server = await limited(t, { ACCOUNT_FAILURES: '1', SENDS_PER_SECOND: '1' });
  const name = await makeUser(server);
  for (let i = 0; i < 4; i++) await login(server, elsewhere(), name);
  const user = await signUp(server);
  await sendMany(server, user.token, user.user_id, 'x', 11);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  t.match(metrics, /^chat_limited_tries_total 3$/m);
  t.match(metrics, /^chat_limited_sends_total 1$/m);
  t.match(metrics, /^chat_limited_questions_total 0$/m);
});
