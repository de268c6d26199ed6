// Loaded into the server (`node --import`): tells what the process holds to whoever started it, and ends with it.
import { fstatSync, readdirSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const { DATA_DIR = '/nowhere' } = process.env;

/** Connections to PostgreSQL and Redis: a pool's own come and go. */
function connectionsTo(ports) {
  return process._getActiveHandles().filter(({ remotePort }) => ports.includes(remotePort)).length;
}

/** Whether a descriptor is a file of the embedded database, which opens what it comes to need. Only Linux names files. */
function isDatabase(descriptor) {
  try {
    if (process.platform !== 'linux') return fstatSync(Number(descriptor)).isFile();
    return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(DATA_DIR);
  } catch {
    // The one that the look itself took.
    return true;
  }
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
    const open = readdirSync('/dev/fd').filter((descriptor) => !isDatabase(descriptor));
    const descriptors = open.length - connectionsTo(services);
    process.send({ resident: rss, used: heapUsed + external, descriptors });
  });
}
