/** Redis that answers and takes nothing: a replica after a failover, or rights that lack what ownership needs. */
import t from 'tap';
import { build, connect, connectSynced, eventually, type Server, signUp } from '../helper.js';
import { freePort } from '../nodes/find.js';
import { type Redis, startRedis } from '../nodes/redis.js';

t.setTimeout(120_000);

const bus = async (server: Server) => (await server.request('GET', '/readyz')).body.data.bus;
/** Milliseconds in which it must be noticed, either way. */
const NOTICED_MS = 5000;

const faults: { name: string; begin(redis: Redis): Promise<unknown>; end(redis: Redis): Promise<unknown> }[] =
  [
    {
      name: 'is a replica that takes no writes',
      begin: async (redis) => redis.command('replicaof', '127.0.0.1', String(await freePort())),
      end: (redis) => redis.command('replicaof', 'no', 'one'),
    },
    {
      name: 'refuses scripts',
      begin: (redis) => redis.command('acl', 'setuser', 'default', '-@scripting'),
      end: (redis) => redis.command('acl', 'setuser', 'default', '+@all'),
    },
    {
      name: 'refuses to write',
      begin: (redis) => redis.command('acl', 'setuser', 'default', '-@write'),
      end: (redis) => redis.command('acl', 'setuser', 'default', '+@all'),
    },
  ];

for (const { name, begin, end } of faults)
  t.test(
    `while Redis ${name} /readyz says degraded, and two connections of a user do not stay`,
    async (t) => {
      const redis = await startRedis();
      t.teardown(() => redis.stop());
      const one = await build(t, { REDIS_ADDR: redis.addr, REPAIR_SECONDS: '1', INSTANCE_ID: 'one' });
      const two = await build(t, { INSTANCE_ID: 'two' }, one);
      const [alice, bob] = [await signUp(one), await signUp(one)];
      const [a, b] = [await connectSynced(t, one, alice), await connectSynced(t, two, bob)];
      const older = await connect(t, one, await signUp(one));
      const carol = await signUp(one);
      const first = await connect(t, one, carol);
      t.equal(await bus(one), 'ok');

      t.match(await begin(redis), /^OK/);
      for (const server of [one, two])
        await eventually(
          async () => (await bus(server)) === 'degraded',
          '/readyz does not say that the bus is degraded',
          NOTICED_MS,
        );
      t.equal((await one.request('GET', '/readyz')).status, 200, 'it serves all the same');
      const second = await connect(t, two, carol);
      // Late, and not lost.
      a.send('chat', { id: 'meanwhile', to_user_id: bob.user_id, content: 'meanwhile' });
      t.equal((await a.next('sent')).id, 'meanwhile');
      t.equal((await b.next('chat')).content, 'meanwhile');

      t.match(await end(redis), /^OK/);
      for (const server of [one, two])
        await eventually(async () => (await bus(server)) === 'ok', 'it does not come back', NOTICED_MS);
      await eventually(
        () => first.socket.readyState === first.socket.CLOSED,
        'two connections of one user stay',
        NOTICED_MS,
      );
      t.equal((await first.closed).code, 4002);
      await second.barrier();
      t.equal(second.socket.readyState, second.socket.OPEN);
      t.equal(older.socket.readyState, older.socket.OPEN, 'whoever had one connection keeps it');
    },
  );
