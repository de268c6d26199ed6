import t from 'tap';
import { LIMITS } from '../../schemas/limits.js';
import { build, type Client, connect, connectSynced, signUp } from '../helper.js';

const server = await build(t);
const pair = async () => [await signUp(server), await signUp(server)] as const;

/** An error as either protocol tells it. */
const errorOf = async (client: Client) => {
  const { code, content } = await client.next('error');
  return client.extended ? code : content;
};

for (const extended of [false, true]) {
  const kind = extended ? 'extended' : 'plain';
  const open = async (t: Parameters<typeof connect>[0], user: Parameters<typeof connect>[2]) =>
    extended ? connectSynced(t, server, user) : connect(t, server, user);

  t.test(`[B3] ${kind}: content is trimmed, and what nobody could store or read is refused`, async (t) => {
    const [alice, bob] = await pair();
    const [a, b] = [await open(t, alice), await connectSynced(t, server, bob)];
    const refused: [string, string, string][] = [
      ['', 'content_required', 'content is required'],
      [' \n\u3000', 'content_required', 'content is required'],
      ['a\0b', 'content_invalid', 'content has a character that cannot be stored'],
      ['\ud800', 'content_invalid', 'content has a character that cannot be stored'],
      ['a\udc00b', 'content_invalid', 'content has a character that cannot be stored'],
    ];
    for (const [content, code, text] of refused) {
      a.send('chat', { to_user_id: bob.user_id, content });
      t.equal(await errorOf(a), extended ? code : text, JSON.stringify(content));
    }
    const kept = ['\ud83d\ude00', '"\\{},\n\t\u0001\u2028z', '{"a":1}', '%s $1 \\x00', 'é e\u0301'];
    for (const content of kept) {
      a.send('chat', { to_user_id: bob.user_id, content: ` ${content}\n` });
      t.equal((await b.next('chat')).content, content);
    }
    const code = '    if (x)\n      y();';
    a.send('chat', { to_user_id: bob.user_id, content: `\n${code}\n` });
    t.equal((await b.next('chat')).content, extended ? code : code.trim());
    if (extended) {
      a.send('chat', { to_user_id: bob.user_id, content: 'ü'.repeat(LIMITS.contentBytes / 2) });
      t.equal((await b.next('chat')).content.length, LIMITS.contentBytes / 2);
      a.send('chat', { to_user_id: bob.user_id, content: `x${'ü'.repeat(LIMITS.contentBytes / 2)}` });
      t.equal(await errorOf(a), 'content_too_long');
    }
    await a.barrier();
    t.equal(a.socket.readyState, a.socket.OPEN);
  });

  t.test(`[B4] ${kind}: a frame that makes no sense is answered, and the connection stays`, async (t) => {
    const a = await open(t, await signUp(server));
    const bad = [
      '',
      'hello',
      '{',
      'null',
      '[]',
      '"chat"',
      '1',
      '{"type":1}',
      '{"type":{}}',
      '[{"type":"chat"}]',
    ];
    for (const text of bad) {
      a.socket.send(text);
      const answer = await errorOf(a);
      t.match(answer, extended ? /^bad_request$/ : /^bad frame: /, text);
    }
    a.socket.send(Buffer.from('{"type":"get_offline"}'));
    t.match(await errorOf(a), extended ? 'bad_request' : 'bad frame: frames are text');
    for (const type of ['nonsense', '__proto__', 'constructor', '']) {
      a.send(type);
      t.equal(await errorOf(a), extended ? 'unsupported_type' : 'unsupported message type', type);
    }
    await a.barrier();
    t.equal(a.socket.readyState, a.socket.OPEN);
  });

  t.test(`[B4] ${kind}: only repeated abuse closes the connection`, async (t) => {
    const a = await open(t, await signUp(server));
    for (let i = 0; i < 30; i++) a.socket.send('nonsense');
    t.strictSame(await a.closed, { code: 1008, reason: 'too many bad frames' });
    t.ok(a.of('error').length >= 20);
  });

  t.test(`[B4] ${kind}: what is bad now and then is no abuse`, async (t) => {
    const a = await open(t, await signUp(server));
    for (let minute = 0; minute < 3; minute++) {
      for (let i = 0; i < 15; i++) a.socket.send('nonsense');
      await a.barrier();
      server.app.clock.now += 60_001;
    }
    t.equal(a.of('error').length, 45);
    t.equal(a.socket.readyState, a.socket.OPEN);
  });

  t.test(`[B4] ${kind}: an error in what is said is no abuse`, async (t) => {
    const a = await open(t, await signUp(server));
    for (let i = 0; i < 60; i++) a.send('chat', { to_user_id: 999_999_999, content: `${i % 2 ? 'x' : ' '}` });
    await a.until(() => a.of('error').length === 60, 'not all are answered');
    t.equal(a.socket.readyState, a.socket.OPEN);
  });

  t.test(`[B5] ${kind}: unknown fields are ignored, and nothing is converted`, async (t) => {
    const [alice, bob] = await pair();
    const [a, b] = [await open(t, alice), await connectSynced(t, server, bob)];
    const wrong = [
      { to_user_id: String(bob.user_id), content: 'x' },
      { to_user_id: [bob.user_id], content: 'x' },
      { to_user_id: bob.user_id + 0.5, content: 'x' },
      { to_user_id: true, content: 'x' },
      { to_user_id: bob.user_id, content: 1 },
      { to_user_id: bob.user_id, content: ['x'] },
      { to_user_id: bob.user_id, content: {} },
    ];
    for (const fields of wrong) {
      a.send('chat', fields);
      t.match(await errorOf(a), extended ? 'bad_request' : /^bad frame: (to_user_id|content) /);
    }
    a.send('chat', {
      to_user_id: bob.user_id,
      content: 'x',
      more: { a: [1] },
      created_at: 'yesterday',
      seq: 7,
    });
    const { seq, content, from_user_id } = await b.next('chat');
    t.strictSame([seq, content, from_user_id], [1, 'x', alice.user_id]);
  });

  t.test(`[B7] ${kind}: a frame past the protocol's size closes the connection`, async (t) => {
    const [alice, bob] = await pair();
    const most = extended ? LIMITS.frameBytes : 4096;
    const frame = (bytes: number) => {
      const head = `{"type":"chat","to_user_id":${bob.user_id},"content":"still fine","pad":"`;
      return `${head}${'x'.repeat(bytes - head.length - 2)}"}`;
    };
    const [a, b] = [await open(t, alice), await connect(t, server, bob)];
    a.socket.send(frame(most));
    t.equal((await b.next('chat')).content, 'still fine');
    a.socket.send(frame(most + 1));
    t.equal((await a.closed).code, 1009);
    const again = await open(t, alice);
    again.socket.send('x'.repeat(LIMITS.frameBytes * 2));
    t.equal((await again.closed).code, 1009);
    await b.barrier();
    t.equal(b.of('chat').length, 1);
  });
}

t.test('[B8] plain and extended clients talk to each other', async (t) => {
  const [alice, bob] = await pair();
  const [plain, extended] = [await connect(t, server, alice), await connectSynced(t, server, bob)];
  plain.send('chat', { to_user_id: bob.user_id, content: 'to an extended one' });
  const got = await extended.next('chat');
  t.strictSame(got, {
    type: 'chat',
    conversation_id: got.conversation_id,
    msg_id: got.msg_id,
    seq: 1,
    from_user_id: alice.user_id,
    to_user_id: bob.user_id,
    content: 'to an extended one',
    created_at: got.created_at,
  });
  t.equal(new Date(got.created_at).toISOString(), got.created_at);
  extended.send('chat', { conversation_id: got.conversation_id, content: 'to a plain one' });
  t.strictSame(await plain.next('chat'), {
    type: 'chat',
    to_user_id: alice.user_id,
    from_user_id: bob.user_id,
    content: 'to a plain one',
  });
  t.equal((await extended.next('sent')).seq, 2);
});
