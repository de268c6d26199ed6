import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Turns } from '../../plugins/sockets/turns.js';
import { build } from '../helper.js';
import { RawSocket, rawRequest } from '../raw.js';

t.test('of a flood of requests eight begin in each turn, in the order they came', async (t) => {
  const turns = new Turns();
  const begun: number[] = [];
  for (let i = 0; i < 18; i++) turns.take(() => begun.push(i));
  const counts = [begun.length];
  for (let i = 0; i < 4; i++) {
    await turn();
    // What comes meanwhile is behind those that wait.
    if (i === 0) turns.take(() => begun.push(18));
    counts.push(begun.length);
  }
  t.strictSame(counts, [8, 16, 19, 19, 19]);
  t.strictSame(
    begun,
    Array.from({ length: 19 }, (_, i) => i),
  );
});

t.test('a request that hung up before its turn is not begun, and all others are answered', async (t) => {
  const server = await build(t);
  const sockets = await Promise.all(Array.from({ length: 40 }, () => RawSocket.open(t, server.port)));
  for (const socket of sockets) socket.write(rawRequest('GET', '/healthz'));
  for (const socket of sockets.splice(0, 20)) socket.socket.resetAndDestroy();
  for (const socket of sockets) t.equal((await socket.answer()).status, 200);
});
