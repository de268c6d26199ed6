import { hash } from '@node-rs/bcrypt';
import t from 'tap';
import { addUser, findByName } from '../sql/users.js';
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

const login = (username: string, password: string) =>
  server.request('POST', '/login', { body: { username, password } });

t.test('a name is trimmed, and a password is not', async (t) => {
  const name = freshName();
  t.equal((await register(` \t${name}\n`, '  secret ')).status, 200);
  const { status, body } = await login(name, '  secret ');
  t.strictSame([status, body.data.username], [200, name]);
  t.equal((await login(name, 'secret')).status, 401);
});

t.test('a password that a version before trimmed and left as it was composed still fits', async (t) => {
  for (const [stored, fitting, other] of [
    ['secret', ['secret', ' secret\n'], 'secret s'],
    // As some keyboards compose an umlaut.
    ['Scho\u0308n', ['Scho\u0308n', ' Scho\u0308n'], 'Schon'],
  ] as const) {
    const name = freshName();
    await addUser(
      server.app.db.sql,
      name,
      await hash(stored, 4).then((it) => it.replace(/^\$2[aby]/, '$2a')),
    );
    for (const typed of fitting) t.equal((await login(name, typed)).status, 200, JSON.stringify(typed));
    t.equal((await login(name, other)).status, 401);
  }
});

t.test('a password is the same however its letters and spaces are composed', async (t) => {
  const name = freshName();
  t.equal((await register(name, 'scho\u0308ne Gru\u0308ße')).status, 200);
  for (const typed of ['schöne Grüße', 'scho\u0308ne Gru\u0308ße', 'schöne\u00a0Grüße', 'schöne\u3000Grüße'])
    t.equal((await login(name, typed)).status, 200, JSON.stringify(typed));
  for (const typed of ['schoene Gruesse', 'schöneGrüße', 'ｓchöne Grüße'])
    t.equal((await login(name, typed)).status, 401, JSON.stringify(typed));
});

t.test('a password has as many characters as the settings say, however many units they take', async (t) => {
  const strict = await build(t, { PASSWORD_MIN: '8' }, server);
  const tries = [
    [server, '12345', false],
    [server, '🦊🦊🦊🦊🦊', false],
    [server, '🦊🦊🦊🦊🦊🦊', true],
    [strict, '1234567', false],
    [strict, '12345678', true],
  ] as const;
  for (const [at, password, fits] of tries) {
    const { body } = await at.request('POST', '/register', { body: { username: freshName(), password } });
    t.equal(body.error, fits ? undefined : 'password_too_short', password);
    if (!fits) t.match(body.message, at === strict ? '8' : '6');
  }
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

t.test('a name that looks like one that is there is refused', async (t) => {
  for (const [first, ...others] of [
    // Whole in another script, a letter for another one, a digit, two letters, a wide space.
    ['paypa', 'раура'],
    ['Alice', 'AIice', 'A1ice', 'Al\u2170ce'],
    ['Mary', 'rnary', 'RNARY'],
    ['Zero Cool', 'Zer0 Cool', 'Zero  Cool', 'Zero\u00a0Cool'],
    ['ΡΟΜΑ', 'POMA'],
  ] as const) {
    t.equal((await register(first)).status, 200, first);
    for (const other of others) {
      const { status, body } = await register(other);
      t.equal(status, 409, other);
      t.ok(['username_confusable', 'username_taken'].includes(body.error), `${other}: ${body.error}`);
    }
  }
  t.equal((await register('раура')).body.error, 'username_confusable');
  t.equal((await register('Malice')).status, 200, 'another letter before it is another name');
});

t.test('of two names that look alike and come at once, one is registered', async (t) => {
  const answers = await Promise.all(['scope', 'ѕсоре', 'SCOPE'].map((name) => register(name)));
  t.strictSame(answers.map(({ status }) => status).sort(), [200, 409, 409]);
});

t.test('a name that mixes scripts which look alike is refused', async (t) => {
  for (const mixed of ['pаypal', 'Αlice', 'Иvan', 'Ivan Иван', 'αβв', 'ᎪᏞlice', 'Ꭺlice']) {
    const { status, body } = await register(mixed);
    t.strictSame([status, body.error], [400, 'username_mixed'], mixed);
  }
  for (const fine of [
    'Tom 王小明',
    '日本のサラ Sara',
    '김철수 Kim',
    'سارة Sara',
    'ฟ้า Fah',
    'Ольга 2',
    'Ᏸ-Ᏹ',
    'ΣΩ',
  ])
    t.equal((await register(freshName(fine))).body.error, undefined, fine);
});

t.test('marks are piled up no higher than any language does', async (t) => {
  for (const piled of [
    'Z\u0300\u0301\u0302\u0303\u0304',
    'Z\u0335\u0335',
    'z\u0300\u0301\u0302\u0308\u0323\u0327algo',
  ]) {
    const { body } = await register(freshName(piled));
    t.equal(body.error, 'username_invalid', JSON.stringify(piled));
    t.match(body.message, 'marks');
  }
  for (const fine of ['Nguyễn Thị Ngọc', 'བསྒྲུབས', 'שָׁלוֹם', 'क्षेत्रज्ञ', 'ผู้ใหญ่'])
    t.equal((await register(freshName(fine))).status, 200, fine);
});

t.test('names that stand for nobody, or for the server, are nobody’s', async (t) => {
  for (const name of [
    ...['deleted user', 'Deleted User #7', 'de1eted user', '已删除的用户', '#12', '＃12'],
    ...['admin', 'Admin', 'ADMIN', 'adrnin', 'system', '管理员', 'You', 'you'],
  ]) {
    const { status, body } = await register(name);
    t.strictSame([status, body.error], [400, 'username_reserved'], name);
  }
  for (const fine of ['admiral', 'Youssef', '#hash'])
    t.equal((await register(freshName(fine))).status, 200, fine);
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
