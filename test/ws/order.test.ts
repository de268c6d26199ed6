import t from 'tap';
import { build, connect, signUp } from '../helper.js';

const server = await build(t);

t.test('[P7] answers come after those of the sends before them, and later frames after both', async (t) => {
  const [alice, bob] = [await signUp(server), await signUp(server)];
  const a = await connect(t, server, alice);
  for (let i = 0; i < 50; i++) a.send('chat', { to_user_id: bob.user_id, content: `${i}` });
  a.send('chat', { to_user_id: 999_999_999, content: 'to nobody' });
  a.send('get_online_list');
  a.send('chat', { to_user_id: 999_999_999, content: 'to nobody again' });
  a.send('get_offline');
  await a.next('offline_list');
  t.strictSame(
    a.frames.map((frame) => frame.content ?? frame.type),
    ['target user not found', 'online_list', 'target user not found', 'offline_list'],
  );
  const b = await connect(t, server, bob);
  b.send('get_offline');
  t.strictSame(
    (await b.next('offline_list')).data.map((row: { content: string }) => row.content),
    Array.from({ length: 50 }, (_, i) => `${i}`),
  );
});
