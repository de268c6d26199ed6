import t from 'tap';
import { build, connect, signUp, type User } from '../helper.js';
import { mint } from '../raw.js';

const server = await build(t);

/** The user with a token that ends in so many seconds. */
const ending = ({ user_id, username }: User, seconds: number): User => ({
  user_id,
  username,
  token: mint({ user_id, username, exp: Math.floor(Date.now() / 1000) + seconds }),
});
const expired = { code: 4001, reason: 'token is expired or revoked' };

for (const extended of [false, true])
  t.test(`[O8] ${extended ? 'an extended' : 'a plain'} connection ends with its token`, async (t) => {
    const client = await connect(t, server, ending(await signUp(server), 2), { extended });
    t.strictSame(await client.closed, expired);
  });

t.test('[O8] an extended client that sends a fresh token stays, until that one ends', async (t) => {
  const user = await signUp(server);
  const client = await connect(t, server, ending(user, 2), { extended: true });
  const exp = Math.floor(Date.now() / 1000) + 4;
  client.send('token', { id: 'fresh', token: mint({ ...user, exp }) });
  t.strictSame(await client.next('token'), {
    type: 'token',
    id: 'fresh',
    token_expires_at: new Date(exp * 1000).toISOString(),
  });
  t.strictSame(await client.closed, expired);
  t.ok(Date.now() >= exp * 1000, 'not before the fresh one ended');
});

t.test('[O8] a token that is bad or of somebody else changes nothing', async (t) => {
  const user = await signUp(server);
  const client = await connect(t, server, ending(user, 2), { extended: true });
  for (const token of ['nonsense', (await signUp(server)).token]) {
    client.send('token', { id: 'odd', token });
    t.strictSame(await client.next('error'), {
      type: 'error',
      id: 'odd',
      code: 'unauthorized',
      content: 'unauthorized',
      retryable: false,
    });
  }
  t.strictSame(await client.closed, expired);
});

t.test('[B4] who tries one bad token after another is closed', async (t) => {
  const client = await connect(t, server, await signUp(server), { extended: true });
  for (let i = 0; i < 30; i++) client.send('token', { token: 'nonsense' });
  t.strictSame(await client.closed, { code: 1008, reason: 'too many bad frames' });
});
