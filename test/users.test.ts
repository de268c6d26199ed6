import t from 'tap';
import { nameKey } from '../schemas/user.js';
import { build, freshName, signUp } from './helper.js';

const server = await build(t);
const asking = await signUp(server);
const get = (path: string, token = asking.token) => server.request('GET', path, { token });
const search = async (query: string, more = '') => {
  const { status, body } = await get(`/api/users?query=${encodeURIComponent(query)}${more}`);
  t.equal(status, 200);
  return body.data.users;
};

t.test('users are found by how their name begins, in any case and Unicode form', async (t) => {
  const beginning = freshName('Zoë');
  const [b, a] = [await signUp(server, `${beginning}-B`), await signUp(server, `${beginning}-A`)];
  await signUp(server, `x${beginning}`);
  const found = [a, b].map(({ user_id, username }) => ({ user_id, username }));
  for (const typed of [beginning, beginning.toUpperCase(), beginning.normalize('NFD'), ` ${beginning} `])
    t.strictSame(await search(typed), found, typed);
  t.strictSame(await search(`${beginning}-b`), [found[1]]);
  t.strictSame(await search(`${beginning}-C`), []);
});

t.test(
  'users are found by every word of their name, the very name first, then those that begin so',
  async (t) => {
    const tail = freshName('zq');
    const names = [
      `Yves Martin ${tail}`,
      `martin`.concat(tail),
      `${tail}`,
      `${tail}a`,
      `O’${tail}-b`,
      `x${tail}`,
    ];
    for (const name of names) await signUp(server, name);
    const namesOf = async (query: string) =>
      (await search(query)).map((user: { username: string }) => user.username);
    t.strictSame(await namesOf(tail.toUpperCase()), [tail, `${tail}a`, `Yves Martin ${tail}`, `O’${tail}-b`]);
    t.strictSame(await namesOf(`martin ${tail}`), [`Yves Martin ${tail}`]);
    t.strictSame(await namesOf(`MARTIN${tail}`), [`martin${tail}`]);
    const han = await signUp(server, `王小明${tail}`);
    t.strictSame(await namesOf(`小明${tail}`), [han.username]);
  },
);

t.test('everybody is listed by name, page by page', async (t) => {
  const seen: { user_id: number; username: string }[] = [];
  for (;;) {
    const last = seen.at(-1);
    const { body } = await get(`/api/users?limit=7${last ? `&after=${last.user_id}` : ''}`);
    if (body.data.users.length === 0) break;
    seen.push(...body.data.users);
  }
  t.equal(new Set(seen.map(({ user_id }) => user_id)).size, seen.length, 'nobody twice');
  t.ok(seen.some(({ user_id }) => user_id === asking.user_id));
  const keys = seen.map(({ username }) => nameKey(username));
  t.strictSame(
    keys,
    [...keys].sort((a, b) => Buffer.from(a).compare(Buffer.from(b))),
  );
});

t.test('a search has a bound, and it is kept', async (t) => {
  const beginning = freshName('many');
  for (let i = 0; i < 25; i++) await signUp(server, `${beginning}-${String(i).padStart(2, '0')}`);
  t.equal((await search(beginning)).length, 20);
  t.equal((await search(beginning, '&limit=50')).length, 25);
  const [first, second] = await search(beginning, '&limit=2');
  t.strictSame([first.username, second.username], [`${beginning}-00`, `${beginning}-01`]);
});

t.test('what means something to a database means nothing in a search', async (t) => {
  const tail = freshName('');
  for (const name of [`100%${tail}`, `100x${tail}`, `a_b${tail}`, `axb${tail}`, `q'"\\${tail}`])
    await signUp(server, name);
  const namesOf = async (query: string) =>
    (await search(query)).map((user: { username: string }) => user.username);
  t.strictSame(await namesOf('100%'), [`100%${tail}`]);
  t.strictSame(await namesOf('a_b'), [`a_b${tail}`]);
  t.strictSame(await namesOf(`q'"\\`), [`q'"\\${tail}`]);
  t.strictSame(await namesOf("' or 1=1 --"), []);
});

t.test('a search for nothing is refused', async (t) => {
  for (const query of ['?query=', '?query=%20', '?query=%00', '?query=a%00', '?query=%E2%80%8B']) {
    const { status, body } = await get(`/api/users${query}`);
    t.equal(status, 400, query);
    t.equal(body.error, 'bad_request');
  }
});

t.test('a bad search is refused, and nothing in it is bent into shape', async (t) => {
  for (const query of [
    'query=a&query=b',
    `query=${'a'.repeat(257)}`,
    ...['0', '51', '-1', '1.5', '1e1', '0x5', 'true', '', '%205', '05', '+5', 'NaN', 'Infinity'].map(
      (limit) => `query=a&limit=${limit}`,
    ),
    'query=a&limit=5&limit=6',
  ]) {
    const { status, body } = await get(`/api/users?${query}`);
    t.equal(status, 400, query);
    t.equal(body.error, 'bad_request');
  }
});

t.test('a query that is no proper text finds nobody', async (t) => {
  for (const query of ['%zz', '%ff', '%ed%a0%80', '%', 'a%2']) {
    const { status, body } = await get(`/api/users?query=${query}`);
    t.equal(status, 200, query);
    t.strictSame(body.data, { users: [] });
  }
});

t.test('a user is shown by id, without the password', async (t) => {
  const { user_id, username } = await signUp(server);
  const { status, body } = await get(`/api/users/${user_id}`);
  t.equal(status, 200);
  const { created_at, ...data } = body.data;
  t.strictSame({ ...body, data }, { code: 0, message: 'ok', data: { user_id, username } });
  t.ok(Math.abs(Date.parse(created_at) - Date.now()) < 600_000, 'and since when');
});

t.test('an id that nobody has is not found', async (t) => {
  for (const id of ['99999999', '9007199254740991']) {
    const { status, body } = await get(`/api/users/${id}`);
    t.equal(status, 404);
    t.strictSame(body, { code: 404, message: 'target user not found', error: 'user_not_found' });
  }
});

t.test('what is no id is refused', async (t) => {
  const { user_id } = asking;
  for (const id of [
    '0',
    '-1',
    'abc',
    `${user_id}.0`,
    `${user_id}e0`,
    `0${user_id}`,
    `%20${user_id}`,
    `+${user_id}`,
    '0x1',
  ]) {
    const { status, body } = await get(`/api/users/${id}`);
    t.equal(status, 400, id);
    t.equal(body.error, 'bad_request');
  }
  for (const id of [
    'true',
    'null',
    '__proto__',
    'constructor',
    '9007199254740992',
    '9'.repeat(99),
    "1'--",
    '%00',
  ])
    t.equal((await get(`/api/users/${id}`)).status, 400, id);
  t.equal((await get(`/api/users/${'9'.repeat(200)}`)).body.error, 'uri_too_long');
});

t.test('only the holder of a token may look', async (t) => {
  for (const path of ['/api/users?query=a', '/api/users/1', '/api/me']) {
    t.equal((await server.request('GET', path)).body.error, 'missing_token', path);
    t.equal((await get(path, 'nonsense')).body.error, 'unauthorized', path);
  }
});
