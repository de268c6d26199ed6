import { once } from 'node:events';
import { createConnection } from 'node:net';
import t from 'tap';
import { build, eventually } from '../helper.js';

// Elsewhere than on Linux, 127.0.0.2 has to be set up first.
if (process.platform === 'linux')
  t.test('what comes in at a second address is served, counted and let go like all else', async (t) => {
    const server = await build(t);
    const { sockets } = server.app;
    await sockets.listenBeside('127.0.0.2');
    const open = async (words: string) => {
      const socket = createConnection({ port: server.port, host: '127.0.0.2', allowHalfOpen: true });
      t.teardown(() => socket.destroy());
      await once(socket, 'connect');
      socket.write(words);
      return socket;
    };
    const asking = await open('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    t.match(String((await once(asking, 'data'))[0]), /^HTTP\/1\.1 200 OK/);
    const proxying = await open('CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n');
    t.match(String((await once(proxying, 'data'))[0]), /^HTTP\/1\.1 400 Bad Request/);
    proxying.resetAndDestroy();
    // Half a request, which no deadline of Node's server would end once that is closed.
    await open('GET /healthz HTTP/1.1\r\n');
    await eventually(() => sockets.size === 2, 'they are not counted');
    await server.stop();
    t.equal(sockets.size, 0);
    await t.rejects(open(''), { code: 'ECONNREFUSED' });
  });
