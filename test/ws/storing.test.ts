import t from 'tap';
import type { Asker } from '../../plugins/db/lanes.js';
import { build, type Client, connect, connectSynced, eventually, type Server, signUp } from '../helper.js';

const server = await build(t, { REPAIR_SECONDS: '1' });
const pair = async () => [await signUp(server), await signUp(server)] as const;

/** What the log asks of its database while a test stands in between. */
type Ask = (ask: () => Promise<unknown>, text: string, values: string) => Promise<unknown>;

/** Puts something between the log and its database until it is taken away again. */
function between({ app }: Server, answer: Ask): () => void {
  const { db } = app;
  const { log } = db;
  const set = (value: object) => Object.assign(db, { log: value });
  const ask: Asker['ask'] = (question, ms) =>
    log.ask((sql) => {
      const query = (strings: TemplateStringsArray, ...values: never[]) =>
        // A part of a statement goes into it as it is.
        /^\s*(select|insert|update|delete|with)\b/.test(strings[0] ?? '')
          ? answer(async () => sql(strings, ...values), strings.join('?'), values.join())
          : sql(strings, ...values);
      return question(Object.assign(query, sql));
    }, ms);
  set({ ask });
  return () => void set(log);
}
const failure = (code: string) => Object.assign(new Error('on purpose'), { code });
const isAppend = (text: string) => text.includes('append_4(');

t.test('[B1] nobody hears of a message before it is stored', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  for (const join of [connect, connectSynced]) {
    const b = await join(t, server, bob);
    const heard = b.of('chat').length;
    const before = a.of('sent').length;
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let waiting = false;
    const restore = between(server, async (ask, text) => {
      if (isAppend(text)) {
        waiting = true;
        await gate;
      }
      return ask();
    });
    a.send('chat', { to_user_id: bob.user_id, content: 'wait' });
    await eventually(() => waiting, 'nothing is stored');
    await a.barrier();
    await b.barrier();
    t.strictSame([b.of('chat').length - heard, a.of('sent').length - before], [0, 0]);
    open();
    await b.next('chat');
    await a.until(() => a.of('sent').length === before + 1, 'no sent');
    restore();
  }
});

t.test(
  '[B2] a message reaches its receiver though the connection that it was written to breaks',
  async (t) => {
    const [alice, bob] = await pair();
    const a = await connectSynced(t, server, alice);
    for (const extended of [false, true]) {
      const b = extended
        ? await connectSynced(t, server, bob)
        : await connect(t, server, bob, { options: { autoPong: false } });
      const content = `to one that is ${extended ? 'extended' : 'plain'}`;
      a.send('chat', { to_user_id: bob.user_id, content });
      await a.next('sent');
      await b.next('chat');
      b.socket.terminate();
      await b.closed;
      const next = await connect(t, server, bob);
      next.send('get_offline');
      t.strictSame(
        (await next.next('offline_list')).data.map((row: { content: string }) => row.content),
        [content],
      );
      // Confirmed now: the pong of this frame goes out before the socket's close frame.
      await next.close();
    }
  },
);

t.test('[B2] a message whose delivery was lost on the way is found in the log', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  for (const join of [connect, connectSynced]) {
    const b = await join(t, server, bob);
    const before = b.of('chat').length;
    const { listener } = server.app.messages;
    server.app.messages.listener = { onStored: () => {} };
    a.send('chat', { to_user_id: bob.user_id, content: 'lost' });
    await a.next('sent');
    server.app.messages.listener = listener;
    t.equal((await b.next('chat')).content, 'lost');
    await b.barrier();
    t.equal(b.of('chat').length, before + 1);
    await b.close();
  }
});

const sends = (sender: Client, to: number) => ({
  chat: (id: string) => sender.send('chat', { id, to_user_id: to, content: id }),
});

t.test(
  '[B6] a send that cannot be stored is answered at once, retryable, and can be sent again',
  async (t) => {
    const [alice, bob] = await pair();
    const [a, b] = [await connectSynced(t, server, alice), await connect(t, server, bob)];
    const plain = await connect(t, server, await signUp(server));
    a.send('chat', { id: 'open', to_user_id: bob.user_id, content: 'open' });
    await a.next('sent');
    await b.next('chat');
    const restore = between(server, () => Promise.reject(failure('ECONNREFUSED')));
    t.teardown(restore);
    for (const id of ['one', 'two']) {
      sends(a, bob.user_id).chat(id);
      t.strictSame(await a.next('error'), {
        type: 'error',
        id,
        code: 'unavailable',
        content: 'the message cannot be stored now, try again',
        retryable: true,
      });
    }
    plain.send('chat', { to_user_id: bob.user_id, content: 'three' });
    t.strictSame(await plain.next('error'), {
      type: 'error',
      content: 'the message cannot be stored now, try again',
    });
    const { status, body } = await server.request('POST', '/api/messages', {
      token: alice.token,
      body: { to_user_id: bob.user_id, content: 'four' },
    });
    t.strictSame([status, body.error], [503, 'unavailable']);
    t.equal((await server.request('GET', '/readyz')).status, 503);
    restore();
    await eventually(() => server.app.messages.works, 'the log does not recover');
    sends(a, bob.user_id).chat('one');
    t.equal((await a.next('sent')).seq, 2);
    t.equal((await b.next('chat')).content, 'one');
    await b.barrier();
    t.equal(b.of('chat').length, 2);
  },
);

t.test('[B6] a send whose outcome is unknown is asked for until it is known', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connect(t, server, bob)];
  for (const stored of [true, false]) {
    let failures = 0;
    const restore = between(server, async (ask, text) => {
      if (!isAppend(text) || failures++ > 0) return ask();
      if (stored) await ask();
      throw failure('CONNECTION_CLOSED');
    });
    const id = `stored-${stored}`;
    sends(a, bob.user_id).chat(id);
    t.equal((await a.next('sent')).id, id);
    t.equal((await b.next('chat')).content, id);
    restore();
  }
  await b.barrier();
  t.equal(b.of('chat').length, 2);
  t.equal(a.of('error').length, 0);
  const { body } = await server.request('GET', '/api/conversations', { token: bob.token });
  t.equal(body.data.conversations[0].last_seq, 2);
});

t.test('[B6] one refused message does not take the others of its batch with it', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connect(t, server, bob)];
  const restore = between(server, async (ask, text, values) => {
    if (isAppend(text) && values.includes('poison')) throw failure('22P05');
    return ask();
  });
  t.teardown(restore);
  for (const id of ['1', 'poison', '3', '4']) sends(a, bob.user_id).chat(id);
  await a.until(() => a.of('sent').length + a.of('error').length === 4, 'not all are answered');
  t.strictSame(
    a.of('error').map((error) => [error.id, error.code]),
    [['poison', 'content_invalid']],
  );
  await b.until(() => b.of('chat').length === 3, 'not all came');
  t.strictSame(
    b.of('chat').map((frame) => frame.content),
    ['1', '3', '4'],
  );
});
