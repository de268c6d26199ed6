/** One WebSocket connection of a client, and when it last showed a sign of life. */
import { type ClientOptions, WebSocket } from 'ws';
import { now } from './clock.js';

/** Where a replica is reached. */
export interface Door {
  replica: string;
  port: number;
}

export interface LinkEvents {
  open(link: Link): void;
  /** `status` is the HTTP answer to a handshake that was turned down. */
  refused(link: Link, status: number): void;
  message(link: Link, text: string): void;
  /** `opened` is false where the handshake never came to its end. */
  close(link: Link, code: number, opened: boolean): void;
}

const handshakeTimeout = 4000;

export class Link {
  readonly number: number;
  readonly door: Door;
  /** The client's own port, once the connection is open. */
  port = 0;
  /** The client ended it, or was about to. */
  own = false;
  reading = true;
  lastSign = now();
  readonly #socket: WebSocket;
  #opened = false;

  constructor(
    number: number,
    door: Door,
    to: { query: string; protocols: string[]; options: ClientOptions },
    events: LinkEvents,
  ) {
    this.number = number;
    this.door = door;
    const options = { handshakeTimeout, perMessageDeflate: false, ...to.options };
    const socket = new WebSocket(`ws://127.0.0.1:${door.port}/ws${to.query}`, to.protocols, options);
    this.#socket = socket;
    const alive = () => {
      this.lastSign = now();
    };
    socket.on('upgrade', ({ socket: { localPort } }) => {
      this.port = localPort ?? 0;
    });
    socket.on('open', () => {
      this.#opened = true;
      alive();
      events.open(this);
    });
    socket.on('ping', alive);
    socket.on('message', (data: Buffer) => {
      alive();
      events.message(this, data.toString());
    });
    socket.on('unexpected-response', (_, { statusCode }) => {
      events.refused(this, statusCode ?? 0);
      socket.terminate();
    });
    // The close that follows says all that a client needs.
    socket.on('error', () => {});
    socket.on('close', (code) => events.close(this, code, this.#opened));
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  send(frame: object): void {
    this.#socket.send(JSON.stringify(frame));
  }

  /** Stops reading, as a program that hangs does: not even pings are answered. */
  stopReading(): void {
    this.reading = false;
    this.#socket.pause();
  }

  readAgain(): void {
    this.reading = true;
    this.lastSign = now();
    this.#socket.resume();
  }

  close(): void {
    this.own = true;
    this.#socket.close(1000);
  }

  /** Gives it up without a word, as a client does whose line seems dead. */
  drop(): void {
    this.own = true;
    this.#socket.terminate();
  }
}
