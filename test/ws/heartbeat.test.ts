import { once } from 'node:events';
import t from 'tap';
import { build, connect, connectSynced, signUp } from '../helper.js';

const server = await build(t, { HEARTBEAT_SECONDS: '1', HEARTBEAT_TIMEOUT_SECONDS: '2' });

for (const extended of [false, true]) {
  const kind = extended ? 'extended' : 'plain';

  t.test(`[O7] a ${kind} connection without a sign of life is closed`, async (t) => {
    const user = await signUp(server);
    const started = performance.now();
    const client = await connect(t, server, user, { extended, options: { autoPong: false } });
    t.strictSame(await client.closed, { code: 4000, reason: 'no sign of life' });
    t.ok(performance.now() - started > 1900, 'not before the timeout');
  });

  t.test(`[O7] a ${kind} connection that answers pings stays`, async (t) => {
    const client = await connect(t, server, await signUp(server), { extended });
    for (let pings = 0; pings < 4; pings++) await once(client.socket, 'ping');
    await client.barrier();
    t.equal(client.socket.readyState, client.socket.OPEN);
  });

  t.test(`[O7] frames and pings of a ${kind} client are signs of life too`, async (t) => {
    const client = await connect(t, server, await signUp(server), { extended, options: { autoPong: false } });
    for (let pings = 0; pings < 4; pings++) {
      await once(client.socket, 'ping');
      if (pings % 2 === 0) client.socket.ping();
      else await client.barrier();
    }
    t.equal(client.socket.readyState, client.socket.OPEN);
  });
}

t.test('[X15] a ping is answered with a pong of the same id', async (t) => {
  const client = await connectSynced(t, server, await signUp(server));
  client.send('ping', { id: 'are-you-there' });
  t.strictSame(await client.next('pong'), { type: 'pong', id: 'are-you-there' });
  client.send('ping');
  t.strictSame(await client.next('pong'), { type: 'pong' });
});
