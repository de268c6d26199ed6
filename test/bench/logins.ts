import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger, openAll, openUser, pace } from './load.js';
import { type Bench, type Figures, measure, round, withReplicas } from './measure.js';

/** Chat beside eight clients that sign in as fast as they can. */
export async function logins(bench: Bench): Promise<Figures> {
  return withReplicas(bench, await bench.stack.fresh(), 1, async (replicas) => {
    const port = replicas[0]?.port ?? 0;
    const post = (path: string, body: object) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const who = { username: 'somebody', password: 'a password' };
    await post('/register', who);
    const ledger = new Ledger();
    const sockets = await openAll(200, (i) => openUser(port, i, ledger.take));
    const stop = pace(ledger, sockets, 200);
    let busy = true;
    let signedIn = 0;
    const clients = Array.from({ length: 8 }, async () => {
      while (busy) if ((await post('/login', who)).ok) signedIn++;
    });
    await sleep(2000);
    const before = signedIn;
    const figures = await measure(bench, replicas, ledger);
    const rate = (signedIn - before) / bench.seconds;
    busy = false;
    stop();
    await Promise.all(clients);
    await ledger.drain();
    for (const socket of sockets) socket.end();
    return {
      'logins/s': round(rate),
      'p50 ms': figures['p50 ms'] ?? 0,
      'p99 ms': figures['p99 ms'] ?? 0,
      lost: ledger.lost,
    };
  });
}
