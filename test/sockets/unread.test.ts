/** What clients ask for and never read, bounded in memory and in descriptors. */
import { readdir, readlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { eventually, freshStack } from '../helper.js';
import { builtServer, startProcess } from '../process.js';
import { RawSocket, rawRequest } from '../raw.js';

t.setTimeout(300_000);
const MB = 1024 * 1024;

const env = { ...(await freshStack(t)), PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'fatal', LIMITS: 'off' };
const running = startProcess(t, await builtServer(t), env, tmpdir());
const [, port = ''] = await running.says(/open http:\/\/127\.0\.0\.1:(\d+)/);
const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();

/** Clients that ask for the same many times in one packet and read nothing. */
async function flood(t: Test, clients: number, requests: number, path: string): Promise<RawSocket[]> {
  const words = Buffer.concat(Array.from({ length: requests }, () => rawRequest('GET', path)));
  const open = () => RawSocket.open(t, Number(port));
  const sockets = await Promise.all(Array.from({ length: clients }, open));
  for (const socket of sockets) {
    socket.socket.pause();
    socket.write(words);
  }
  return sockets;
}

t.test('documents that nobody reads take little memory', async (t) => {
  const resident = async () =>
    Number(/^process_resident_memory_bytes (\d+)/m.exec(await get('/metrics'))?.[1]);
  await get('/api/openapi.json');
  const before = await resident();
  await flood(t, 30, 1500, '/api/openapi.json');
  let most = 0;
  // The server answers what comes in order of its coming, so all of the flood was seen before the last of these.
  for (let i = 0; i < 200; i++) most = Math.max(most, await resident());
  t.ok(most - before < 100 * MB, `${Math.round((most - before) / MB)} MB more`);
});

if (process.platform === 'linux')
  t.test('files that nobody reads are not held open', async (t) => {
    const [script = ''] = /\/assets\/app-[\w-]+\.js/.exec(await get('/')) ?? [];
    const held = async () => {
      const fds = `/proc/${running.pid}/fd`;
      const links = (await readdir(fds)).map((fd) => readlink(join(fds, fd)).catch(() => ''));
      return (await Promise.all(links)).filter((link) => link.includes('/static/')).length;
    };
    t.match(await get(script), /function/);
    const sockets = await flood(t, 20, 1000, script);
    let most = 0;
    for (let i = 0; i < 50; i++) {
      await get('/healthz');
      most = Math.max(most, await held());
    }
    t.equal(most, 0);
    for (const { socket } of sockets) socket.destroy();
    await eventually(async () => (await held()) === 0, 'files stay open');
  });
