/** A TCP proxy before one replica, for lines that break, stand still or crawl. */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** One line through the proxy; `port` is the client's own. */
export interface Line {
  readonly port: number;
  /** Resets both ends. */
  cut(): void;
  /** Resets the client's end; the server's stays, silent, until `ms` are over, as when a phone is gone. */
  vanish(ms: number): void;
  /** Forwards nothing for a while, in either direction, whatever happens at an end. */
  stall(ms: number): void;
  /** Waits `pause` milliseconds after each piece that it forwards, for a while. */
  crawl(ms: number, pause: number): void;
}

export interface TcpProxy {
  readonly port: number;
  lines(): Line[];
  close(): Promise<void>;
}

class Pair implements Line {
  readonly port: number;
  readonly #client: Socket;
  readonly #server: Socket;
  #stalledUntil = 0;
  #pause = 0;
  #gone = false;

  constructor(client: Socket, target: number, onGone: () => void) {
    this.#client = client;
    this.port = client.remotePort ?? 0;
    this.#server = connect({ port: target, host: '127.0.0.1', noDelay: true });
    client.setNoDelay(true);
    const gone = () => {
      if (this.#gone) return;
      this.#gone = true;
      onGone();
    };
    this.#forward(client, this.#server, gone);
    this.#forward(this.#server, client, gone);
  }

  get #stalled(): boolean {
    return Date.now() < this.#stalledUntil;
  }

  #forward(from: Socket, to: Socket, gone: () => void): void {
    from.on('data', (piece: Buffer) => {
      const open = to.write(piece);
      if (!open) from.pause();
      if (this.#pause > 0) {
        from.pause();
        setTimeout(() => this.#resume(from, to), this.#pause);
      }
    });
    to.on('drain', () => this.#resume(from, to));
    from.on('end', () => to.end());
    // The close that follows says it all.
    from.on('error', () => {});
    from.on('close', (broken) => {
      const pass = () => {
        if (this.#stalled) {
          setTimeout(pass, this.#stalledUntil - Date.now() + 1);
          return;
        }
        if (broken) to.resetAndDestroy();
        else to.end();
        gone();
      };
      pass();
    });
  }

  #resume(from: Socket, to: Socket): void {
    if (!this.#stalled && !to.writableNeedDrain) from.resume();
  }

  #breakOff(): void {
    this.#stalledUntil = 0;
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  cut(): void {
    this.#breakOff();
  }

  vanish(ms: number): void {
    this.stall(ms);
    this.#client.resetAndDestroy();
    setTimeout(() => this.#breakOff(), ms);
  }

  stall(ms: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, Date.now() + ms);
    this.#client.pause();
    this.#server.pause();
    const wake = () => {
      if (this.#stalled) return;
      this.#resume(this.#client, this.#server);
      this.#resume(this.#server, this.#client);
    };
    setTimeout(wake, ms + 1);
  }

  crawl(ms: number, pause: number): void {
    this.#pause = pause;
    setTimeout(() => {
      this.#pause = 0;
    }, ms);
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
}

export async function startProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const server = createServer((client) => {
    const pair: Pair = new Pair(client, target, () => pairs.delete(pair));
    pairs.add(pair);
  });
  return {
    port: await listen(server),
    lines: () => [...pairs],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const pair of pairs) pair.cut();
      }),
  };
}
