/** Who comes to the socket with a token that is none, from a page of somebody else's, or with a cookie alone. */
import { hashSync } from '@node-rs/bcrypt';
import t from 'tap';
import { addUser } from '../../sql/users.js';
import { build, connect, freshName, refusedUpgrade, signUp } from '../helper.js';
import { mint } from '../raw.js';

const server = await build(t);
const { host, hostname, port } = new URL(server.url);
const { sql } = server.app.db;
const now = () => Math.floor(Date.now() / 1000);
const HASH = hashSync('right', 4);

/** Somebody who is signed in on a device. */
async function signIn() {
  const username = freshName();
  await addUser(sql, username, HASH);
  const body = { username, password: 'right', stay_signed_in: true };
  const { headers, body: answer } = await server.request('POST', '/login', { body });
  const { user_id, token } = answer.data;
  const { sid } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
  const [cookie = ''] = (headers.get('set-cookie') ?? '').split(';');
  return { user_id, username, token, sid, cookie };
}

t.test('a token that is none opens nothing, whichever way it comes, and renews nothing', async (t) => {
  const [user, other, out, gone] = [await signIn(), await signIn(), await signIn(), await signIn()];
  t.equal((await server.request('POST', '/api/logout', { token: out.token })).status, 200);
  await sql`delete from users where user_id = ${gone.user_id}`;
  await server.app.sessions.ring([gone.user_id]);
  const good = { user_id: user.user_id, username: user.username, exp: now() + 3600 };
  const none = mint(good, { header: { alg: 'none', typ: 'JWT' } });
  const bad = {
    'algorithm none': none,
    'algorithm none, unsigned': none.slice(0, none.lastIndexOf('.') + 1),
    'another algorithm': mint(good, { header: { alg: 'HS512', typ: 'JWT' } }),
    'another secret': mint(good, { secret: 'another secret, of as many characters' }),
    expired: mint({ ...good, exp: now() - 1 }),
    'a session of another user': mint({ ...good, sid: other.sid }),
    'a session that has ended': out.token,
    'a made-up session': mint({ ...good, sid: 'A'.repeat(22) }),
    'a user who is deleted': gone.token,
    'a user who never was': mint({ ...good, user_id: 2 ** 40 }),
    huge: mint({ ...good, exp: now() - 1, more: 'x'.repeat(2500) }),
  };
  const client = await connect(t, server, await signUp(server), { extended: true });
  for (const [what, token] of Object.entries(bad)) {
    const ways = [
      await refusedUpgrade(server, '/ws', { authorization: `Bearer ${token}` }),
      await refusedUpgrade(server, '/ws', {}, ['chat.v2', `bearer.${token}`]),
      await refusedUpgrade(server, `/ws?token=${token}`),
      await server.request('GET', '/api/me', { token }),
    ];
    for (const { status, body } of ways)
      t.strictSame([status, body.error], [401, 'unauthorized'], `${what}: ${JSON.stringify(body)}`);
    client.send('token', { id: 'odd', token });
    t.match(await client.next('error'), { id: 'odd', code: 'unauthorized' }, what);
  }
  const tooLong = `Bearer ${mint({ ...good, more: 'x'.repeat(40_000) })}`;
  t.equal((await refusedUpgrade(server, '/ws', { authorization: tooLong })).status, 431);
  t.equal((await server.request('GET', '/api/me', { token: user.token })).status, 200);
});

t.test('a page of another origin opens no socket, whatever it has of the user', async (t) => {
  const { token, cookie } = await signIn();
  for (const origin of [
    'null',
    '',
    `http://${hostname}`,
    `http://${hostname}:${Number(port) + 1}`,
    `http://a.${host}`,
    `http://${host}.evil.example`,
    `http://localhost.:${port}`,
    `http://evil.example/${host}`,
    `http://${host}@evil.example`,
    `ws://evil.example:${port}`,
  ])
    for (const more of [{}, { 'x-forwarded-host': 'evil.example' }, { forwarded: 'host=evil.example' }]) {
      const { status, body } = await refusedUpgrade(server, '/ws', { origin, cookie, ...more }, [
        'chat.v2',
        `bearer.${token}`,
      ]);
      t.strictSame([status, body.error], [403, 'origin_refused'], origin);
    }
  const forwarded = { origin: 'http://evil.example', 'x-forwarded-host': 'evil.example' };
  const { status } = await refusedUpgrade(server, `/ws?token=${token}`, forwarded);
  t.equal(status, 403, 'who is no proxy that is trusted says nothing of the host');
});

t.test('a cookie is no token: a page of any origin needs one to open a socket', async (t) => {
  const { cookie } = await signIn();
  for (const headers of [{ cookie }, { cookie, origin: server.url }, { cookie, origin: `HTTP://${host}` }]) {
    const { status, body } = await refusedUpgrade(server, '/ws', headers);
    t.strictSame([status, body.error], [401, 'missing_token']);
  }
});
