import t from 'tap';
import { build, connect, connectSynced, signUp, type User } from './helper.js';

const server = await build(t);
const [alice, bob] = [await signUp(server), await signUp(server)];
const post = (user: User, body: unknown, key?: string) =>
  server.request('POST', '/api/messages', {
    body,
    token: user.token,
    headers: key === undefined ? {} : { 'idempotency-key': key },
  });

/** How many messages two users have in their one conversation, as one of them sees it. */
async function countOf(user: User, conversation: number): Promise<number> {
  const { body } = await server.request('GET', `/api/conversations/${conversation}/messages?limit=200`, {
    token: user.token,
  });
  return body.data.messages.length;
}

t.test('a message is stored, and the answer says where', async (t) => {
  const [a, b] = [await signUp(server), await signUp(server)];
  const first = await post(a, { to_user_id: b.user_id, content: '  hello ', id: 'one' });
  t.equal(first.status, 200);
  const { conversation_id, msg_id, created_at } = first.body.data;
  t.strictSame(first.body, {
    code: 0,
    message: 'ok',
    data: { id: 'one', conversation_id, to_user_id: b.user_id, msg_id, seq: 1, created_at },
  });
  t.equal(new Date(created_at).toISOString(), created_at);
  const second = await post(b, { conversation_id, content: 'hi' });
  t.match(second.body.data, { conversation_id, to_user_id: a.user_id, seq: 2, id: /^~/ });
  t.ok(second.body.data.msg_id > msg_id);
  const history = await server.request('GET', `/api/conversations/${conversation_id}/messages`, {
    token: b.token,
  });
  t.strictSame(
    history.body.data.messages.map((message: { content: string }) => message.content),
    ['hello', 'hi'],
  );
});

t.test('the same id to the same conversation is the same message, by body or by header', async (t) => {
  const [a, b] = [await signUp(server), await signUp(server)];
  const first = await post(a, { to_user_id: b.user_id, content: 'once', id: 'key-1' });
  for (const again of [
    await post(a, { to_user_id: b.user_id, content: 'once', id: 'key-1' }),
    await post(a, { to_user_id: b.user_id, content: 'once' }, 'key-1'),
    await post(a, { conversation_id: first.body.data.conversation_id, content: 'once' }, 'key-1'),
    await post(a, { to_user_id: b.user_id, content: 'once', id: 'key-1' }, 'another'),
  ]) {
    t.equal(again.status, 200);
    t.strictSame(again.body, first.body);
  }
  t.equal(await countOf(a, first.body.data.conversation_id), 1);
});

t.test('the same id sent many times at once is one message', async (t) => {
  const [a, b] = [await signUp(server), await signUp(server)];
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => post(a, { to_user_id: b.user_id, content: 'once' }, 'key')),
  );
  for (const { body } of answers) t.strictSame(body, answers[0]?.body);
  t.equal(await countOf(a, answers[0]?.body.data.conversation_id), 1);
});

t.test('an id is the sender’s own: another sender or another conversation has its own', async (t) => {
  const [a, b, c] = [await signUp(server), await signUp(server), await signUp(server)];
  const sent = [
    await post(a, { to_user_id: b.user_id, content: 'x' }, 'k'),
    await post(b, { to_user_id: a.user_id, content: 'x' }, 'k'),
    await post(a, { to_user_id: c.user_id, content: 'x' }, 'k'),
  ];
  t.equal(new Set(sent.map(({ body }) => body.data.msg_id)).size, 3);
  t.equal(sent[0]?.body.data.conversation_id, sent[1]?.body.data.conversation_id);
});

t.test('ids that differ only by case are two', async (t) => {
  const [a, b] = [await signUp(server), await signUp(server)];
  const [one, two] = [
    await post(a, { to_user_id: b.user_id, content: 'x' }, 'Key'),
    await post(a, { to_user_id: b.user_id, content: 'x' }, 'kEY'),
  ];
  t.not(one.body.data.msg_id, two.body.data.msg_id);
});

t.test('a message without an id is a new one every time', async (t) => {
  const [a, b] = [await signUp(server), await signUp(server)];
  const [one, two] = await Promise.all(
    [1, 2].map(() => post(a, { to_user_id: b.user_id, content: 'x' }, '')),
  );
  t.not(one?.body.data.msg_id, two?.body.data.msg_id);
  t.not(one?.body.data.id, two?.body.data.id);
});

t.test('a message to oneself is allowed', async (t) => {
  const { status, body } = await post(alice, { to_user_id: alice.user_id, content: 'note' });
  t.equal(status, 200);
  t.equal(body.data.to_user_id, alice.user_id);
});

t.test('the receiver’s socket gets it, and so does the sender’s own', async (t) => {
  const [a, b, c] = [await signUp(server), await signUp(server), await signUp(server)];
  const own = await connectSynced(t, server, a);
  const [plain, extended] = [await connect(t, server, b), await connectSynced(t, server, c)];
  const { body } = await post(a, { to_user_id: b.user_id, content: 'to b' }, 'k1');
  const sent = await post(a, { to_user_id: c.user_id, content: 'to c' }, 'k2');
  t.strictSame(await plain.next('chat'), {
    type: 'chat',
    to_user_id: b.user_id,
    from_user_id: a.user_id,
    content: 'to b',
  });
  const { conversation_id, msg_id, created_at } = sent.body.data;
  const frame = {
    type: 'chat',
    conversation_id,
    msg_id,
    seq: 1,
    from_user_id: a.user_id,
    to_user_id: c.user_id,
  };
  t.strictSame(await extended.next('chat'), { ...frame, content: 'to c', created_at });
  t.match(await own.next('chat'), { msg_id: body.data.msg_id, content: 'to b', id: 'k1' });
  t.strictSame(await own.next('chat'), { ...frame, content: 'to c', created_at, id: 'k2' });
});

t.test('content may have 16384 bytes, of any characters', async (t) => {
  for (const content of [
    'x'.repeat(16_384),
    '🦊'.repeat(4096),
    '\u0001\u200b\ufeff-',
    '<script>',
    "'); drop table users",
  ])
    t.equal((await post(alice, { to_user_id: bob.user_id, content })).status, 200);
  for (const content of ['x'.repeat(16_385), `${'🦊'.repeat(4096)}x`, 'é'.repeat(8193)]) {
    const { status, body } = await post(alice, { to_user_id: bob.user_id, content });
    t.equal(status, 400);
    t.equal(body.error, 'content_too_long');
    t.match(body.message, '16384');
  }
});

t.test('content that cannot be is refused with the code of what is wrong', async (t) => {
  for (const [content, error] of [
    ['', 'content_required'],
    [' \n\t ', 'content_required'],
    ['a\0b', 'content_invalid'],
    ['\ud83d', 'content_invalid'],
    ['\udd8a\ud83d', 'content_invalid'],
    [5, 'bad_request'],
    [null, 'bad_request'],
    [['x'], 'bad_request'],
    [undefined, 'bad_request'],
  ] as const) {
    const { status, body } = await post(alice, { to_user_id: bob.user_id, content });
    t.equal(status, 400, JSON.stringify(content));
    t.equal(body.error, error, JSON.stringify(content));
  }
});

t.test('a target that cannot be is refused', async (t) => {
  const chat = { content: 'x' };
  for (const target of [
    {},
    { to_user_id: bob.user_id, conversation_id: 1 },
    { to_user_id: 0 },
    { to_user_id: -1 },
    { to_user_id: 1.5 },
    { to_user_id: String(bob.user_id) },
    { to_user_id: null },
    { to_user_id: 2 ** 53 },
    { to_user_id: [bob.user_id] },
    { conversation_id: true },
  ]) {
    const { status, body } = await post(alice, { ...chat, ...target });
    t.equal(status, 400, JSON.stringify(target));
    t.equal(body.error, 'bad_request');
  }
  t.match(await post(alice, { ...chat, to_user_id: 99_999_999 }), {
    status: 404,
    body: { code: 404, message: 'target user not found', error: 'user_not_found' },
  });
});

t.test('a conversation of others is not there', async (t) => {
  const eve = await signUp(server);
  const { body } = await post(alice, { to_user_id: bob.user_id, content: 'x' });
  for (const conversation_id of [body.data.conversation_id, 99_999_999]) {
    const answer = await post(eve, { conversation_id, content: 'x' });
    t.equal(answer.status, 404);
    t.equal(answer.body.error, 'conversation_not_found');
  }
});

t.test('an id that cannot be is refused, and those of the server are not for clients', async (t) => {
  const body = { to_user_id: bob.user_id, content: 'x' };
  for (const id of ['~abc.0', 'a b', 'a/b', 'a,b', 'x'.repeat(65), '"x"']) {
    t.match(await post(alice, body, id), { status: 400, body: { error: 'bad_request' } }, id);
    t.match(await post(alice, { ...body, id }), { status: 400, body: { error: 'bad_request' } }, id);
  }
  for (const id of ['', 5, null, {}])
    t.match(await post(alice, { ...body, id }), { status: 400, body: { error: 'bad_request' } });
  t.equal((await post(alice, body, 'x'.repeat(64))).status, 200);
});

t.test('only the holder of a token may send', async (t) => {
  const body = { to_user_id: bob.user_id, content: 'x' };
  t.equal((await server.request('POST', '/api/messages', { body })).body.error, 'missing_token');
  t.equal((await post({ ...alice, token: 'nonsense' }, body)).body.error, 'unauthorized');
});
