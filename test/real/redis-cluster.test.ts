import t from 'tap';
import { build, connect, eventually, signUp } from '../helper.js';
import { startRedisCluster } from '../nodes/redis.js';

t.setTimeout(120_000);

t.test(
  'two instances on a Redis Cluster are one service, through failovers and the death of a master',
  async (t) => {
    const cluster = await startRedisCluster();
    t.teardown(() => cluster.stop());
    const env = { REDIS_ADDR: cluster.addrs.join(',') };
    const first = await build(t, env);
    const second = await build(t, env, first);
    const [alice, bob] = [await signUp(first), await signUp(first)];
    const [a, b] = [await connect(t, first, alice), await connect(t, second, bob)];
    const say = async (content: string) => {
      a.send('chat', { to_user_id: bob.user_id, content });
      t.equal((await b.next('chat')).content, content);
    };
    const busWorks = (server: typeof first) => () => server.app.bus.ok;
    // The number of receivers that a cluster answers doesn't count those that a failover left on the replica.
    const byPublish = (content: string) =>
      eventually(async () => {
        const { repaired } = second.app.hub.counts;
        await say(content);
        return second.app.hub.counts.repaired === repaired;
      }, 'messages come by repair only');
    await byPublish('before');

    for (const slot of [0, 6000, 12_000]) {
      await cluster.failover(slot);
      await say(`during ${slot}`);
      await eventually(busWorks(first), 'the bus of the first instance stays away');
      await eventually(busWorks(second), 'the bus of the second instance stays away');
      await eventually(async () => {
        const owner = await first.app.bus.owners([bob.user_id]).catch(() => []);
        return owner[0]?.[0]?.replica === second.app.bus.replica;
      }, 'the owner is not found');
    }
    await byPublish('after');

    const dead = await cluster.masterOf(0);
    await cluster.nodes.find((node) => node.addr === dead)?.kill9();
    await say('with a dead master');
    await eventually(
      async () => {
        const owner = await first.app.bus.owners([alice.user_id, bob.user_id]).catch(() => []);
        return (
          owner[0]?.[0]?.replica === first.app.bus.replica &&
          owner[1]?.[0]?.replica === second.app.bus.replica
        );
      },
      'owners are not found after the death of a master',
      30_000,
    );
    await byPublish('with its replica in its place');

    const again = await connect(t, first, bob);
    t.equal((await b.closed).code, 4002, 'a newer connection elsewhere replaces the older');
    a.send('chat', { to_user_id: bob.user_id, content: 'here' });
    t.equal((await again.next('chat')).content, 'here');
  },
);
