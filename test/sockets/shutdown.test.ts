import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import t from 'tap';
import { eventually, freshStack } from '../helper.js';
import { builtServer, startProcess } from '../process.js';
import { HANDSHAKE, RawSocket, rawRequest } from '../raw.js';

t.setTimeout(300_000);

t.test('a server whose connections are held open by their clients ends by itself', async (t) => {
  const env = { ...(await freshStack(t)), PORT: '0', HOST: 'localhost', SHUTDOWN_SECONDS: '30' };
  const running = startProcess(t, await builtServer(t), env, tmpdir());
  const [, port = ''] = await running.says(/open http:\/\/localhost:(\d+)/);
  const document = rawRequest('GET', '/api/openapi.json');
  const words = [
    '',
    'GET /healthz HTTP/1.1\r\nHost: x\r\n',
    rawRequest('POST', '/login', { body: '{}' }).subarray(0, -1),
    'hello\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
    rawRequest('GET', '/ws', { headers: { ...HANDSHAKE, 'Sec-WebSocket-Version': '12' } }),
    Buffer.concat(Array.from({ length: 1500 }, () => document)),
    rawRequest('GET', '/nope'),
  ];
  for (const bytes of words) {
    const socket = await RawSocket.open(t, Number(port));
    socket.socket.pause();
    socket.write(bytes);
  }
  for (const { address } of await lookup('localhost', { all: true })) {
    const socket = createConnection({ port: Number(port), host: address, allowHalfOpen: true });
    t.teardown(() => socket.destroy());
    await once(socket, 'connect');
  }
  await eventually(async () => /"url":"\/nope"/.test(running.output()), 'the last words are not heard');
  running.signal('SIGTERM');
  t.equal(await running.ended, 0);
});
