import t from 'tap';
import { build, signUp } from './helper.js';
import { exchange, isRefused, RawSocket, rawRequest } from './raw.js';

const server = await build(t);
const user = await signUp(server);
const bearer = { Authorization: `Bearer ${user.token}` };
const ask = (bytes: string | Buffer) => exchange(t, server.port, bytes);

t.test('a body that is no JSON object of ours is a 400, whatever it is', async (t) => {
  const deep = (n: number, open = '[', close = ']') => open.repeat(n) + close.repeat(n);
  const bodies: Record<string, string | Buffer> = {
    empty: '',
    null: 'null',
    'a list': '[]',
    'a list of what would be one': '[{"username":"a","password":"b"}]',
    'a number': '5',
    'a text': '"username"',
    'half an object': '{"username":',
    'two objects': '{}{}',
    'single quotes': "{'username':'a'}",
    'a form': 'username=a&password=b',
    'deep lists': deep(30_000),
    'a deep field': `{"username":${deep(30_000)},"password":"x"}`,
    'deep objects': `${'{"username":'.repeat(5000)}1${'}'.repeat(5000)}`,
    'duplicate keys, the last of a wrong type': '{"username":"a","username":5,"password":"x"}',
    'a number beyond 2^53': '{"username":9007199254740993,"password":"x"}',
    'a number beyond all': '{"username":1e999,"password":"x"}',
    'a long number': `{"username":${'9'.repeat(10_000)},"password":"x"}`,
    'a text past its limit': JSON.stringify({ username: 'a'.repeat(5000), password: 'x' }),
    NaN: '{"username":NaN}',
    'invalid UTF-8': Buffer.from('7b22757365726e616d65223a22ff227d', 'hex'),
    'UTF-8 that is too long': Buffer.from('7b22757365726e616d65223a22c08022ff7d', 'hex'),
    'surrogates in UTF-8': Buffer.from('7b22757365726e616d65223a22eda080227d', 'hex'),
    'UTF-16': Buffer.from('{"username":"a"}', 'utf16le'),
    'NUL bytes': Buffer.alloc(100),
  };
  for (const path of ['/register', '/login', '/api/messages'])
    for (const [what, body] of Object.entries(bodies))
      isRefused(
        t,
        await ask(rawRequest('POST', path, { body, headers: bearer })),
        'bad_request',
        `${path} ${what}`,
      );
});

t.test('keys that mean something to JavaScript mean nothing here', async (t) => {
  for (const body of [
    '{"__proto__":{"username":"a"},"password":"x"}',
    '{"constructor":{"prototype":{"username":"a"}},"password":"x"}',
    '{"toString":"a","hasOwnProperty":1,"password":"x"}',
  ])
    isRefused(t, await ask(rawRequest('POST', '/register', { body })), 'username_required', body);
  t.notOk('username' in {});
});

t.test('of duplicate keys the last counts, as in the reference', async (t) => {
  const body = '{"username":"a","password":"x","username":" "}';
  isRefused(t, await ask(rawRequest('POST', '/register', { body })), 'username_required');
});

t.test('texts that the database could not take are refused before it sees them', async (t) => {
  for (const username of ['a\\u0000b', '\\ud800', '\\udc00\\ud800'])
    isRefused(
      t,
      await ask(rawRequest('POST', '/register', { body: `{"username":"${username}","password":"x"}` })),
      'username_invalid',
    );
  for (const content of ['a\\u0000b', '\\ud800'])
    isRefused(
      t,
      await ask(
        rawRequest('POST', '/api/messages', {
          body: `{"to_user_id":${user.user_id},"content":"${content}"}`,
          headers: bearer,
        }),
      ),
      'content_invalid',
    );
});

t.test('a body of another type, or compressed, is a 415', async (t) => {
  for (const type of [
    'text/plain',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/jsonp',
    'application/vnd.api+json',
    'nonsense',
    '/',
    ' ',
    'application/json, text/plain',
  ]) {
    const bytes = rawRequest('POST', '/register', { body: '{}', headers: { 'Content-Type': type } });
    isRefused(t, await ask(bytes), 'unsupported_media_type', type);
  }
  for (const coding of ['gzip', 'br', 'deflate', 'nonsense']) {
    const bytes = rawRequest('POST', '/register', { body: '{}', headers: { 'Content-Encoding': coding } });
    isRefused(t, await ask(bytes), 'unsupported_media_type', coding);
  }
});

t.test('a body without a type, or with a character set, is taken for JSON', async (t) => {
  const bare = 'POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}';
  isRefused(t, await ask(bare), 'username_required');
  for (const type of ['application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;x=y'])
    isRefused(
      t,
      await ask(rawRequest('POST', '/register', { body: '\ufeff{}', headers: { 'Content-Type': type } })),
      'username_required',
      type,
    );
});

t.test('a body past the limit is a 413, said or found out', async (t) => {
  isRefused(t, await ask(rawRequest('POST', '/register', { body: 'x'.repeat(65_537) })), 'payload_too_large');
  const head = 'POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  isRefused(t, await ask(`${head}Content-Length: 99999999999\r\n\r\n{`), 'payload_too_large');
  const chunk = `8000\r\n${'x'.repeat(32_768)}\r\n`;
  isRefused(t, await ask(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`), 'payload_too_large');
});

t.test('what is no HTTP is a 400, and so is HTTP that can be read in two ways', async (t) => {
  const head = 'POST /register HTTP/1.1\r\nHost: x\r\n';
  for (const bytes of [
    'hello there\r\n\r\n',
    '\0\0\0\0\r\n\r\n',
    Buffer.from('16030100c8010000c40303', 'hex'),
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'get /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
    'FOO /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET healthz HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\na b: 1\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\na: \0\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n',
    `${head}Content-Length: x\r\n\r\n{`,
    `${head}Content-Length: -1\r\n\r\n{`,
    `${head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    `${head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}`,
    `${head}Transfer-Encoding: gzip\r\n\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\n2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
    'GET /healthz HTTP/1.1\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n',
    'GET /healthz HTTP/1.0\r\nHost: x\r\nhost: y\r\n\r\n',
    'GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n',
    'GET /healthz HTTP/0.9\r\nHost: x\r\n\r\n',
    'CONNECT chat.example:443 HTTP/1.1\r\nHost: x\r\n\r\n',
  ])
    isRefused(t, await ask(bytes), 'bad_request', JSON.stringify(bytes.toString('latin1').slice(0, 80)));
});

t.test('no answer is kept by anybody on the way, or taken for what it is not', async (t) => {
  for (const bytes of [
    rawRequest('GET', '/healthz'),
    rawRequest('GET', '/api/me', { headers: bearer }),
    rawRequest('GET', '/api/openapi.json'),
    rawRequest('GET', '/nope'),
    rawRequest('GET', '/%zz'),
    rawRequest('POST', '/login', { body: '{' }),
    rawRequest('GET', '/ws'),
    'nonsense\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n',
  ]) {
    const { headers } = await ask(bytes);
    const [caching, type] = [headers['cache-control'], headers['x-content-type-options']];
    t.strictSame([caching, type], ['no-store', 'nosniff'], bytes.toString().slice(0, 30));
  }
});

t.test('headers past the limit are a 431, and many small ones are none', async (t) => {
  isRefused(
    t,
    await ask(rawRequest('GET', '/healthz', { headers: { X: 'a'.repeat(20_000) } })),
    'headers_too_large',
  );
  isRefused(t, await ask(rawRequest('GET', `/${'a'.repeat(20_000)}`)), 'headers_too_large');
  const many = Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`a${i}`, '1']));
  t.equal((await ask(rawRequest('GET', '/healthz', { headers: many }))).status, 200);
});

t.test('an address that cannot be is refused, and one that leads nowhere is not found', async (t) => {
  for (const url of ['/%zz', '/%', '/%ff', '/register%', 'http://'])
    isRefused(t, await ask(rawRequest('GET', url)), 'bad_request', url);
  const lost = [
    '/nope',
    '/../../etc/passwd',
    '/%2e%2e/',
    '/%00',
    '//healthz',
    '/register/',
    '/api',
    `/${'a'.repeat(15_000)}`,
  ];
  for (const url of lost) {
    isRefused(t, await ask(rawRequest('GET', url)), 'not_found', url.slice(0, 80));
    isRefused(t, await ask(rawRequest('POST', url, { body: 'not JSON' })), 'not_found', url.slice(0, 80));
  }
  isRefused(t, await ask(rawRequest('OPTIONS', '*')), 'not_found');
  isRefused(t, await ask(rawRequest('GET', `/api/users/${'1'.repeat(200)}`)), 'uri_too_long');
});

t.test('a wrong method is a 405 that says which are right, whatever the body', async (t) => {
  for (const [path, allowed, ...methods] of [
    ['/register', 'POST', 'GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'],
    ['/login', 'POST', 'GET', 'DELETE'],
    ['/api/messages', 'POST', 'GET'],
    ['/healthz', 'GET, HEAD', 'POST', 'DELETE'],
    ['/ws', 'GET, HEAD', 'POST', 'OPTIONS'],
    ['/api/users/5', 'GET, HEAD', 'POST'],
    ['/api/conversations/5/messages?limit=x', 'GET, HEAD', 'DELETE'],
    ['/api/conversations/x/read', 'POST', 'GET'],
  ] as const)
    for (const method of methods)
      for (const body of [undefined, 'not JSON']) {
        const answer = await ask(rawRequest(method, path, body === undefined ? {} : { body }));
        isRefused(t, answer, 'method_not_allowed', `${method} ${path}`);
        t.equal(answer.headers.allow, allowed, `${method} ${path}`);
      }
  const head = await ask(rawRequest('HEAD', '/register'));
  t.strictSame([head.status, head.headers.allow], [405, 'POST']);
});

t.test('a refused body leaves the connection in step', async (t) => {
  const socket = await RawSocket.open(t, server.port);
  socket.write(
    Buffer.concat([
      rawRequest('POST', '/nope', { body: '{"a":1}' }),
      rawRequest('PUT', '/register', { body: '{"a":1}' }),
      rawRequest('POST', '/register', { body: '{}' }),
      rawRequest('GET', '/healthz', { body: 'not JSON' }),
      rawRequest('GET', '/healthz'),
    ]),
  );
  const statuses = [];
  for (let i = 0; i < 5; i++) statuses.push((await socket.answer()).status);
  t.strictSame(statuses, [404, 405, 400, 200, 200]);
});

t.test('an expectation is met, or passed over', async (t) => {
  for (const expect of ['100-continue', '200-maybe', 'nonsense']) {
    const bytes = rawRequest('POST', '/register', { body: '{}', headers: { Expect: expect } });
    isRefused(t, await ask(bytes), 'username_required', expect);
  }
});

t.test('a client that ends its side is answered, with all of its request or with half', async (t) => {
  const body = JSON.stringify({ username: 'nobody', password: 'x' });
  for (const [bytes, error] of [
    [rawRequest('POST', '/login', { body }), 'unauthorized'],
    [rawRequest('POST', '/login', { body }).subarray(0, -5), 'bad_request'],
    ['GET /healthz HTTP/1.1\r\nHost: x\r\n', 'bad_request'],
  ] as const) {
    const socket = await RawSocket.open(t, server.port);
    socket.write(bytes);
    socket.socket.end();
    isRefused(t, await socket.answer(), error);
    await socket.end();
  }
});

t.test('a request that does not come, or not to its end, is cut with a 408', async (t) => {
  const hasty = await build(t, {}, server);
  Object.assign(hasty.app.server, { headersTimeout: 100, requestTimeout: 200 });
  const login = rawRequest('POST', '/login', { body: '{}' });
  for (const half of ['', 'GET /healthz HTTP/1.1\r\nHost: x\r\n', login.subarray(0, -1)]) {
    const socket = await RawSocket.open(t, hasty.port);
    socket.write(half);
    isRefused(t, await socket.answer(), 'request_timeout', half.toString());
    await socket.end();
  }
});

t.test('after all that the server serves', async (t) => {
  t.equal((await server.request('GET', '/readyz')).status, 200);
});
