import t from 'tap';
import { build, type Client, connect, connectSynced, eventually, signUp } from '../helper.js';

const server = await build(t, { SLOW_SECONDS: '1' });
const pair = async () => [await signUp(server), await signUp(server)] as const;

async function store(from: Client, to: number, n: number, bytes: number): Promise<void> {
  const content = 'x'.repeat(bytes);
  const before = from.of('sent').length;
  for (let i = 0; i < n; i++) from.send('chat', { to_user_id: to, content: `${i} ${content}` });
  await from.until(() => from.of('sent').length === before + n, 'not all are stored');
}

for (const extended of [false, true]) {
  const kind = extended ? 'extended' : 'plain';

  t.test(`[C2] ${kind}: a client that stops reading is closed, and what it was owed is kept`, async (t) => {
    const [alice, bob] = await pair();
    const a = await connectSynced(t, server, alice);
    const b = extended ? await connectSynced(t, server, bob) : await connect(t, server, bob);
    b.socket.pause();
    await store(a, bob.user_id, 400, 10_000);
    const connection = server.app.hub.connectionsOf(bob.user_id)[0];
    await eventually(() => connection?.isClosing === true, 'it is not closed');
    await eventually(() => server.app.hub.connectionsOf(bob.user_id)[0] === undefined, 'it is not cut');
    const next = await connect(t, server, bob);
    next.send('get_offline');
    const numbers = () =>
      next
        .of('offline_list')
        .flatMap((frame) => frame.data.map((row: { content: string }) => Number(row.content.split(' ')[0])));
    await next.until(() => numbers().length >= 400, 'not all came');
    t.strictSame(
      numbers(),
      Array.from({ length: 400 }, (_, i) => i),
    );
  });

  t.test(`[C2] ${kind}: one that reads but never confirms is closed with its code`, async (t) => {
    const [alice, bob] = await pair();
    const a = await connectSynced(t, server, alice);
    const b = extended
      ? await connectSynced(t, server, bob)
      : await connect(t, server, bob, { options: { autoPong: false } });
    await store(a, bob.user_id, 60, 10_000);
    t.strictSame(await b.closed, { code: 4003, reason: 'too slow to read' });
  });
}
