/** What an open connection keeps: not the request that it came by. */
import type { IncomingMessage } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { build, connect, connectSynced, eventually, signUp } from '../helper.js';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

t.test('the request of a connection is let go once that is open', async (t) => {
  const server = await build(t);
  const requests: WeakRef<IncomingMessage>[] = [];
  server.app.websocketServer.on('connection', (_socket, request) => {
    requests.push(new WeakRef(request));
  });
  const clients = [
    await connect(t, server, await signUp(server)),
    await connectSynced(t, server, await signUp(server)),
  ];
  t.equal(requests.length, 2);
  await eventually(() => {
    collect();
    return requests.every((request) => request.deref() === undefined);
  }, 'a request is kept');
  for (const client of clients) await client.barrier();
});
