import { connect, createServer } from 'node:net';

/** A line to the server that can be cut and mended, as a cable can: its own port, so its own origin. */
export async function startLine(server) {
  const sockets = new Set();
  let whole = true;
  const listener = createServer((near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = connect(server.port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => listener.once('listening', resolve));
  return {
    origin: `http://localhost:${listener.address().port}`,
    cut() {
      whole = false;
      for (const socket of sockets) socket.destroy();
    },
    /** Nothing gets through any more, and neither side is told: a dead Wi-Fi. */
    freeze() {
      for (const socket of sockets) socket.unpipe();
    },
    mend() {
      whole = true;
    },
    end() {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
}
