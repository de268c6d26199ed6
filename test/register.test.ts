import t from 'tap';
import { findByName } from '../sql/users.js';
import { build, freshName } from './helper.js';

const server = await build(t);
const register = (username: unknown, password: unknown = 'correct horse') =>
  server.request('POST', '/register', { body: { username, password } });

t.test('a new name gets an id, in the envelope', async (t) => {
  const { status, body } = await register(freshName());
  t.equal(status, 200);
  t.strictSame(body, { code: 0, message: 'ok', data: { user_id: body.data.user_id } });
  t.ok(Number.isSafeInteger(body.data.user_id) && body.data.user_id > 0);
});

t.test('a name and a password are trimmed', async (t) => {
  const name = freshName();
  t.equal((await register(` \t${name}\n`, '  secret ')).status, 200);
  const { status, body } = await server.request('POST', '/login', {
    body: { username: name, password: 'secret' },
  });
  t.equal(status, 200);
  t.equal(body.data.username, name);
});

t.test('a missing name or password is said with the sentence of the reference', async (t) => {
  const nothing = [undefined, null, '', ' \n\t '];
  for (const username of nothing) {
    t.strictSame((await register(username)).body, {
      code: 400,
      message: 'username is required',
      error: 'username_required',
    });
  }
  for (const password of nothing) {
    const body = { username: freshName(), ...(password !== undefined && { password }) };
    t.strictSame((await server.request('POST', '/register', { body })).body, {
      code: 400,
      message: 'password is required',
      error: 'password_required',
    });
  }
  t.equal((await server.request('POST', '/register', { body: {} })).body.error, 'username_required');
});

t.test('unknown fields are ignored', async (t) => {
  const body = { username: freshName(), password: 'secret', user_id: 'x', admin: true };
  t.equal((await server.request('POST', '/register', { body })).status, 200);
});

t.test('a field of the wrong type is refused, and never converted', async (t) => {
  for (const wrong of [5, 0, true, false, [], ['name'], {}, { $ne: null }]) {
    for (const { status, body } of [await register(wrong), await register(freshName(), wrong)]) {
      t.equal(status, 400, JSON.stringify(wrong));
      t.equal(body.error, 'bad_request');
    }
  }
});

t.test('a name has up to 64 code points, however many units they take', async (t) => {
  const rest = freshName('').slice(-8);
  const longest = rest + '🦊'.repeat(64 - rest.length);
  t.equal((await register(longest)).status, 200);
  const { status, body } = await register(`${longest}🦊`);
  t.equal(status, 400);
  t.equal(body.error, 'username_invalid');
  t.match(body.message, '64');
});

t.test('a name is stored in NFC', async (t) => {
  const name = freshName('Zoë');
  t.equal((await register(name.normalize('NFD'), 'secret')).status, 200);
  const stored = await findByName(server.app.db.sql, name);
  t.equal(stored?.username, name.normalize('NFC'));
});

t.test('names of other scripts and emoji are welcome', async (t) => {
  for (const name of [
    'Ольга',
    '王小明',
    'محمد',
    'नमस्ते',
    '👩‍👩‍👧',
    '🏳️‍🌈',
    'Đặng Văn',
    "O'Brien; --",
    '%_\\',
    '"><b>',
  ])
    t.equal((await register(freshName(name))).status, 200, name);
});

t.test('a name that is taken is a conflict', async (t) => {
  const name = freshName();
  t.equal((await register(name)).status, 200);
  const { status, body } = await register(name);
  t.equal(status, 409);
  t.strictSame(body, { code: 409, message: 'username is already taken', error: 'username_taken' });
});

t.test('two names that differ only by case or Unicode form cannot both be registered', async (t) => {
  for (const [first, second] of [
    ['straße', 'STRASSE'],
    ['ΣΊΣΥΦΟΣ', 'σίσυφος'],
    ['Łukasz', 'łUKASZ'],
    ['café', 'cafe\u0301'],
    ['file', 'ﬁle'],
    ['fox', 'ＦＯＸ'],
    ['zero', 'ze\u200bro'],
  ] as const) {
    const tail = freshName('');
    t.equal((await register(first + tail)).status, 200, first);
    t.equal((await register(second + tail)).body.error, 'username_taken', second);
  }
});

t.test('a name with control characters, or that turns the reading direction, is refused', async (t) => {
  for (const bad of [
    '\0',
    '\u0007',
    '\u001b[31m',
    '\n',
    '\u007f',
    '\u0085',
    '\u202e',
    '\u2066',
    '\ud800',
    '\udfff',
  ]) {
    const { status, body } = await register(`a${bad}b`);
    t.equal(status, 400, JSON.stringify(bad));
    t.equal(body.error, 'username_invalid');
  }
});

t.test('a name of nothing to be seen is refused', async (t) => {
  for (const bad of [
    '\u200b',
    '\u200d\u200d',
    '\u3164',
    '\u2800',
    '\u00ad',
    '\u2060',
    '\u{e0041}',
    '\ufe0f',
    '\u115f',
  ]) {
    const { status, body } = await register(bad);
    t.equal(status, 400, JSON.stringify(bad));
    t.equal(body.error, 'username_invalid');
  }
});

t.test('a password has up to 72 bytes, and none is cut', async (t) => {
  const longest = 'é'.repeat(36);
  const name = freshName();
  t.equal((await register(name, longest)).status, 200);
  t.equal((await register(freshName(), 'a'.repeat(72))).status, 200);
  for (const long of [`${longest}a`, 'a'.repeat(73), 'é'.repeat(37), '🦊'.repeat(19)]) {
    const { status, body } = await register(freshName(), long);
    t.equal(status, 400);
    t.equal(body.error, 'password_too_long');
    t.match(body.message, '72');
    t.equal(
      (await server.request('POST', '/login', { body: { username: name, password: long } })).status,
      401,
    );
  }
  t.equal(
    (await server.request('POST', '/login', { body: { username: name, password: longest } })).status,
    200,
  );
});

t.test('a password with NUL or half a surrogate pair is refused', async (t) => {
  for (const bad of ['a\0b', '\ud800', 'a\udc00']) {
    const { status, body } = await register(freshName(), bad);
    t.equal(status, 400);
    t.equal(body.error, 'password_invalid');
  }
});

t.test('a password is kept as a bcrypt hash of cost 10', async (t) => {
  const name = freshName();
  await register(name, 'secret');
  t.match((await findByName(server.app.db.sql, name))?.password, /^\$2[aby]\$10\$[./A-Za-z0-9]{53}$/);
});

t.test('of two that register the same name at once, one gets it', async (t) => {
  const name = freshName();
  const answers = await Promise.all([register(name), register(name.toUpperCase()), register(name)]);
  t.strictSame(answers.map((answer) => answer.status).sort(), [200, 409, 409]);
});
