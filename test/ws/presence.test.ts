import t from 'tap';
import { build, type Client, connect, connectSynced, eventually, signUp } from '../helper.js';

const server = await build(t);

async function watch(client: Client, id: string, user_ids: number[]) {
  client.send('presence', { id, user_ids });
  await client.until(() => client.of('presence').some((frame) => frame.id === id), 'no answer');
  return client.of('presence').find((frame) => frame.id === id);
}
const changes = (client: Client) =>
  client
    .of('presence')
    .filter((frame) => frame.id === undefined)
    .flatMap((frame) => frame.users);

t.test('[X13] the answer has all of them, with its id', async (t) => {
  const [alice, bob, carol] = [await signUp(server), await signUp(server), await signUp(server)];
  const a = await connectSynced(t, server, alice);
  await connect(t, server, bob);
  const answer = await watch(a, 'w', [bob.user_id, carol.user_id, bob.user_id, 999_999_999]);
  t.strictSame(answer, {
    type: 'presence',
    id: 'w',
    users: [
      { user_id: bob.user_id, online: true, last_seen_at: null },
      { user_id: carol.user_id, online: false, last_seen_at: null },
      { user_id: 999_999_999, online: false, last_seen_at: null },
    ],
  });
});

t.test('[X13] those that change are told, with when they were last seen', async (t) => {
  const [alice, bob, carol] = [await signUp(server), await signUp(server), await signUp(server)];
  const [a, c] = [await connectSynced(t, server, alice), await connectSynced(t, server, carol)];
  for (const client of [a, c]) await watch(client, 'w', [bob.user_id]);
  const before = Date.now();
  const b = await connect(t, server, bob);
  for (const client of [a, c]) {
    await client.until(() => changes(client).length === 1, 'coming is not told');
    t.strictSame(changes(client), [{ user_id: bob.user_id, online: true, last_seen_at: null }]);
  }
  await b.close();
  for (const client of [a, c]) {
    await client.until(() => changes(client).length === 2, 'leaving is not told');
    const [, { user_id, online, last_seen_at }] = changes(client);
    t.strictSame([user_id, online], [bob.user_id, false]);
    t.ok(Math.abs(Date.parse(last_seen_at) - before) < 60_000, last_seen_at);
  }
  const again = await watch(a, 'again', [bob.user_id]);
  t.equal(again.users[0].online, false);
  t.type(again.users[0].last_seen_at, 'string');
});

t.test('[X13] somebody who begins to watch takes the news from nobody', async (t) => {
  const [alice, bob, carol] = [await signUp(server), await signUp(server), await signUp(server)];
  const [a, c] = [await connectSynced(t, server, alice), await connectSynced(t, server, carol)];
  await watch(a, 'w', [bob.user_id]);
  await connect(t, server, bob);
  // Between bob's coming and the news of it.
  t.equal((await watch(c, 'w', [bob.user_id])).users[0].online, true);
  await a.until(() => changes(a).length === 1, 'the earlier watcher is not told');
  t.equal(changes(a)[0].online, true);
});

t.test('[X13] a new list takes the place of the one before', async (t) => {
  const [alice, bob, carol] = [await signUp(server), await signUp(server), await signUp(server)];
  const a = await connectSynced(t, server, alice);
  await watch(a, 'one', [bob.user_id]);
  await watch(a, 'two', [carol.user_id]);
  await connect(t, server, bob);
  await eventually(
    async () => (await server.app.db.sql`select from presence where user_id = ${bob.user_id}`).length === 1,
    'presence is not noted',
  );
  await connect(t, server, carol);
  await a.until(() => changes(a).length > 0, 'no news');
  t.strictSame(
    changes(a).map((row) => row.user_id),
    [carol.user_id],
  );
});
