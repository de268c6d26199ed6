import { once } from 'node:events';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import t from 'tap';
import { eventually, freshStack } from '../helper.js';
import { builtServer, startProcess } from '../process.js';
import { ask, signUpOutside } from '../real/outside.js';

t.setTimeout(120_000);

/** More connections than the server may have descriptors. */
const CONNECTIONS = 600;
const DESCRIPTORS = 256;

t.test('while more connect than there are descriptors, and after, messages are stored', async (t) => {
  const env = { ...(await freshStack(t)), PORT: '0', HOST: '127.0.0.1' };
  const running = startProcess(t, await builtServer(t), env, tmpdir(), { descriptors: DESCRIPTORS });
  const [, url = '', port = ''] = await running.says(/open (http:\/\/127\.0\.0\.1:(\d+))/);
  const server = { url };
  const ana = await signUpOutside(server);
  const ben = await signUpOutside(server);
  let n = 0;
  const send = async () => {
    const body = { to_user_id: ben.user_id, content: `${++n}` };
    return (await ask(server, 'POST', '/api/messages', { body, token: ana.token })).status;
  };
  // From here on this connection shows a token, and is kept.
  t.equal(await send(), 200);

  let ended = 0;
  const crowd = Array.from({ length: CONNECTIONS }, () => createConnection(Number(port), '127.0.0.1'));
  t.teardown(() => crowd.forEach((socket) => void socket.destroy()));
  for (const socket of crowd) {
    socket.on('error', () => {});
    socket.on('close', () => ended++);
    socket.resume();
  }
  await Promise.all(crowd.map((socket) => once(socket, 'connect').catch(() => {})));
  await eventually(async () => ended > CONNECTIONS - DESCRIPTORS, 'those that are too many are kept');
  for (let i = 0; i < 5; i++) t.equal(await send(), 200, 'stored while they are there');
  for (const socket of crowd) socket.destroy();
  await eventually(async () => ended === CONNECTIONS, 'the crowd stays');
  for (let i = 0; i < 5; i++) t.equal(await send(), 200, 'stored when they are gone');
  t.equal((await ask(server, 'GET', '/readyz')).status, 200);
});
