/** A TCP proxy before a server, for lines that break, stand still, crawl or are forgotten. */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Resets an end. One that is just being ended can't be: Node would keep it open for ever, and not come to its own end. */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

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
  /**
   * Swallows all that is written from now on, and no end hears of the other again, as with a firewall that forgot the line; the
   * server's end is reset after `ms`, when its system has noticed.
   */
  forget(ms: number): void;
  /** Resets both ends once the server has written so many more bytes, the last of them in the middle of an answer. */
  cutAfter(bytes: number): void;
}

export interface TcpProxy {
  /** Where it is reached for the server that it stands before. */
  readonly port: number;
  /** Stands before another server as well, of the same faults. @returns where it is reached for that */
  also(target: number): Promise<number>;
  lines(): Line[];
  /**
   * Does something to the line on which a client writes next, before that goes on.
   * @param text what must be in it, such as a word of a statement
   * @returns calls it off, if it hasn't happened
   */
  onNext(act: (line: Line) => void, text?: string): () => void;
  /** Nothing passes for a while: all lines are forgotten, and new ones from their beginning. */
  part(ms: number): void;
  close(): Promise<void>;
}

class Pair implements Line {
  readonly port: number;
  readonly #client: Socket;
  readonly #server: Socket;
  #stalledUntil = 0;
  #pause = 0;
  /** Whether the ends no longer hear of each other. */
  #apart = false;
  /** Bytes that the server may still write before the line is cut. */
  #left = Number.POSITIVE_INFINITY;

  constructor(
    client: Socket,
    target: number,
    onPiece: (line: Line, piece: Buffer) => void,
    onGone: () => void,
  ) {
    this.#client = client;
    this.port = client.remotePort ?? 0;
    this.#server = connect({ port: target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    client.setNoDelay(true);
    client.on('data', (piece) => onPiece(this, piece));
    this.#forward(client, this.#server);
    this.#forward(this.#server, client);
    let open = 2;
    for (const socket of [client, this.#server])
      socket.on('close', () => {
        if (--open === 0) onGone();
      });
  }

  get #stalled(): boolean {
    return Date.now() < this.#stalledUntil;
  }

  #forward(from: Socket, to: Socket): void {
    from.on('data', (piece: Buffer) => {
      if (this.#apart) return;
      if (from === this.#server) this.#left -= piece.length;
      if (this.#left <= 0) {
        this.#apart = true;
        // With a reset the other side might not get to read the rest.
        to.end(piece.subarray(0, piece.length + this.#left));
        reset(from);
        return;
      }
      const open = to.write(piece);
      if (!open) from.pause();
      if (this.#pause > 0) {
        from.pause();
        setTimeout(() => this.#resume(from, to), this.#pause);
      }
    });
    to.on('drain', () => this.#resume(from, to));
    from.on('end', () => {
      if (!this.#apart) to.end();
    });
    // The close that follows says it all.
    from.on('error', () => {});
    from.on('close', (broken) => {
      const pass = () => {
        if (this.#apart) return;
        if (this.#stalled) {
          setTimeout(pass, this.#stalledUntil - Date.now() + 1);
          return;
        }
        if (broken) reset(to);
        else to.end();
      };
      pass();
    });
  }

  #resume(from: Socket, to: Socket): void {
    if (!this.#stalled && !to.writableNeedDrain) from.resume();
  }

  cut(): void {
    this.#stalledUntil = 0;
    reset(this.#client);
    reset(this.#server);
  }

  vanish(ms: number): void {
    this.stall(ms);
    reset(this.#client);
    setTimeout(() => this.cut(), ms);
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

  forget(ms: number): void {
    this.#apart = true;
    setTimeout(() => {
      reset(this.#server);
      // The client's end stays for as long as the client has it.
      if (this.#client.readableEnded) this.#client.destroy();
      else this.#client.once('end', () => this.#client.destroy());
    }, ms).unref();
  }

  cutAfter(bytes: number): void {
    this.#left = bytes;
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
  const waiting: { act: (line: Line) => void; text: string }[] = [];
  const onPiece = (line: Line, piece: Buffer) => {
    const index = waiting.findIndex(({ text }) => piece.includes(text));
    const [next] = index < 0 ? [] : waiting.splice(index, 1);
    next?.act(line);
  };
  let partedUntil = 0;
  const servers: Server[] = [];
  const also = (target: number) => {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const pair: Pair = new Pair(client, target, onPiece, () => pairs.delete(pair));
      pairs.add(pair);
      const parted = partedUntil - Date.now();
      if (parted > 0) pair.forget(parted);
    });
    servers.push(server);
    return listen(server);
  };
  return {
    port: await also(target),
    also,
    lines: () => [...pairs],
    onNext(act, text = '') {
      const next = { act, text };
      waiting.push(next);
      return () => {
        if (waiting.includes(next)) waiting.splice(waiting.indexOf(next), 1);
      };
    },
    part(ms) {
      partedUntil = Date.now() + ms;
      for (const pair of pairs) pair.forget(ms);
    },
    async close() {
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      for (const pair of pairs) pair.cut();
      await Promise.all(closed);
    },
  };
}
