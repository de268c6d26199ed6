import t from 'tap';
import { build, connect, signUp } from '../helper.js';

t.test('[P1] a chat reaches its receiver with the id of its sender, and the sender gets no frame', async (t) => {
  const server = await build(t);
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const [a, b] = [await connect(t, server, alice), await connect(t, server, bob)];
  a.send('chat', { to_user_id: bob.user_id, content: '  hello ', from_user_id: 99 });
  t.strictSame(await b.next('chat'), {
    type: 'chat',
    to_user_id: bob.user_id,
    from_user_id: alice.user_id,
    content: 'hello',
  });
  await a.barrier();
  t.strictSame(
    a.frames.map((frame) => frame.type),
    ['online_list'],
  );
});
