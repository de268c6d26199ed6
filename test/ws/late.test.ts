/** Messages whose way from the log to a connection is longer than that of others. */
import t from 'tap';
import { build, connect, connectSynced, eventually, signUp } from '../helper.js';

const server = await build(t);
const pair = async () => [await signUp(server), await signUp(server)] as const;

/** Keeps what is stored from its receivers. @returns what gives it to them, the last first, once there is as much */
function hold() {
  const { messages } = server.app;
  const { listener } = messages;
  const held: Parameters<typeof listener.onStored>[] = [];
  messages.listener = { onStored: (...stored) => void held.push(stored) };
  return async (count: number) => {
    await eventually(() => held.length === count, 'not all is stored');
    messages.listener = listener;
    for (const stored of held.reverse()) listener.onStored(...stored);
  };
}

t.test('[P6] what is on its way while get_offline is answered comes once, when it arrives', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const b = await connect(t, server, bob);
  const give = hold();
  a.send('chat', { to_user_id: bob.user_id, content: 'first' });
  await a.next('sent');
  b.send('get_offline');
  const { data } = await b.next('offline_list');
  t.strictSame(data, []);
  await give(1);
  a.send('chat', { to_user_id: bob.user_id, content: 'second' });
  t.equal((await b.next('chat')).content, 'first');
  t.equal((await b.next('chat')).content, 'second');
  t.equal(b.of('chat').length, 2);
});

t.test('[X7] a copy of an own message that comes before the one it follows comes after it', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const b = await connectSynced(t, server, bob);
  b.send('chat', { to_user_id: alice.user_id, content: 'first' });
  await a.next('chat');
  const give = hold();
  b.send('chat', { to_user_id: alice.user_id, content: 'second' });
  await b.until(() => b.of('sent').length === 2, 'it is not stored');
  const body = { to_user_id: bob.user_id, content: 'third' };
  t.equal((await server.request('POST', '/api/messages', { body, token: alice.token })).status, 200);
  await give(2);
  await a.until(() => a.of('chat').length === 3, 'the copy is lost');
  t.strictSame(
    a.of('chat').map(({ seq, content }) => [seq, content]),
    [
      [1, 'first'],
      [2, 'second'],
      [3, 'third'],
    ],
  );
});
