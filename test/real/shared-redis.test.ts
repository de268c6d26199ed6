/** Two installations, each with a database of its own, on one Redis. */
import t from 'tap';
import { build, connect, connectSynced, signUp } from '../helper.js';

t.test('two installations on one Redis know nothing of each other', async (t) => {
  const here = await build(t, { INSTANCE_ID: 'here', REPAIR_SECONDS: '1' });
  const there = await build(t, {
    INSTANCE_ID: 'there',
    REPAIR_SECONDS: '1',
    REDIS_ADDR: here.env.REDIS_ADDR ?? '',
  });
  const [alice, bob] = [await signUp(here), await signUp(here)];
  const [anna, bert] = [await signUp(there), await signUp(there)];
  t.strictSame([anna.user_id, bert.user_id], [alice.user_id, bob.user_id], 'their ids are the same');

  const a = await connectSynced(t, here, alice);
  const b = await connect(t, here, bob);
  const other = await connectSynced(t, there, anna);
  for (const { client, of, online } of [
    { client: a, of: bob, online: true },
    { client: other, of: bert, online: false },
  ]) {
    client.send('presence', { id: 'who', user_ids: [of.user_id] });
    const { users } = await client.next('presence');
    t.strictSame(
      users.map((user: { user_id: number; online: boolean }) => [user.user_id, user.online]),
      [[of.user_id, online]],
    );
  }
  // Bert comes and goes there: nobody here hears of it, and Bob stays.
  const later = await connect(t, there, bert);
  t.match(await other.next('presence'), { users: [{ user_id: bert.user_id, online: true }] });
  await later.close();
  t.match(await other.next('presence'), { users: [{ user_id: bert.user_id, online: false }] });

  for (const [from, to, receiver] of [
    [a, bob, b],
    [other, anna, other],
  ] as const) {
    from.send('chat', { id: 'hello', to_user_id: to.user_id, content: 'hello' });
    if (receiver !== from) t.equal((await receiver.next('chat')).content, 'hello');
  }
  for (const client of [a, b, other]) {
    await client.barrier();
    t.equal(client.socket.readyState, client.socket.OPEN, 'nobody was thrown out');
  }
  t.strictSame(a.of('presence').length, 1, 'nothing of the others was told here');
});
