import { once } from 'node:events';
import t from 'tap';
import WebSocket from 'ws';
import { build, Client, connect, connectSynced, signUp } from '../helper.js';

const server = await build(t);
const pair = async () => [await signUp(server), await signUp(server)] as const;

t.test(
  '[P1] a chat reaches its receiver with the id of its sender, and the sender gets no frame',
  async (t) => {
    const [alice, bob] = await pair();
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
  },
);

t.test(
  'texts whose characters take several bytes come whole, at lengths where a longer frame begins',
  async (t) => {
    const [alice, bob] = await pair();
    const [a, b] = [await connect(t, server, alice), await connect(t, server, bob)];
    // In characters and in bytes, frames of less than 126 and of more.
    const counts = [...Array(80).keys()].map((i) => i + 1);
    const texts = ['x', 'é', '柚', '🙂'].flatMap((letter) => counts.map((count) => letter.repeat(count)));
    for (const content of texts) a.send('chat', { to_user_id: bob.user_id, content });
    for (const content of texts) t.equal((await b.next('chat')).content, content);
  },
);

t.test('[P1] a user can write to himself', async (t) => {
  const [alice] = await pair();
  const a = await connect(t, server, alice);
  for (const content of ['one', 'two']) {
    a.send('chat', { to_user_id: alice.user_id, content });
    t.strictSame(await a.next('chat'), {
      type: 'chat',
      to_user_id: alice.user_id,
      from_user_id: alice.user_id,
      content,
    });
  }
});

t.test("[P2] the texts of errors are the reference's", async (t) => {
  const [alice, bob] = await pair();
  const a = await connect(t, server, alice);
  const answers: [object, string][] = [
    [{ type: 'chat', content: 'x' }, 'invalid to_user_id'],
    [{ type: 'chat', to_user_id: 0, content: 'x' }, 'invalid to_user_id'],
    [{ type: 'chat', to_user_id: -1, content: 'x' }, 'invalid to_user_id'],
    [{ type: 'chat', to_user_id: null, content: 'x' }, 'invalid to_user_id'],
    [{ type: 'chat', to_user_id: bob.user_id }, 'content is required'],
    [{ type: 'chat', to_user_id: bob.user_id, content: ' \n\t ' }, 'content is required'],
    [{ type: 'chat', to_user_id: bob.user_id, content: null }, 'content is required'],
    [{ type: 'chat', to_user_id: 999_999_999, content: 'x' }, 'target user not found'],
    [{ type: 'shout' }, 'unsupported message type'],
    [{ content: 'x' }, 'unsupported message type'],
    [{ type: 'sync', positions: [] }, 'unsupported message type'],
  ];
  for (const [frame, content] of answers) {
    a.socket.send(JSON.stringify(frame));
    t.strictSame(await a.next('error'), { type: 'error', content }, JSON.stringify(frame));
  }
  await a.barrier();
  t.equal(a.socket.readyState, WebSocket.OPEN);
});

t.test('[P3] the online list has the users of this instance, ascending', async (t) => {
  const users = await Promise.all(Array.from({ length: 12 }, () => signUp(server)));
  await Promise.all([...users].reverse().map((user) => connect(t, server, user)));
  const first = await connect(t, server, await signUp(server));
  first.send('get_online_list');
  const { data } = await first.next('online_list');
  t.strictSame(
    data,
    [...data].sort((a: number, b: number) => a - b),
  );
  const ids = users.map((user) => user.user_id).sort((a, b) => a - b);
  t.strictSame(
    data.filter((id: number) => ids.includes(id)),
    ids,
  );
});

t.test('[P5] what was stored before waits, what is stored since is pushed, each in order', async (t) => {
  const [alice, bob] = await pair();
  const carol = await signUp(server);
  const [a, c] = [await connectSynced(t, server, alice), await connectSynced(t, server, carol)];
  const send = async (from: Client, content: string) => {
    from.send('chat', { to_user_id: bob.user_id, content });
    await from.next('sent');
  };
  for (let i = 1; i <= 5; i++) await send(i % 2 ? a : c, `before ${i}`);
  const b = await connect(t, server, bob);
  for (let i = 1; i <= 40; i++)
    (i % 2 ? a : c).send('chat', { to_user_id: bob.user_id, content: `since ${i}` });
  await b.until(() => b.of('chat').length >= 40, 'not all are pushed');
  const pushed = b.of('chat').map((frame) => frame.content);
  const numbers = (rest: number) =>
    Array.from({ length: 40 }, (_, i) => i + 1)
      .filter((i) => i % 2 === rest)
      .map((i) => `since ${i}`);
  const from = (user: number) =>
    b
      .of('chat')
      .filter((frame) => frame.from_user_id === user)
      .map((frame) => frame.content);
  t.strictSame(from(alice.user_id), numbers(1));
  t.strictSame(from(carol.user_id), numbers(0));
  t.equal(pushed.length, 40);
  b.send('get_offline');
  const { data } = await b.next('offline_list');
  t.strictSame(
    data.map((row: { content: string }) => row.content),
    [1, 2, 3, 4, 5].map((i) => `before ${i}`),
  );
  await send(a, 'after');
  t.equal((await b.next('chat')).content, 'after');
  t.equal(b.of('offline_list').length, 1);
});

t.test('[P5] who sends as soon as the receiver is connected finds it connected', async (t) => {
  const [alice, bob] = await pair();
  const a = await connect(t, server, alice);
  for (let i = 0; i < 20; i++) {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws?token=${bob.token}`);
    t.teardown(() => socket.terminate());
    const b = new Client(socket, false);
    await once(socket, 'open');
    a.send('chat', { to_user_id: bob.user_id, content: `at once ${i}` });
    t.equal((await b.next('chat')).content, `at once ${i}`);
  }
});

t.test('[O6] of connections that open at once only the newest begins, in whatever order', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  for (const id of ['one', 'two']) a.send('chat', { id, to_user_id: bob.user_id, content: id });
  await a.until(() => a.of('sent').length === 2, 'not stored');
  const { openings } = server.app;
  const begin = (number: number) =>
    openings.begin({ user: bob.user_id, number, line: Number.MAX_SAFE_INTEGER });
  const { number = 0 } = (await openings.draw(bob.user_id)) ?? {};
  const [first, second, third] = await Promise.all([begin(number + 2), begin(number + 3), begin(number + 1)]);
  t.strictSame([first, third], [undefined, undefined]);
  t.strictSame([...(second?.places.values() ?? [])], [2]);
  t.equal(await begin(number), undefined, 'nor one that is late');
  t.strictSame(await openings.begin({ user: (await signUp(server)).user_id, number, line: 0 }), {
    places: new Map(),
    isPast: false,
  });
});
