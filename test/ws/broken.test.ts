/** What must not spread: a failure in one place, with the others unharmed. */
import t from 'tap';
import { build, connect, connectSynced, eventually, signUp } from '../helper.js';

const server = await build(t, { REPAIR_SECONDS: '1' });
const { db } = server.app;
const pair = async () => [await signUp(server), await signUp(server)] as const;

t.test('[X2] a sync that fails is answered, and leaves the connection as it was', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const b = await connectSynced(t, server, bob);
  a.send('chat', { to_user_id: bob.user_id, content: 'before' });
  await b.next('chat');
  await db.sql`alter table members rename to members_away`;
  b.send('sync', { id: 'failing', positions: [] });
  t.match(await b.next('error'), { id: 'failing', retryable: true });
  await db.sql`alter table members_away rename to members`;
  await eventually(async () => {
    a.send('chat', { to_user_id: bob.user_id, id: 'after', content: 'after' });
    await a.barrier();
    return a.of('sent').some((frame) => frame.id === 'after');
  }, 'nothing is stored');
  t.match(await b.next('chat'), { content: 'after', seq: 2 });
  b.send('sync', { id: 'again', positions: [] });
  t.match(await b.next('synced'), { id: 'again' });
  t.strictSame(
    b.of('chat').map((frame) => frame.seq),
    [1, 2, 1, 2],
  );
});

t.test('a first sync that fails can be said again', async (t) => {
  const [alice, bob] = await pair();
  await server.request('POST', '/api/messages', {
    token: alice.token,
    body: { to_user_id: bob.user_id, content: 'waits' },
  });
  const b = await connect(t, server, bob, { extended: true });
  await db.sql`alter table members rename to members_away`;
  b.send('sync', { id: 'failing', positions: [] });
  t.match(await b.next('error'), { id: 'failing' });
  await db.sql`alter table members_away rename to members`;
  b.send('sync', { id: 'again', positions: [] });
  await b.next('synced');
  t.strictSame(
    b.of('chat').map((frame) => frame.content),
    ['waits'],
  );
});

t.test('an exception in one delivery is nothing that other senders or receivers hear of', async (t) => {
  const [alice, bob] = await pair();
  const [carol, dave] = await pair();
  const [a, c] = [await connectSynced(t, server, alice), await connect(t, server, carol)];
  const [b, d] = [await connectSynced(t, server, bob), await connectSynced(t, server, dave)];
  const connection = server.app.hub.connectionsOf(bob.user_id)[0];
  Object.assign(connection ?? {}, {
    deliver() {
      throw new Error('on purpose');
    },
  });
  a.send('chat', { to_user_id: bob.user_id, id: 'a', content: 'to Bob' });
  c.send('chat', { to_user_id: dave.user_id, content: 'to Dave' });
  t.match(await a.next('sent'), { id: 'a' });
  t.match(await d.next('chat'), { content: 'to Dave' });
  await b.closed;
  await Promise.all([a.barrier(), c.barrier()]);
  t.strictSame([...a.of('error'), ...c.of('error')], []);
  const again = await connectSynced(t, server, bob);
  t.strictSame(
    again.of('chat').map((frame) => frame.content),
    ['to Bob'],
  );
});

t.test('a question that failed after some of its rows does not make the next answer wrong', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  for (let i = 1; i <= 3; i++) {
    const failing = db.log.ask((sql) => sql`select 1 / (3 - n) from generate_series(1, 5) n`);
    await t.rejects(failing, { code: '22012' });
    a.send('chat', { to_user_id: bob.user_id, id: `${i}`, content: `${i}` });
    t.match(await a.next('sent'), { id: `${i}`, seq: i });
    t.match(await b.next('chat'), { content: `${i}`, seq: i });
  }
  await a.barrier();
  t.strictSame(a.of('error'), []);
});

t.test('of what waits for its turn when a socket breaks, only sends are carried out', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const b = await connectSynced(t, server, bob);
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  // Every lane is taken: what needs the database waits, and what came behind it waits for that.
  const taken = [db.requests, db.delivery].flatMap((lanes) =>
    Array.from({ length: 3 }, () => lanes.ask(() => gate, 60_000)),
  );
  a.send('presence', { user_ids: [bob.user_id, 999_999_999] });
  a.send('presence', { user_ids: [bob.user_id] });
  a.send('chat', { to_user_id: bob.user_id, id: 'last', content: 'last words' });
  await eventually(() => (server.app.hub.connectionsOf(alice.user_id)[0]?.bytes ?? 0) > 0, 'nothing waits');
  a.socket.terminate();
  await eventually(() => server.app.hub.connectionsOf(alice.user_id)[0] === undefined, 'it is not gone');
  t.equal(server.app.presence.watched, 0);
  open();
  await Promise.all(taken);
  t.match(await b.next('chat'), { content: 'last words' });
  t.equal(server.app.presence.watched, 0);
});
