/** One connection of somebody who doesn't behave. */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../fault/random.js';
import { HANDSHAKE, RawSocket, rawFrame, rawRequest } from '../raw.js';

/** Who a connection speaks for. */
export interface Account {
  user_id: number;
  token: string;
}

/** Milliseconds that a server may wait for the other side after its own last word. */
const LAST_WORD_MS = 5000;
/** Milliseconds between two looks at whether anybody is there. */
const PROBE_MS = 300;

export class Peer {
  /** The server has said that nothing more will come. */
  private ended = false;
  /** Nothing of the connection is left on this side. */
  gone = false;
  readonly over: Promise<void>;
  /** What the server wrote, as far as it has been read. */
  bytes = 0;

  private constructor(
    private readonly raw: RawSocket,
    readonly account: Account,
    readonly draw: Random,
  ) {
    this.over = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.gone = true;
        resolve();
      });
    });
    this.socket.once('end', () => {
      this.ended = true;
    });
  }

  /** @param from the loopback address to come from */
  static async open(port: number, from: string | undefined, account: Account, draw: Random): Promise<Peer> {
    return new Peer(await RawSocket.open(undefined, port, from), account, draw);
  }

  get socket(): Socket {
    return this.raw.socket;
  }

  write(bytes: string | Buffer): void {
    this.raw.write(bytes);
  }

  /** From now on what comes is counted, and not kept. */
  forget(): void {
    this.socket.removeAllListeners('data');
    this.socket.on('data', (data) => {
      this.bytes += data.length;
    });
  }

  /** Waits, or less if the connection is over before. @param ms milliseconds */
  async pause(ms: number): Promise<void> {
    const timer = new AbortController();
    const waited = sleep(ms, undefined, { signal: timer.signal }).catch(() => {});
    await Promise.race([waited, this.over]);
    timer.abort();
  }

  /** Writes and waits until the system has taken it, or nobody takes it any more. */
  async push(bytes: Buffer): Promise<void> {
    if (!this.socket.writable) return;
    const taken = new Promise<void>((resolve) => {
      if (this.socket.write(bytes)) resolve();
      else this.socket.once('drain', resolve);
    });
    await Promise.race([taken, this.over]);
  }

  /**
   * Waits until the server has let go of the connection, whatever this side still holds: a byte to it is then answered with a
   * reset. @returns whether it has, within so many milliseconds
   */
  async isLetGo(ms: number): Promise<boolean> {
    const end = performance.now() + ms;
    while (!this.gone && performance.now() < end) {
      if (!this.ended) {
        await this.pause(PROBE_MS);
        continue;
      }
      await this.pause(LAST_WORD_MS);
      for (let i = 0; i < 10 && !this.gone; i++) {
        // On a side that is ended already nothing can be said: then both are, and the system tells.
        if (this.socket.writable) this.socket.write('\0');
        await this.pause(PROBE_MS);
      }
      return this.gone;
    }
    return this.gone;
  }

  // What is said on the way to a WebSocket and on it.

  handshake(extended: boolean, headers: Record<string, string> = {}): Buffer {
    return rawRequest('GET', '/ws', {
      headers: {
        ...HANDSHAKE,
        Authorization: `Bearer ${this.account.token}`,
        ...(extended && { 'Sec-WebSocket-Protocol': 'chat.v2' }),
        ...headers,
      },
    });
  }

  /** Opens a WebSocket as a good client does. @throws Error if it is refused */
  async enter(extended: boolean): Promise<void> {
    this.write(this.handshake(extended));
    const { status } = await this.raw.answer();
    if (status !== 101) throw new Error(`the upgrade is answered with ${status}`);
    if (extended) await this.raw.json();
  }

  /** Waits for a frame of a type, passing over others. */
  async frame(type: string): Promise<void> {
    while ((await this.raw.json()).type !== type);
  }

  say(type: string, fields: object = {}): Buffer {
    return rawFrame(1, JSON.stringify({ type, ...fields }));
  }
}
