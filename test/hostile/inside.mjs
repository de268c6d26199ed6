// Loaded into the server (`node --import`): tells what the process holds to whoever started it, and ends with it.
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Connections to PostgreSQL and Redis: a pool's own come and go. */
function connectionsTo(ports) {
  return process._getActiveHandles().filter(({ remotePort }) => ports.includes(remotePort)).length;
}

// A worker of the server loads this too, and has nobody to tell.
if (process.send) {
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.on('message', async ({ collect, services }) => {
    // What a finalizer frees is gone at the next turn, and may free more.
    for (let i = 0; collect && i < 4; i++) {
      globalThis.gc();
      await sleep(20);
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    // The look itself takes one.
    const descriptors = readdirSync('/dev/fd').length - 1 - connectionsTo(services);
    process.send({ resident: rss, used: heapUsed + external, descriptors });
  });
}
