import { once } from 'node:events';
import t from 'tap';
import { build, type Client, connect, connectSynced, eventually, signUp } from '../helper.js';

const server = await build(t);
const { HEARTBEAT_SECONDS, HEARTBEAT_TIMEOUT_SECONDS } = server.app.config;
const timeout = HEARTBEAT_TIMEOUT_SECONDS * 1000;

/** Time goes by, without anybody waiting for it. */
const pass = (ms: number) => {
  server.app.clock.now += ms;
};

/** So much time goes by that the client is asked for a sign of life. */
async function untilPinged({ socket }: Client) {
  const pinged = once(socket, 'ping');
  pass(HEARTBEAT_SECONDS * 1000 + 1);
  await pinged;
}

/** The server has looked at all its connections. */
async function untilTick() {
  const ownership = Reflect.get(server.app.hub, 'ownership');
  const renew = ownership.renew.bind(ownership);
  await new Promise<void>((looked) => {
    ownership.renew = () => {
      renew();
      // It looks after that, in the same turn.
      setImmediate(looked);
    };
  });
  Reflect.deleteProperty(ownership, 'renew');
}

for (const extended of [false, true]) {
  const kind = extended ? 'extended' : 'plain';

  t.test(`[O7] a ${kind} connection without a sign of life is closed`, async (t) => {
    const user = await signUp(server);
    const client = await connect(t, server, user, { extended, options: { autoPong: false } });
    await untilPinged(client);
    const silent = server.app.hub.connectionsOf(user.user_id)[0]?.silentFor ?? 0;
    pass(timeout - silent - 5000);
    await untilTick();
    t.equal(client.socket.readyState, client.socket.OPEN, 'not before the timeout');
    pass(5001);
    t.strictSame(await client.closed, { code: 4000, reason: 'no sign of life' });
  });

  t.test(`[O7] a ${kind} connection that answers pings stays`, async (t) => {
    const user = await signUp(server);
    const client = await connect(t, server, user, { extended });
    for (let pings = 0; pings < 4; pings++) {
      await untilPinged(client);
      await eventually(
        () => (server.app.hub.connectionsOf(user.user_id)[0]?.silentFor ?? timeout) < 5000,
        'the pong is no sign of life',
      );
    }
    await client.barrier();
    t.equal(client.socket.readyState, client.socket.OPEN);
  });

  t.test(`[O7] frames and pings of a ${kind} client are signs of life too`, async (t) => {
    const client = await connect(t, server, await signUp(server), { extended, options: { autoPong: false } });
    for (let pings = 0; pings < 4; pings++) {
      await untilPinged(client);
      if (pings % 2 === 0) {
        const answered = once(client.socket, 'pong');
        client.socket.ping();
        await answered;
      } else await client.barrier();
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
