import t from 'tap';
import { build, connectSynced, signUp, type User } from './helper.js';

const server = await build(t);
const get = (user: User, path: string) => server.request('GET', path, { token: user.token });
async function send(from: User, to: User, content: string, id?: string) {
  const { body } = await server.request('POST', '/api/messages', {
    token: from.token,
    body: { to_user_id: to.user_id, content, ...(id !== undefined && { id }) },
  });
  return body.data;
}
const read = (user: User, conversation: number, seq: unknown) =>
  server.request('POST', `/api/conversations/${conversation}/read`, { token: user.token, body: { seq } });
const named = ({ user_id, username }: User) => ({ user_id, username });

/** Two users with a number of messages from the first to the second. */
async function talk(messages: number) {
  const [a, b] = [await signUp(server), await signUp(server)];
  let conversation = 0;
  for (let i = 1; i <= messages; i++)
    conversation = (await send(a, b, `message ${i}`, `id-${i}`)).conversation_id;
  return { a, b, conversation };
}

t.test('who has no messages has no conversations', async (t) => {
  const { body } = await get(await signUp(server), '/api/conversations');
  t.strictSame(body, { code: 0, message: 'ok', data: { conversations: [], next_cursor: null } });
});

t.test('a conversation is shown to both sides, each with what is theirs', async (t) => {
  const { a, b, conversation } = await talk(2);
  const { msg_id, created_at } = await send(a, b, 'last', 'k');
  const last_message = {
    conversation_id: conversation,
    msg_id,
    seq: 3,
    from_user_id: a.user_id,
    to_user_id: b.user_id,
    content: 'last',
    created_at,
  };
  const common = {
    conversation_id: conversation,
    last_seq: 3,
    read_seq: 0,
    mentions: 0,
    settings: { level: 'all', muted_until: null, pinned: false, hidden: false, unread_from: null },
    receipt: { delivered_seq: 0, read_seq: 0 },
  };
  t.strictSame((await get(a, '/api/conversations')).body.data.conversations, [
    { ...common, user: named(b), last_message: { ...last_message, id: 'k' }, unread: 0 },
  ]);
  t.strictSame((await get(b, '/api/conversations')).body.data.conversations, [
    { ...common, user: named(a), last_message, unread: 3 },
  ]);
});

t.test('a conversation with oneself has oneself on the other side', async (t) => {
  const a = await signUp(server);
  await send(a, a, 'note');
  const [only, ...rest] = (await get(a, '/api/conversations')).body.data.conversations;
  t.strictSame(rest, []);
  t.match(only, { user: named(a), last_seq: 1, unread: 0 });
});

t.test('conversations come newest first, page by page', async (t) => {
  const me = await signUp(server);
  const others = [await signUp(server), await signUp(server), await signUp(server)];
  for (const other of others) await send(other, me, 'hello');
  await send(me, others[0] ?? me, 'again');
  const order = [others[0], others[2], others[1]].map((user) => user?.user_id);
  const seen: number[] = [];
  let cursor: number | null = null;
  do {
    const { body } = await get(me, `/api/conversations?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`);
    seen.push(...body.data.conversations.map((row: { user: User }) => row.user.user_id));
    cursor = body.data.next_cursor;
  } while (cursor !== null);
  t.strictSame(seen, order);
});

t.test('the other side of a conversation may be gone', async (t) => {
  const { a, b, conversation } = await talk(1);
  await server.app.db.sql`delete from users where user_id = ${a.user_id}`;
  const { status, body } = await get(b, '/api/conversations');
  t.equal(status, 200);
  t.match(body.data.conversations, [{ conversation_id: conversation, user: { user_id: a.user_id } }]);
  t.equal((await get(b, `/api/conversations/${conversation}/messages`)).body.data.messages.length, 1);
});

t.test('history comes oldest first, backward from the end and forward from a place', async (t) => {
  const { a, b, conversation } = await talk(7);
  const page = async (query: string, user = b) => {
    const { body } = await get(user, `/api/conversations/${conversation}/messages${query}`);
    return [body.data.messages.map((message: { seq: number }) => message.seq), body.data.has_more];
  };
  t.strictSame(await page(''), [[1, 2, 3, 4, 5, 6, 7], false]);
  t.strictSame(await page('?limit=3'), [[5, 6, 7], true]);
  t.strictSame(await page('?limit=3&before=5'), [[2, 3, 4], true]);
  t.strictSame(await page('?limit=3&before=4'), [[1, 2, 3], false]);
  t.strictSame(await page('?before=1'), [[], false]);
  t.strictSame(await page('?limit=3&after=0'), [[1, 2, 3], true]);
  t.strictSame(await page('?limit=3&after=4'), [[5, 6, 7], false]);
  t.strictSame(await page('?after=7'), [[], false]);
  t.strictSame(await page('?limit=3', a), [[5, 6, 7], true]);
});

t.test('only the sender sees the ids of messages', async (t) => {
  const { a, b, conversation } = await talk(1);
  const path = `/api/conversations/${conversation}/messages`;
  t.equal((await get(a, path)).body.data.messages[0].id, 'id-1');
  t.notOk('id' in (await get(b, path)).body.data.messages[0]);
});

t.test('reading what is read already writes nothing', async (t) => {
  const { b, conversation } = await talk(2);
  const { sql } = server.app.db;
  const version = async () => [
    ...(await sql`select xmin::text, ctid::text, read_seq, delivered_seq from cursors where user_id = ${b.user_id}`),
  ];
  await read(b, conversation, 0);
  t.strictSame(await version(), []);
  await read(b, conversation, 2);
  const before = await version();
  t.match(before, [{ read_seq: 2, delivered_seq: 2 }], 'what is read has arrived');
  for (const seq of [2, 1, 99, 0]) t.equal((await read(b, conversation, seq)).body.data.read_seq, 2);
  t.strictSame(await version(), before);
});

t.test('reading moves forward only, not past the end, and the other side hears of it', async (t) => {
  const { a, b, conversation } = await talk(4);
  const socket = await connectSynced(t, server, a);
  for (const [seq, state] of [
    [2, { read_seq: 2, unread: 2, mentions: 0 }],
    [1, { read_seq: 2, unread: 2, mentions: 0 }],
    [0, { read_seq: 2, unread: 2, mentions: 0 }],
    [99, { read_seq: 4, unread: 0, mentions: 0 }],
  ] as const)
    t.strictSame((await read(b, conversation, seq)).body, { code: 0, message: 'ok', data: state });
  await socket.until(() => socket.of('receipt').some((frame) => frame.read_seq === 4), 'no receipt');
  t.match(socket.of('receipt').at(-1), { conversation_id: conversation, user_id: b.user_id, read_seq: 4 });
  t.match((await get(a, '/api/conversations')).body.data.conversations, [{ receipt: { read_seq: 4 } }]);
  t.match((await get(b, '/api/conversations')).body.data.conversations, [{ unread: 0, read_seq: 4 }]);
});

t.test('a conversation of others is not there', async (t) => {
  const { conversation } = await talk(1);
  const eve = await signUp(server);
  for (const id of [conversation, 99_999_999])
    for (const answer of [await get(eve, `/api/conversations/${id}/messages`), await read(eve, id, 1)]) {
      t.equal(answer.status, 404);
      t.strictSame(answer.body, {
        code: 404,
        message: 'conversation not found',
        error: 'conversation_not_found',
      });
    }
});

t.test('what cannot be a page or a place is refused', async (t) => {
  const { b, conversation } = await talk(1);
  for (const path of [
    ...[
      'limit=0',
      'limit=101',
      'limit=x',
      'cursor=0',
      'cursor=-1',
      'cursor=1.5',
      'cursor=',
      'cursor=null',
    ].map((query) => `/api/conversations?${query}`),
    ...[
      'limit=0',
      'limit=201',
      'before=0',
      'before=x',
      'after=-1',
      'after=9007199254740992',
      'before=2&after=1',
    ].map((query) => `/api/conversations/${conversation}/messages?${query}`),
    '/api/conversations/x/messages',
    '/api/conversations/0/messages',
    '/api/conversations/1.5/messages',
  ]) {
    const { status, body } = await get(b, path);
    t.equal(status, 400, path);
    t.equal(body.error, 'bad_request');
  }
  for (const seq of [-1, 1.5, '1', null, undefined, true, 2 ** 53]) {
    const { status, body } = await read(b, conversation, seq);
    t.equal(status, 400, JSON.stringify(seq));
    t.equal(body.error, 'bad_request');
  }
});

t.test('only the holder of a token may look', async (t) => {
  for (const path of ['/api/conversations', '/api/conversations/1/messages']) {
    const { status, body } = await server.request('GET', path);
    t.equal(status, 401);
    t.equal(body.error, 'missing_token');
  }
  t.equal((await server.request('POST', '/api/conversations/1/read', { body: { seq: 1 } })).status, 401);
});
