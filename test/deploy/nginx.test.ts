/** Debian's Nginx with the shipped file, in front of two real servers (and of stand-ins where a server would hide it). */
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { Agent } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import WebSocket from 'ws';
import { Config } from '../../schemas/config.js';
import { ERRORS } from '../../schemas/error.js';
import { HTTP } from '../../schemas/limits.js';
import { startNginx } from '../nodes/nginx.js';
import { execute, until } from '../nodes/process.js';
import { type Stack, shippedNginx, startStack } from './stack.js';
import { read, root } from './validators.js';

type Reply = { status: number; headers: IncomingMessage['headers']; body: string };
interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** The address that the client has. */
  from?: string;
}

async function ask(url: string, { method = 'GET', headers = {}, body, from }: Ask = {}): Promise<Reply> {
  const sent = request(url, { method, headers, agent: false, ...(from && { localAddress: from }) });
  const answered = once(sent, 'response');
  // A refusal can come while the body is still on its way.
  sent.on('error', () => {});
  sent.end(body);
  const [answer]: IncomingMessage[] = await answered;
  if (!answer) throw new Error('no answer');
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await text(answer) };
}

const post = (url: string, value: object | string, more: Ask = {}) =>
  ask(url, {
    method: 'POST',
    body: typeof value === 'string' ? value : JSON.stringify(value),
    ...more,
    headers: { 'content-type': 'application/json', ...more.headers },
  });

async function open(url: string, options: WebSocket.ClientOptions = {}): Promise<WebSocket> {
  const socket = new WebSocket(url, options);
  await once(socket, 'open');
  return socket;
}
async function nextFrame(socket: WebSocket): Promise<unknown> {
  const [data] = await once(socket, 'message');
  return JSON.parse(String(data));
}

let stack: Stack;
let base: string;
const direct = (index: 0 | 1) => `http://127.0.0.1:${stack.replicas[index].port}`;

t.before(async () => {
  stack = await startStack();
  base = stack.nginx.url;
});
t.teardown(() => stack?.end());

let names = 0;
async function signUp() {
  const person = { username: `person-${++names}`, password: 'a password' };
  const registered = JSON.parse((await post(`${base}/register`, person)).body);
  const login = JSON.parse((await post(`${base}/login`, person)).body);
  return { id: Number(registered.data.user_id), token: String(login.data.token) };
}
const socketOf = (user: { token: string }) =>
  open(`${base.replace('http', 'ws')}/ws`, { headers: { authorization: `Bearer ${user.token}` } });
const accessLog = async () =>
  (await stack.nginx.output())
    .split('\n')
    .filter((line) => line.startsWith('{"time"'))
    .map((line): Record<string, string | number> => JSON.parse(line));

t.test('people register, log in and exchange a message through it, over both servers', async (t) => {
  const [a, b] = [await signUp(), await signUp()];
  const [one, two] = [await socketOf(a), await socketOf(b)];
  const received = nextFrame(two);
  one.send(JSON.stringify({ type: 'chat', to_user_id: b.id, content: 'hello' }));
  t.strictSame(await received, { type: 'chat', to_user_id: b.id, from_user_id: a.id, content: 'hello' });
  one.close();
  two.close();
  await until(
    async () => (await accessLog()).filter(({ path }) => path === '/ws').length >= 2,
    () => 'the log has no sockets',
  );
  const servers = (await accessLog()).filter(({ path }) => path === '/ws').map(({ upstream }) => upstream);
  t.equal(new Set(servers).size, 2, 'the second socket goes where fewer are');
});

t.test('the smoke test that the image carries passes through it, the first time and again', async (t) => {
  const run = () =>
    execute(process.execPath, ['deploy/smoke.mjs', base], {
      cwd: root,
      env: { ...process.env, JWT_SECRET: stack.secret },
    });
  t.match(
    (await run()).stdout,
    /^smoke test passed: registered, logged in, and a message arrived in \d+ ms\n$/,
  );
  t.match((await run()).stdout, /^smoke test passed: logged in, and a message arrived in \d+ ms\n$/);
});

t.test('a body or header past the limit is refused as the server itself would', async (t) => {
  const fits = JSON.stringify({ username: 'x', password: 'x'.repeat(65_536 - 30) });
  t.equal(Buffer.byteLength(fits), 65_536);
  const through = await post(`${base}/register`, fits);
  t.equal(through.status, 400, 'the server has seen it: such a password is too long');
  t.equal(through.body, (await post(`${direct(0)}/register`, fits)).body);

  for (const [path, more] of [
    ['/register', { body: `${fits} `, method: 'POST' }],
    ['/healthz', { headers: { filler: 'x'.repeat(17_000) } }],
  ] as const) {
    const [ours, theirs] = [await ask(base + path, more), await ask(direct(0) + path, more)];
    t.equal(ours.status, theirs.status, path);
    const { status, message } = ours.status === 413 ? ERRORS.payload_too_large : ERRORS.headers_too_large;
    const error = ours.status === 413 ? 'payload_too_large' : 'headers_too_large';
    t.strictSame(JSON.parse(ours.body), { code: status, message, error });
    t.strictSame(JSON.parse(theirs.body), { code: status, message, error });
  }
  const token = 'x'.repeat(4096);
  t.equal((await ask(`${base}/healthz`, { headers: { filler: 'x'.repeat(11_000), token } })).status, 200);
});

t.test('a frame of the largest size passes, in both directions', async (t) => {
  const user = await signUp();
  const socket = await open(`${base.replace('http', 'ws')}/ws`, {
    headers: { authorization: `Bearer ${user.token}` },
  });
  const frame = JSON.stringify({ type: 'chat', to_user_id: user.id, content: 'x'.repeat(4000) });
  const received = nextFrame(socket);
  socket.send(frame);
  t.match(await received, { from_user_id: user.id, content: 'x'.repeat(4000) });
  const closed = once(socket, 'close');
  socket.send('x'.repeat(65_537));
  t.equal((await closed)[0], 1009);
});

/** Of a server's log, what tells how long a request took. */
interface Line {
  time: number;
  reqId?: string;
  req?: { url: string };
  responseTime?: number;
}

t.test('a body that arrives slowly costs the server nothing', async (t) => {
  const { port } = new URL(base);
  const socket = connectTcp(Number(port), '127.0.0.1');
  const body = JSON.stringify({ username: 'slow-writer', password: 'a password' });
  socket.write(
    `POST /register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
  );
  for (const letter of body) {
    socket.write(letter);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  t.match(await text(socket), /^HTTP\/1\.1 200 OK/);
  const here = async () =>
    (await accessLog()).findLast(({ path, seconds }) => path === '/register' && Number(seconds) >= 1)
      ?.seconds;
  await until(
    async () => (await here()) !== undefined,
    () => 'it took no time here',
  );
  const logs = await Promise.all(stack.replicas.map(({ logPath }) => readFile(logPath, 'utf8')));
  const there = logs
    .map((log) => log.split('\n').filter((line) => line.startsWith('{')))
    .flatMap((lines): Line[] => {
      const all = lines.map((line): Line => JSON.parse(line));
      const asked = new Set(all.filter(({ req }) => req?.url === '/register').map(({ reqId }) => reqId));
      return all.filter(({ reqId, responseTime }) => responseTime !== undefined && asked.has(reqId));
    })
    .sort((one, other) => one.time - other.time)
    .at(-1)?.responseTime;
  t.ok(Number(there) < Number(await here()) * 1000 - 1000, `${there} ms there`);
});

t.test('the server believes what Nginx says of a client, and nobody else', async (t) => {
  const log = async () =>
    (await Promise.all(stack.replicas.map(({ logPath }) => readFile(logPath, 'utf8')))).join('');
  const claim = {
    'x-forwarded-for': '203.0.113.9',
    'x-real-ip': '203.0.113.9',
    forwarded: 'for=203.0.113.9',
  };
  await ask(`${base}/api/through`, { headers: claim, from: '127.0.0.7' });
  await ask(`${direct(0)}/api/around`, { headers: claim, from: '127.0.0.8' });
  await until(
    async () => (await log()).includes('/api/around') && (await log()).includes('/api/through'),
    () => 'the servers log no requests',
  );
  const remote = (path: string, text: string) =>
    new RegExp(`"url":"${path}","remote":"([\\d.]+)"`).exec(text)?.[1];
  t.equal(remote('/api/through', await log()), '127.0.0.7');
  t.equal(remote('/api/around', await log()), '127.0.0.8');
});

t.test('a web page of its own address may open a socket, another one may not', async (t) => {
  const user = await signUp();
  const url = `${base.replace('http', 'ws')}/ws?token=${user.token}`;
  const own = await open(url, { origin: base });
  own.close();
  const refused = new WebSocket(url, { origin: 'http://elsewhere.example' });
  const [, answer] = await once(refused, 'unexpected-response');
  t.equal(answer.statusCode, 403);
});

t.test('measurements are not for everybody', async (t) => {
  const answer = await ask(`${base}/metrics`);
  t.equal(answer.status, 404);
  t.strictSame(JSON.parse(answer.body), { code: 404, message: 'not found', error: 'not_found' });
});

t.test('silence is borne for longer than the servers bear it', async (t) => {
  const conf = await read('deploy/nginx.conf');
  const [, wait] = /location = \/ws \{[^}]*proxy_read_timeout (\d+)s/.exec(conf) ?? [];
  t.ok(Number(wait) > Config.properties.HEARTBEAT_TIMEOUT_SECONDS.default);
  const [, keep] = /keepalive_timeout (\d+)s;\n {4}\}/.exec(conf) ?? [];
  t.ok(Number(keep) * 1000 < HTTP.keepAliveMs, 'the servers do not hang up on a request that is on its way');
});

t.test('a killed server is noticed by nobody who asks', async (t) => {
  const [first] = stack.replicas;
  const person = { username: `person-${++names}`, password: 'a password' };
  await post(`${base}/register`, person);
  await first.kill();
  const answers = await Promise.all([
    ...Array.from({ length: 60 }, () => ask(`${base}/healthz`)),
    ...Array.from({ length: 10 }, () => post(`${base}/login`, person)),
  ]);
  t.strictSame(
    answers.map(({ status }) => status),
    answers.map(() => 200),
  );
  const user = await signUp();
  for (let i = 0; i < 10; i++) (await socketOf(user)).close();
  await first.start();
});

t.test('no token gets into a log, whatever goes wrong', async (t) => {
  const user = await signUp();
  const url = `${base.replace('http', 'ws')}/ws?token=${user.token}`;
  (await open(url)).close();
  for (const replica of stack.replicas) await replica.kill();
  const refused = new WebSocket(url);
  const [, answer]: [unknown, IncomingMessage] = await once(refused, 'unexpected-response').then(
    ([request, response]) => [request, response],
  );
  t.equal(answer.statusCode, 502);
  t.strictSame(JSON.parse(await text(answer)), {
    code: 502,
    message: 'no server can be reached, try again',
    error: 'unavailable',
  });
  const output = await stack.nginx.output();
  t.match(output, /"path":"\/ws","status":502/);
  t.notOk(output.includes(user.token.slice(0, 30)));
  t.notOk(output.includes('token='));
  for (const replica of stack.replicas) await replica.start();
});

/** A server that answers as told. */
async function standIn(
  t: { teardown(end: () => void): void },
  handle: (request: IncomingMessage, response: ServerResponse) => void,
) {
  const server = createServer(handle).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

t.test(
  'hashed files are kept, compressed, and looked for on the other server during an update',
  async (t) => {
    let asked = 0;
    const has = await standIn(t, ({ url }, response) => {
      asked++;
      response.writeHead(url === '/assets/app-1.js' ? 200 : 404, {
        'content-type': 'text/javascript',
        'cache-control': 'public, max-age=60',
      });
      response.end('x'.repeat(5000));
    });
    const hasNot = await standIn(t, (_, response) => response.writeHead(404).end());
    const nginx = await startNginx(await shippedNginx([hasNot, has]));
    t.teardown(() => nginx.stop());
    for (let i = 0; i < 6; i++) {
      const answer = await ask(`${nginx.url}/assets/app-1.js`, { headers: { 'accept-encoding': 'gzip' } });
      t.equal(answer.status, 200);
      t.equal(answer.headers['cache-control'], 'public, max-age=31536000, immutable');
      t.equal(answer.headers['content-encoding'], 'gzip');
    }
    t.equal(asked, 1);
    const missing = await ask(`${nginx.url}/assets/app-2.js`);
    t.equal(missing.status, 404);
    t.equal(missing.headers['cache-control'], undefined);
  },
);

t.test('a request that changes something is never sent twice', async (t) => {
  const seen: string[] = [];
  const breaks = await standIn(t, ({ method, socket }) => {
    seen.push(method ?? '');
    socket.destroy();
  });
  const nginx = await startNginx(await shippedNginx([breaks, breaks]));
  t.teardown(() => nginx.stop());
  t.equal((await post(`${nginx.url}/api/messages`, {})).status, 502);
  t.strictSame(seen, ['POST']);
  await new Promise((resolve) => setTimeout(resolve, 2100)); // until it is believed again (fail_timeout)
  await ask(`${nginx.url}/api/messages`);
  t.strictSame(seen.slice(1).length > 1, true, 'one that only reads is');
});

t.test('the line that switches TLS on makes a file that works', async (t) => {
  const folder = t.testdir({ deploy: {} });
  const conf = join(folder, 'deploy/nginx.conf');
  await writeFile(conf, await read('deploy/nginx.conf'));
  const [, command = ''] = /#\s+(sed -e .*)/.exec(await read('deploy/nginx.conf')) ?? [];
  await execute('sh', ['-c', command], { cwd: folder });
  const key = join(folder, 'privkey.pem');
  const certificate = join(folder, 'fullchain.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  await execute('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...['-keyout', key, '-out', certificate, ...subject],
  ]);
  await execute('chmod', ['-R', 'a+rX', folder]);
  const make = await shippedNginx(
    stack.replicas.map(({ port }) => port),
    await readFile(conf.replace('nginx.conf', 'nginx.tls.conf'), 'utf8'),
  );
  const nginx = await startNginx((ports) => make(ports).replaceAll('/etc/nginx/tls', folder), { ports: 2 });
  t.teardown(() => nginx.stop());

  const [, tlsPort] = nginx.ports;
  const ca = await readFile(certificate);
  const user = await signUp();
  const socket = await open(`wss://localhost:${tlsPort}/ws`, {
    headers: { authorization: `Bearer ${user.token}` },
    origin: `https://localhost:${tlsPort}`,
    agent: new Agent({ ca }),
  });
  const received = nextFrame(socket);
  socket.send(JSON.stringify({ type: 'chat', to_user_id: user.id, content: 'sealed' }));
  t.match(await received, { content: 'sealed' });
  socket.close();
  const plain = await ask(`${nginx.url}/somewhere?a=b`, { headers: { host: 'localhost' } });
  t.equal(plain.status, 308);
  t.equal(plain.headers.location, 'https://localhost/somewhere?a=b');
  t.equal((await ask(`${nginx.url}/nginx-health`)).status, 204);
});

t.test('a renewed certificate is put where Nginx may read it, and nobody else', async (t) => {
  const folder = t.testdir({
    live: { 'fullchain.pem': 'certificate', 'privkey.pem': 'key' },
    tls: { 'privkey.pem': 'old key' },
  });
  // Only root gives a file away; for others a `chown` that does nothing takes its place.
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) {
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin/chown'), '#!/bin/sh\n', { mode: 0o755 });
  }
  const path = isRoot ? process.env.PATH : `${join(folder, 'bin')}:${process.env.PATH}`;
  const env = { RENEWED_LINEAGE: join(folder, 'live'), TLS_DIR: join(folder, 'tls'), PATH: path };
  await execute('sh', [join(root, 'deploy/tls-hook.sh')], { env });
  t.equal(await readFile(join(folder, 'tls/privkey.pem'), 'utf8'), 'key');
  t.equal(await readFile(join(folder, 'tls/fullchain.pem'), 'utf8'), 'certificate');
  const { mode, uid } = await stat(join(folder, 'tls/privkey.pem'));
  t.equal(mode & 0o777, 0o600);
  if (isRoot) t.equal(uid, 101);
});

t.test('the web image serves the client with the very headers that a server sends', async (t) => {
  const dist = join(root, 'dist/static');
  const conf = (await read('deploy/k3s/web.conf'))
    .replace('/usr/share/nginx/html', dist)
    .replace(/^ *\w+_temp_path .*;$/gm, '');
  await execute('chmod', ['-R', 'a+rX', dist]);
  const nginx = await startNginx(([port]) => conf.replace('listen 8080', `listen 127.0.0.1:${port}`));
  t.teardown(() => nginx.stop());
  const [script = ''] = (await readdir(join(dist, 'assets'))).filter((name) => name.endsWith('.js'));
  const names = [
    'cache-control',
    'content-encoding',
    'content-security-policy',
    'cross-origin-resource-policy',
    'referrer-policy',
    'x-content-type-options',
  ];
  const chosen = ({ status, headers }: Reply) => ({
    status,
    type: headers['content-type']?.split(';')[0]?.replace('text/javascript', 'application/javascript'),
    ...Object.fromEntries(names.map((name) => [name, headers[name]])),
  });
  const paths = [
    '/',
    '/index.html',
    '/sw.js',
    '/manifest.webmanifest',
    `/assets/${script}`,
    '/icons/dot.svg',
  ];
  for (const path of paths) {
    const headers = { 'accept-encoding': 'gzip' };
    const [ours, theirs] = [
      await ask(nginx.url + path, { headers }),
      await ask(direct(0) + path, { headers }),
    ];
    t.strictSame(chosen(ours), chosen(theirs), path);
    t.equal(ours.status, 200);
    t.equal(ours.body, theirs.body);
  }
  const missing = await ask(`${nginx.url}/assets/app-2.js?token=secret`);
  t.equal(missing.status, 404);
  t.equal(missing.headers['cache-control'], undefined);
  t.notOk((await nginx.output()).includes('secret'), 'not even a stray token gets into the log');
});
