/** Who has signed in at a proxy, which says so in a header of each request. */
import { request as httpRequest } from 'node:http';
import t from 'tap';
import { build, connect, eventually, freshName, type Server } from './helper.js';

const HEADER = 'X-Forwarded-User';
const settings = { AUTH_HEADER: HEADER, REGISTRATION: 'closed' };
const direct = await build(t, { ...settings, TRUSTED_PROXIES: '10.0.0.1' });
const behind = await build(t, { ...settings, TRUSTED_PROXIES: '127.0.0.1' }, direct);
const { sql } = direct.app.db;

/** What the page asks, as the proxy passes it on. */
async function exchange(
  server: Server,
  header: string | string[] | undefined,
  { cookie, origin = server.url }: { cookie?: string | undefined; origin?: string } = {},
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it asserts
): Promise<{ status: number; cookie: string | undefined; body: any }> {
  const answer = await new Promise<{ status: number; cookie: string | undefined; text: string }>(
    (resolve, reject) => {
      const said = header === undefined ? {} : { [HEADER]: header };
      const headers = { ...said, origin, ...(cookie !== undefined && { cookie }) };
      httpRequest(`${server.url}/api/exchange`, { method: 'POST', headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (data) => {
          text += data;
        });
        const set = response.headers['set-cookie']?.[0]?.split(';')[0];
        response.on('end', () => resolve({ status: response.statusCode ?? 0, cookie: set, text }));
      })
        .on('error', reject)
        .end();
    },
  );
  return { ...answer, body: JSON.parse(answer.text) };
}
const me = (token: string) => direct.request('GET', '/api/me', { token });

t.test('who has signed in at the proxy is in, with an account made at first sight', async (t) => {
  const name = freshName('Zoe');
  const { status, cookie, body } = await exchange(behind, name);
  t.equal(status, 200);
  t.equal(body.data.username, name);
  t.equal((await me(body.data.token)).body.data.user_id, body.data.user_id);
  const client = await connect(t, direct, body.data, { extended: true });
  await client.barrier();
  const again = await exchange(behind, name.toUpperCase(), { cookie });
  t.strictSame([again.status, again.body.data.user_id], [200, body.data.user_id]);
  t.equal(
    (await sql`select from sessions where user_id = ${body.data.user_id}`).length,
    1,
    'the same session',
  );
  const [row] = await sql`select password from users where user_id = ${body.data.user_id}`;
  t.equal(row?.password, '', 'without a password');
  for (const password of ['', 'x'])
    t.not((await direct.request('POST', '/login', { body: { username: name, password } })).status, 200);
});

t.test('nobody but a proxy that is trusted is believed', async (t) => {
  const { body } = await exchange(behind, freshName());
  for (const [header, cookie] of [
    [body.data.username, undefined],
    [freshName(), 'x=y'],
  ] as const) {
    const refused = await exchange(direct, header, { cookie });
    t.strictSame([refused.status, refused.body.error], [401, 'missing_token']);
  }
  const { cookie } = await exchange(behind, body.data.username);
  const other = await exchange(direct, freshName(), { cookie });
  t.equal(other.body.data.user_id, body.data.user_id, 'the cookie says who this is, and the header nothing');
  for (const origin of ['http://evil.example', 'null'])
    t.equal((await exchange(behind, body.data.username, { origin })).body.error, 'origin_refused');
  t.equal((await exchange(behind, undefined)).body.error, 'missing_token');
  const door = async (server: Server) =>
    (await server.request('GET', '/api/door', { headers: { [HEADER]: 'somebody' } })).body.data;
  t.strictSame(
    [await door(behind), await door(direct)],
    [
      { registration: 'closed', vouched: true },
      { registration: 'closed', vouched: false },
    ],
  );
  const alone = await build(t, { AUTH_HEADER: '', REGISTRATION: 'open' }, direct);
  t.strictSame(await door(alone), { registration: 'open', vouched: false });
});

t.test('the header says who this is, whosever cookie the browser has', async (t) => {
  const first = await exchange(behind, freshName());
  const second = await exchange(behind, freshName(), { cookie: first.cookie });
  t.not(second.body.data.user_id, first.body.data.user_id);
  t.not(second.cookie, first.cookie);
  const over = await exchange(behind, second.body.data.username, { cookie: 'chat-device-0=x' });
  t.equal(over.body.data.user_id, second.body.data.user_id);
});

t.test('what a client sends beside the word of the proxy is not taken for it', async (t) => {
  const { status, body } = await exchange(behind, ['mallory', 'alice']);
  t.strictSame([status, body.error], [400, 'bad_request']);
});

t.test('names come as UTF-8, and are those that can be stored', async (t) => {
  const latin = (text: string) => Buffer.from(text).toString('latin1');
  const name = freshName('Ünïcode 王');
  t.equal((await exchange(behind, latin(name))).body.data.username, name);
  t.equal((await exchange(behind, latin(name.normalize('NFD')))).body.data.username, name);
  for (const bad of ['\u00e9', latin('x'.repeat(65)), latin('\u202e')])
    t.equal((await exchange(behind, bad)).body.error, 'username_invalid', bad);
  const mine = freshName('rn');
  const other = mine.replace('rn', 'm');
  t.equal((await exchange(behind, mine)).status, 200);
  const { status, body } = await exchange(behind, other);
  t.strictSame([status, body.data.username], [200, other], 'two colleagues whose names look alike');
  const [row] = await sql`select lookalike from users where user_id = ${body.data.user_id}`;
  t.equal(row?.lookalike, true);
});

t.test('who comes for the first time in several windows at once is one', async (t) => {
  const name = freshName();
  const answers = await Promise.all(Array.from({ length: 6 }, () => exchange(behind, name)));
  t.strictSame(
    [...new Set(answers.map(({ status, body }) => `${status} ${body.data.username}`))],
    [`200 ${name}`],
  );
  t.equal((await sql`select from users where username = ${name}`).length, 1);
});

t.test('who is suspended is out, whatever the proxy says', async (t) => {
  const { body, cookie } = await exchange(behind, freshName());
  const { user_id, username, token } = body.data;
  await exchange(behind, freshName());
  await behind.app.accounts.change('suspend', user_id, undefined);
  await eventually(async () => (await me(token)).status === 401, 'still in');
  for (const shown of [cookie, undefined]) {
    const refused = await exchange(behind, username, { cookie: shown });
    t.strictSame([refused.status, refused.body.error], [403, 'suspended']);
  }
});
