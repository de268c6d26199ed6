import t, { type Test } from 'tap';
import { CLOSE } from '../../schemas/close.js';
import { build, connect, eventually, signUp, type User } from '../helper.js';
import { exchange, type FrameParts, HANDSHAKE, isRefused, RawSocket, rawFrame, rawRequest } from '../raw.js';

const server = await build(t);
const user = await signUp(server);
const bearer = { Authorization: `Bearer ${user.token}` };
const upgrade = (target: string, headers: Record<string, string>) =>
  exchange(t, server.port, rawRequest('GET', target, { headers }));

const TEXT = 1;
const BINARY = 2;
const CLOSING = 8;
const PING = 9;
const PONG = 10;
const list = '{"type":"get_online_list"}';

/** An open socket of a user, plain or extended, with what is written to it in the same packet as the handshake. */
async function open(t: Test, early: Buffer[] = [], who = user, protocol?: string) {
  const socket = await RawSocket.open(t, server.port);
  const headers = {
    ...HANDSHAKE,
    Authorization: `Bearer ${who.token}`,
    ...(protocol !== undefined && { 'Sec-WebSocket-Protocol': protocol }),
  };
  socket.write(Buffer.concat([rawRequest('GET', '/ws', { headers }), ...early]));
  const { status } = await socket.answer();
  if (status !== 101) throw new Error(`the handshake was answered with ${status}`);
  return socket;
}

t.test('[O2] a handshake that is not one is refused with the envelope', async (t) => {
  for (const [what, change] of Object.entries({
    'no version': { 'Sec-WebSocket-Version': '' },
    'version 12': { 'Sec-WebSocket-Version': '12' },
    'version 14': { 'Sec-WebSocket-Version': '14' },
    'no key': { 'Sec-WebSocket-Key': '' },
    'a short key': { 'Sec-WebSocket-Key': 'abc' },
    'a key of other characters': { 'Sec-WebSocket-Key': '!HhlIHNhbXBsZSBub25jZQ==' },
    'bad subprotocols': { 'Sec-WebSocket-Protocol': ',,' },
    'a subprotocol twice': { 'Sec-WebSocket-Protocol': 'chat.v2, chat.v2' },
  })) {
    const answer = await upgrade('/ws', { ...HANDSHAKE, ...bearer, ...change });
    isRefused(t, answer, 'bad_request', what);
    t.equal(answer.headers['sec-websocket-version'], '13', what);
    t.equal(answer.headers.connection, 'close', what);
  }
});

t.test('[O2] what is no token is refused before the upgrade, and the connection is closed', async (t) => {
  for (const [target, error] of [
    ['/ws', 'missing_token'],
    ['/ws?token=', 'missing_token'],
    ['/ws?token', 'missing_token'],
    ['/ws?token=%zz', 'unauthorized'],
    ['/ws?token=%00', 'unauthorized'],
    ['/ws?token=a&token=b', 'unauthorized'],
    [`/ws?token=${'x'.repeat(10_000)}`, 'unauthorized'],
    ['/ws?__proto__=x', 'missing_token'],
  ] as const) {
    const answer = await upgrade(target, HANDSHAKE);
    isRefused(t, answer, error, target.slice(0, 40));
    t.equal(answer.headers.connection, 'close');
  }
  const nameless = await RawSocket.open(t, server.port);
  const handshake = rawRequest('GET', '/ws', { headers: { ...HANDSHAKE, ...bearer } }).toString();
  nameless.write(handshake.replace(/Host: .*\r\n/, ''));
  isRefused(t, await nameless.answer(), 'bad_request', 'without a host');
  await nameless.end();
  const early = await RawSocket.open(t, server.port);
  early.write(Buffer.concat([rawRequest('GET', '/ws', { headers: HANDSHAKE }), rawFrame(TEXT, list)]));
  isRefused(t, await early.answer(), 'missing_token', 'with a frame behind it');
  await early.end();
});

t.test('[O3] an origin that is no origin is refused', async (t) => {
  for (const Origin of [
    'null',
    'chat.example',
    'http://',
    '*',
    'http://evil.example',
    'http://chat.example.evil',
  ])
    isRefused(t, await upgrade('/ws', { ...HANDSHAKE, ...bearer, Origin }), 'origin_refused', Origin);
});

t.test('a plain request to the address of the socket says what it speaks', async (t) => {
  for (const headers of [{}, bearer, { Upgrade: 'websocket' }, { Connection: 'Upgrade' }]) {
    const answer = await upgrade('/ws', headers);
    isRefused(t, answer, 'upgrade_required');
    t.equal(answer.headers.upgrade, 'websocket');
  }
});

t.test('an extension that is offered is not taken', async (t) => {
  const headers = {
    ...HANDSHAKE,
    ...bearer,
    'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
  };
  const answer = await upgrade('/ws', headers);
  t.equal(answer.status, 101);
  t.notOk('sec-websocket-extensions' in answer.headers);
});

t.test('frames that break the protocol close the connection with the code that says so', async (t) => {
  const frame = (opcode: number, content: string | Buffer, parts?: FrameParts) =>
    rawFrame(opcode, content, parts);
  const unfinished = frame(TEXT, '{', { final: false });
  for (const [what, code, bytes] of [
    ['unmasked', 1002, frame(TEXT, list, { masked: false })],
    ['compressed, though that was not agreed', 1002, frame(TEXT, list, { reserved: 4 })],
    ['a reserved bit', 1002, frame(TEXT, list, { reserved: 1 })],
    ['a reserved opcode', 1002, frame(3, 'x')],
    ['a reserved control opcode', 1002, frame(11, 'x')],
    ['a continuation of nothing', 1002, frame(0, 'x')],
    ['a text inside a text', 1002, Buffer.concat([unfinished, frame(TEXT, '}')])],
    ['a ping in pieces', 1002, frame(PING, 'x', { final: false })],
    ['a long ping', 1002, frame(PING, Buffer.alloc(126))],
    ['a close of one byte', 1002, frame(CLOSING, Buffer.from([3]))],
    ['a close with a code that is none', 1002, frame(CLOSING, Buffer.from([3, 0xed]))],
    ['a close with a reason that is no UTF-8', 1007, frame(CLOSING, Buffer.from([3, 0xe8, 0xff]))],
    ['HTTP', 1002, rawRequest('GET', '/healthz')],
    ['invalid UTF-8', 1007, frame(TEXT, Buffer.from([0x22, 0xff, 0x22]))],
    ['invalid UTF-8 in pieces', 1007, Buffer.concat([unfinished, frame(0, Buffer.from([0xc3]))])],
    ['half a surrogate pair in UTF-8', 1007, frame(TEXT, Buffer.from('eda080', 'hex'))],
  ] as const) {
    const socket = await open(t);
    socket.write(bytes);
    t.equal(await socket.closeCode(), code, what);
  }
});

t.test('[B7] frames past the size close the connection with that code, however they come', async (t) => {
  const pieces = Array.from({ length: 20 }, (_, i) =>
    rawFrame(i === 0 ? TEXT : 0, 'x'.repeat(4000), { final: false }),
  );
  for (const [what, bytes] of [
    ['a little', rawFrame(TEXT, `"${'x'.repeat(4095)}"`)],
    ['much', rawFrame(TEXT, 'x'.repeat(70_000))],
    ['much more, still on its way', rawFrame(TEXT, 'x'.repeat(1_000_000))],
    ['a claim', rawFrame(TEXT, '', { length: 2 ** 40 })],
    ['a claim past all numbers', Buffer.from('81ffffffffffffffffff00000000', 'hex')],
    ['pieces', Buffer.concat(pieces)],
  ] as const) {
    const socket = await open(t);
    socket.write(bytes);
    t.equal(await socket.closeCode(), CLOSE.tooLarge.code, what);
  }
});

t.test(
  '[B4] frames that are no frames of ours are answered with an error, and the connection stays',
  async (t) => {
    const bad = [
      'hello',
      '',
      'null',
      '[]',
      '5',
      '"chat"',
      '{}',
      '{"type":5}',
      '{"type":null}',
      '{"type":["chat"]}',
      '{"type":"__proto__"}',
      '{"type":"constructor"}',
      '{"__proto__":{"type":"get_online_list"}}',
      '{"type":"Chat"}',
      '['.repeat(4000),
      '\ufeff{"type":"get_online_list"}',
      `{"type":"chat","to_user_id":"${user.user_id}","content":"x"}`,
      `{"type":"chat","to_user_id":1.5,"content":"x"}`,
      `{"type":"chat","to_user_id":1e999,"content":"x"}`,
      `{"type":"chat","to_user_id":${user.user_id},"content":5}`,
      `{"type":"chat","to_user_id":${user.user_id},"content":["x"]}`,
    ];
    for (const protocol of [undefined, 'chat.v2']) {
      let socket = await open(t, [], user, protocol);
      for (const [i, text] of bad.entries()) {
        // Too many on one connection would be abuse.
        if (i % 10 === 9) socket = await open(t, [], user, protocol);
        socket.write(rawFrame(TEXT, text));
        const answer = await nextError(socket);
        t.match(
          answer.content,
          /^(bad frame: |unsupported message type$)/,
          `${protocol}: ${text.slice(0, 60)}`,
        );
        if (protocol !== undefined)
          t.match(answer, { code: /^(bad_request|unsupported_type)$/, retryable: false });
      }
      socket.write(rawFrame(BINARY, list));
      t.equal((await nextError(socket)).content, 'bad frame: frames are text');
      socket.socket.destroy();
    }
  },
);

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it asserts
async function nextError(socket: RawSocket): Promise<any> {
  for (;;) {
    const frame = await socket.json();
    if (frame.type === 'error') return frame;
  }
}

t.test('[B3] content and targets that cannot be are refused with the texts of the reference', async (t) => {
  const socket = await open(t);
  for (const [fields, text] of [
    ['"content":"x"', 'invalid to_user_id'],
    ['"to_user_id":null,"content":"x"', 'invalid to_user_id'],
    ['"to_user_id":0,"content":"x"', 'invalid to_user_id'],
    ['"to_user_id":-5,"content":"x"', 'invalid to_user_id'],
    ['"to_user_id":9007199254740993,"content":"x"', 'invalid to_user_id'],
    ['"to_user_id":1,"to_user_id":0,"content":"x"', 'invalid to_user_id'],
    [`"to_user_id":${user.user_id}`, 'content is required'],
    [`"to_user_id":${user.user_id},"content":null`, 'content is required'],
    [`"to_user_id":${user.user_id},"content":" \\n "`, 'content is required'],
    [`"to_user_id":${user.user_id},"content":"a\\u0000"`, 'content has a character that cannot be stored'],
    [`"to_user_id":${user.user_id},"content":"\\ud800"`, 'content has a character that cannot be stored'],
    ['"to_user_id":99999999,"content":"x"', 'target user not found'],
    ['"to_user_id":9007199254740991,"content":"x"', 'target user not found'],
  ] as const) {
    socket.write(rawFrame(TEXT, `{"type":"chat",${fields}}`));
    t.strictSame(await nextError(socket), { type: 'error', content: text }, fields);
  }
  socket.socket.destroy();
});

t.test('[B4] repeated abuse closes the connection', async (t) => {
  for (const bytes of [rawFrame(TEXT, 'x'), rawFrame(BINARY, 'x'), rawFrame(TEXT, '{"type":"nonsense"}')]) {
    const socket = await open(t);
    for (let i = 0; i < 30; i++) socket.write(bytes);
    t.equal(await socket.closeCode(), CLOSE.abuse.code);
  }
});

t.test(
  'a frame in pieces is one frame, with pings in between, byte by byte, right behind the handshake',
  async (t) => {
    const pieces = [
      rawFrame(TEXT, '{"type":', { final: false }),
      rawFrame(PING, 'hello'),
      rawFrame(0, '', { final: false }),
      rawFrame(0, '"get_online_list"}'),
    ];
    const early = await open(t, pieces);
    t.match(await early.json(), { type: 'online_list' });
    early.socket.destroy();
    const slow = await open(t);
    for (const byte of Buffer.concat(pieces)) slow.write(Buffer.from([byte]));
    const { opcode, payload } = await slow.frame();
    t.strictSame([opcode, payload.toString()], [PONG, 'hello']);
    t.match(await slow.json(), { type: 'online_list' });
  },
);

t.test('a pong that nobody asked for is passed over', async (t) => {
  const socket = await open(t);
  for (const payload of ['', '1', 'x'.repeat(125), '999999999999']) socket.write(rawFrame(PONG, payload));
  socket.write(rawFrame(TEXT, list));
  t.match(await socket.json(), { type: 'online_list' });
});

t.test(
  'a client that goes in the middle of a frame, or of a handshake, is gone for the server too',
  async (t) => {
    const who: User = await signUp(server);
    for (const rest of [
      rawFrame(TEXT, list).subarray(0, 5),
      rawFrame(TEXT, 'x'.repeat(4000)).subarray(0, 100),
    ]) {
      const socket = await open(t, [rest], who);
      socket.socket.destroy();
    }
    const half = await open(t, [], who);
    half.socket.end();
    await half.end();
    const early = await RawSocket.open(t, server.port);
    early.write(
      rawRequest('GET', '/ws', { headers: { ...HANDSHAKE, Authorization: `Bearer ${who.token}` } }),
    );
    early.socket.destroy();
    await eventually(() => !server.app.hub.users().includes(who.user_id), 'a dead connection is kept');
  },
);

t.test('after all that the server serves', async (t) => {
  const client = await connect(t, server, user);
  client.send('chat', { to_user_id: user.user_id, content: 'still here' });
  t.match(await client.next('chat'), { content: 'still here' });
});
