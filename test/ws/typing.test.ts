import t from 'tap';
import { build, type Client, connect, connectSynced, signUp, type User } from '../helper.js';

const server = await build(t);

async function conversation(from: Client, to: User): Promise<number> {
  from.send('chat', { to_user_id: to.user_id, content: 'hello' });
  return (await from.next('sent')).conversation_id;
}

t.test('[X12] typing reaches the other side, if it is extended', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  const conversation_id = await conversation(a, bob);
  a.send('typing', { conversation_id });
  t.strictSame(await b.next('typing'), { type: 'typing', conversation_id, user_id: alice.user_id });
  // More of it within a second is not passed on.
  a.send('typing', { conversation_id });
  await a.barrier();
  await b.barrier();
  t.equal(b.of('typing').length, 1);
  b.send('typing', { conversation_id });
  t.equal((await a.next('typing')).user_id, bob.user_id);
});

t.test('[X12] a plain client hears nothing of it', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const [a, b] = [await connectSynced(t, server, alice), await connect(t, server, bob)];
  const conversation_id = await conversation(a, bob);
  a.send('typing', { conversation_id });
  await a.barrier();
  await b.barrier();
  t.strictSame(
    b.frames.map((frame) => frame.type),
    ['chat', 'online_list'],
  );
});

t.test('[X12] it is not stored, and not for strangers', async (t) => {
  const [alice, bob, carol] = [await signUp(server), await signUp(server), await signUp(server)];
  const [a, c] = [await connectSynced(t, server, alice), await connectSynced(t, server, carol)];
  const conversation_id = await conversation(a, bob);
  a.send('typing', { conversation_id });
  c.send('typing', { id: 'c', conversation_id });
  t.equal((await c.next('error')).code, 'conversation_not_found');
  await a.barrier();
  const b = await connectSynced(t, server, bob);
  t.equal(b.of('typing').length, 0);
});
