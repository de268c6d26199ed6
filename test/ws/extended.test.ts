import t from 'tap';
import { GROUPS, LIMITS } from '../../schemas/limits.js';
import { build, type Client, connect, connectSynced, signUp } from '../helper.js';

const server = await build(t);
const pair = async () => [await signUp(server), await signUp(server)] as const;

const seqs = (client: Client, ...types: string[]) =>
  client.frames.filter((frame) => types.includes(frame.type)).map((frame) => frame.seq);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

t.test('[X1] welcome comes first', async (t) => {
  const user = await signUp(server);
  const client = await connect(t, server, user, { extended: true });
  client.send('ping');
  await client.next('pong');
  const [welcome, pong] = client.frames;
  t.equal(pong?.type, 'pong');
  const { server_time, token_expires_at, epoch, version } = welcome;
  t.equal(version, server.app.ui.version);
  t.strictSame(welcome, {
    type: 'welcome',
    user_id: user.user_id,
    username: user.username,
    instance_id: 'server-1',
    epoch,
    ...(version !== undefined && { version }),
    server_time,
    token_expires_at,
    heartbeat_seconds: 25,
    limits: {
      frame_bytes: LIMITS.frameBytes,
      content_bytes: LIMITS.contentBytes,
      unconfirmed_messages: LIMITS.unconfirmedMessages,
      unconfirmed_bytes: LIMITS.unconfirmedBytes,
      sync_positions: LIMITS.syncPositions,
      watched_users: LIMITS.watchedUsers,
      parked_members: GROUPS.parked,
      open_conversations: GROUPS.open,
      mention_all_members: GROUPS.mentionAll,
    },
  });
  t.equal(epoch, server.app.db.epoch);
  t.ok(Math.abs(Date.parse(server_time) - Date.now()) < 60_000);
  t.ok(Math.abs(Date.parse(token_expires_at) - Date.now() - 86_400_000) < 60_000);
});

t.test('[X5] live messages of both sides continue the position by one, always', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  const each = 150;
  for (let i = 0; i < each; i++) {
    a.send('chat', { to_user_id: bob.user_id, content: `a ${i}` });
    b.send('chat', { to_user_id: alice.user_id, content: `b ${i}` });
  }
  for (const client of [a, b]) {
    await client.until(() => seqs(client, 'chat', 'sent').length === 2 * each, 'not all came');
    // Each message is there once, as a message or as sent; messages come in order.
    t.strictSame(
      seqs(client, 'chat', 'sent').sort((x, y) => x - y),
      upTo(2 * each),
    );
    t.strictSame(
      seqs(client, 'chat'),
      seqs(client, 'chat').sort((x, y) => x - y),
    );
    t.strictSame(
      client.of('chat').map((frame) => frame.content),
      upTo(each).map((i) => `${client === a ? 'b' : 'a'} ${i - 1}`),
    );
  }
});

t.test('[X6] a stored message is answered with sent', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  a.send('chat', { id: 'my-id.1', to_user_id: bob.user_id, content: 'x' });
  const sent = await a.next('sent');
  t.strictSame(sent, {
    type: 'sent',
    id: 'my-id.1',
    conversation_id: sent.conversation_id,
    to_user_id: bob.user_id,
    msg_id: sent.msg_id,
    seq: 1,
    created_at: sent.created_at,
  });
  a.send('chat', { conversation_id: sent.conversation_id, content: 'without an id' });
  const second = await a.next('sent');
  t.match(second.id, /^~/);
  t.strictSame([second.seq, second.conversation_id], [2, sent.conversation_id]);
});

t.test('[X6] the same id again is the same message', async (t) => {
  const [alice, bob] = await pair();
  let a = await connectSynced(t, server, alice);
  const b = await connect(t, server, bob);
  const say = (id: string, fields: object) => a.send('chat', { id, content: `said ${id}`, ...fields });
  say('one', { to_user_id: bob.user_id });
  const first = await a.next('sent');
  say('one', { to_user_id: bob.user_id });
  t.strictSame(await a.next('sent'), first);
  say('one', { conversation_id: first.conversation_id });
  t.strictSame(await a.next('sent'), first);
  // Twice in one batch.
  say('two', { to_user_id: bob.user_id });
  say('two', { to_user_id: bob.user_id });
  const second = await a.next('sent');
  t.strictSame(await a.next('sent'), second);
  t.equal(second.seq, 2);
  await a.close();
  a = await connectSynced(t, server, alice, [{ conversation_id: first.conversation_id, seq: 2 }]);
  say('two', { to_user_id: bob.user_id });
  t.strictSame(await a.next('sent'), second);
  const answer = await server.request('POST', '/api/messages', {
    token: alice.token,
    body: { id: 'one', to_user_id: bob.user_id, content: 'said one' },
  });
  t.equal(answer.body.data.msg_id, first.msg_id);
  // The same id of the other user, or in another conversation, is another message.
  b.send('chat', { to_user_id: alice.user_id, content: 'three' });
  t.equal((await a.next('chat')).seq, 3);
  say('one', { to_user_id: alice.user_id });
  t.equal((await a.next('sent')).seq, 1);
  await b.barrier();
  t.strictSame(
    b.of('chat').map((frame) => frame.content),
    ['said one', 'said two'],
  );
});

t.test('[X6] an id that another text has already is refused, whoever remembers it', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const b = await connectSynced(t, server, bob);
  const chat = (content: string) => a.send('chat', { id: 'once', to_user_id: bob.user_id, content });
  const refused = async () => {
    const { type, id, code, retryable } = await a.next('error');
    t.strictSame(
      { type, id, code, retryable },
      { type: 'error', id: 'once', code: 'id_reused', retryable: false },
    );
  };
  // In one batch.
  chat('first');
  chat('second');
  await refused();
  const sent = await a.next('sent');
  // Of late.
  chat('third');
  await refused();
  // By an instance that has not met it.
  const other = await build(t, {}, server);
  const answer = await other.request('POST', '/api/messages', {
    token: alice.token,
    body: { id: 'once', to_user_id: bob.user_id, content: 'fifth' },
  });
  t.strictSame([answer.status, answer.body.error], [409, 'id_reused']);
  chat('first');
  t.strictSame(await a.next('sent'), sent);
  await b.barrier();
  t.strictSame(
    b.of('chat').map(({ content }) => content),
    ['first'],
  );
});

t.test('[X6] a message sent again long after is not given again', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  a.send('chat', { id: 'once', to_user_id: bob.user_id, content: 'once' });
  await a.next('sent');
  const before = await connect(t, server, bob);
  before.send('get_offline');
  t.equal((await before.next('offline_list')).data.length, 1);
  await before.close();
  for (let i = 0; i < 2; i++) {
    const b = await connect(t, server, bob);
    // By an instance that has not met it.
    const again = await connectSynced(t, await build(t, {}, server), alice);
    again.send('chat', { id: 'once', to_user_id: bob.user_id, content: 'once' });
    t.equal((await again.next('sent')).seq, 1);
    await b.barrier();
    await server.app.hub.repair();
    await b.barrier();
    t.equal(b.of('chat').length, 0);
  }
});

t.test('[X7] own messages count, and those stored elsewhere come as chat with their id', async (t) => {
  const [alice, bob] = await pair();
  const [a, b] = [await connectSynced(t, server, alice), await connectSynced(t, server, bob)];
  a.send('chat', { id: 'here', to_user_id: bob.user_id, content: '1' });
  const { conversation_id } = await a.next('sent');
  const { status, body } = await server.request('POST', '/api/messages', {
    token: alice.token,
    body: { id: 'there', to_user_id: bob.user_id, content: '2' },
  });
  t.equal(status, 200);
  t.strictSame(await a.next('chat'), {
    type: 'chat',
    conversation_id,
    msg_id: body.data.msg_id,
    seq: 2,
    from_user_id: alice.user_id,
    to_user_id: bob.user_id,
    content: '2',
    created_at: body.data.created_at,
    id: 'there',
  });
  b.send('chat', { to_user_id: alice.user_id, content: '3' });
  t.equal((await a.next('chat')).seq, 3);
  t.strictSame(seqs(a, 'chat', 'sent'), [1, 2, 3]);
  await b.until(() => seqs(b, 'chat', 'sent').length === 3, 'not all came');
  t.strictSame(seqs(b, 'chat', 'sent').sort(), [1, 2, 3]);
  t.notOk(
    b.of('chat').some((frame) => 'id' in frame),
    'ids are for the sender only',
  );
  // All of it is confirmed by the last position, own messages too.
  a.send('ack', { conversation_id, seq: 3 });
  await a.barrier();
  t.equal(a.of('error').length, 0);
});

t.test('[X14] an error has a stable code and repeats the id of its frame', async (t) => {
  const a = await connectSynced(t, server, await signUp(server));
  const cases: [string, object, string][] = [
    ['chat', { id: 'a', to_user_id: 999_999_999, content: 'x' }, 'user_not_found'],
    ['chat', { id: 'b', conversation_id: 999_999_999, content: 'x' }, 'conversation_not_found'],
    ['chat', { id: 'c', content: 'x' }, 'bad_request'],
    ['chat', { id: 'd', to_user_id: 1, conversation_id: 1, content: 'x' }, 'bad_request'],
    ['chat', { id: 'e', to_user_id: 1, content: ' ' }, 'content_required'],
    ['ack', { id: 'f', conversation_id: 999_999_999, seq: 1 }, 'invalid_position'],
    ['read', { id: 'g', conversation_id: 999_999_999, seq: 1 }, 'conversation_not_found'],
    ['typing', { id: 'h', conversation_id: 999_999_999 }, 'conversation_not_found'],
    ['presence', { id: 'i', user_ids: 'all' }, 'bad_request'],
    ['shout', { id: 'j' }, 'unsupported_type'],
  ];
  for (const [type, fields, code] of cases) {
    a.send(type, fields);
    const error = await a.next('error');
    t.strictSame(
      [error.id, error.code, error.retryable, typeof error.content],
      ['id' in fields && fields.id, code, false, 'string'],
    );
  }
  a.send('shout');
  t.notOk('id' in (await a.next('error')));
});

t.test('[X16] messages are stored in the order they were sent', async (t) => {
  const [alice, bob] = await pair();
  const a = await connectSynced(t, server, alice);
  const b = await connect(t, server, bob);
  const n = 400;
  for (let i = 1; i <= n; i++) {
    a.send('chat', { id: `n${i}`, to_user_id: bob.user_id, content: String(i) });
    // Frames that ask the database in between hold up what follows, and change nothing about the order.
    if (i % 50 === 0) a.send('presence', { id: `p${i}`, user_ids: [bob.user_id] });
    if (i % 70 === 0) a.send('typing', { conversation_id: 999_999_999 });
  }
  await a.until(() => a.of('sent').length === n, 'not all are stored');
  await b.until(() => b.of('chat').length === n, 'not all came');
  t.strictSame(
    a.of('sent').map((frame) => [frame.id, frame.seq]),
    upTo(n).map((i) => [`n${i}`, i]),
  );
  t.strictSame(
    b.of('chat').map((frame) => frame.content),
    upTo(n).map(String),
  );
  t.strictSame(
    a
      .of('presence')
      .map((frame) => frame.id)
      .filter(Boolean),
    upTo(n / 50).map((i) => `p${i * 50}`),
  );
});
