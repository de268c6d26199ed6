/** What a connection that says nothing keeps in memory: counted, in the process that serves it and in no other. */
import { once } from 'node:events';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { build, eventually } from '../helper.js';

const CONNECTIONS = 1000;

/** The clients, in a thread and so in a heap of their own. */
const clients = `
const { createConnection } = require('node:net');
const { parentPort, workerData: { port, tokens, protocol } } = require('node:worker_threads');
let open = 0;
const sockets = [];
const connect = () => {
  const token = tokens.pop();
  if (token === undefined) return;
  const socket = createConnection(port, '127.0.0.1', () => socket.write(
    'GET /ws HTTP/1.1\\r\\nHost: 127.0.0.1:' + port + '\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n' +
    'Authorization: Bearer ' + token + '\\r\\n' + protocol +
    'Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n\\r\\n'));
  sockets.push(socket);
  socket.once('data', () => {
    connect();
    if (++open === ${CONNECTIONS}) parentPort.postMessage('open');
  });
};
for (let i = 0; i < 20; i++) connect();
`;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Bytes and objects that are in use, once what isn't is collected. */
function used() {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { bytes: heapUsed + arrayBuffers, objects: queryObjects(Object, { format: 'count' }) };
}

// Objects are counted exactly. Bytes vary by a fifth with what the compiler keeps, so their bound only finds what holds far too much.
const OBJECTS = 80;
const BYTES = 12_000;

for (const [kind, protocol] of [
  ['a plain', ''],
  ['an extended', 'Sec-WebSocket-Protocol: chat.v2\r\n'],
] as const)
  t.test(
    `${kind} connection that says nothing keeps less than ${OBJECTS} objects and ${BYTES} bytes`,
    async (t) => {
      const server = await build(t);
      const { db, tokens: signer, hub } = server.app;
      const users = await db.sql<{ user_id: number; username: string }[]>`
      insert into users (username, password) select 'idle' || g, '' from generate_series(1, ${CONNECTIONS}::int) g
      returning user_id, username`;
      const tokens = users.map((user) => signer.sign(user, undefined, 3600));
      const run = async (tokens: string[]) => {
        const worker = new Worker(clients, {
          eval: true,
          workerData: { port: server.port, tokens, protocol },
        });
        t.teardown(() => worker.terminate());
        return worker;
      };
      const ready = () =>
        eventually(
          () => users.every((user) => hub.connectionsOf(user.user_id)[0]?.isOpen),
          'not all are ready',
        );
      // Twice before, so that what the first ones make for all is not counted.
      for (let i = 0; i < 2; i++) {
        const early = await run([...tokens]);
        await once(early, 'message');
        await ready();
        await early.terminate();
        await eventually(() => hub.size === 0, 'some stay');
      }
      const before = used();
      const counted = await run(tokens);
      await once(counted, 'message');
      await ready();
      const after = used();
      const each = {
        bytes: Math.round((after.bytes - before.bytes) / CONNECTIONS),
        objects: (after.objects - before.objects) / CONNECTIONS,
      };
      t.comment(each);
      t.ok(each.bytes < BYTES, `${each.bytes} bytes`);
      t.ok(each.objects < OBJECTS, `${each.objects} objects`);
    },
  );
