/** Bytes on a socket, for what no well-behaved client sends. */
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import { ERRORS } from '../schemas/error.js';
import { SECRET } from './helper.js';

/** Milliseconds that a test waits for an answer. */
const PATIENCE_MS = 30_000;

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it asserts
  body: any;
}

export interface RawFrame {
  opcode: number;
  payload: Buffer;
}

/** A token as the reference makes it, or with anything about it changed: made now, unless the claims say when. */
export function mint(
  claims: object,
  { header = { alg: 'HS256', typ: 'JWT' }, secret = SECRET } = {},
): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const whole = claims === null || Array.isArray(claims) || 'iat' in claims;
  const made = whole ? claims : { iat: Math.floor(Date.now() / 1000), ...claims };
  const text = `${encode(header)}.${encode(made)}`;
  const digest = { HS384: 'sha384', HS512: 'sha512' }[header.alg] ?? 'sha256';
  return `${text}.${createHmac(digest, secret).update(text).digest('base64url')}`;
}

interface RequestParts {
  headers?: Record<string, string>;
  body?: string | Buffer;
}

/** A request as it is written to the wire. A body gets a length, and a JSON content type unless `headers` says otherwise. */
export function rawRequest(
  method: string,
  target: string,
  { headers = {}, body }: RequestParts = {},
): Buffer {
  const bytes = Buffer.from(body ?? '');
  const all: Record<string, string> = {
    Host: 'chat.example',
    ...(body !== undefined && {
      'Content-Type': 'application/json',
      'Content-Length': String(bytes.length),
    }),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'),
    bytes,
  ]);
}

/** The headers of a WebSocket handshake. */
export const HANDSHAKE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

export interface FrameParts {
  final?: boolean;
  masked?: boolean;
  /** The three reserved bits: 4 says "compressed". */
  reserved?: number;
  /** What the head says, where it isn't the payload's length. */
  length?: number;
}

/** A client's frame (RFC 6455, 5.2), or nearly one. */
export function rawFrame(
  opcode: number,
  content: string | Buffer = '',
  { final = true, masked = true, reserved = 0, length }: FrameParts = {},
): Buffer {
  const payload = Buffer.from(content);
  const size = length ?? payload.length;
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10);
  head[0] = (final ? 0x80 : 0) | (reserved << 4) | opcode;
  if (head.length === 2) head[1] = size;
  else if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(size, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(size), 2);
  }
  if (!masked) return Buffer.concat([head, payload]);
  head[1] = (head[1] ?? 0) | 0x80;
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i & 3] ?? 0))]);
}

/** A TCP connection to a server that reads HTTP answers and frames. It is cut after the test. */
export class RawSocket {
  private received = Buffer.alloc(0);
  private over: string | undefined;
  private wake: () => void = () => {};

  private constructor(readonly socket: Socket) {
    socket.on('data', (data) => {
      this.received = Buffer.concat([this.received, data]);
      this.wake();
    });
    const end = (how: string) => () => {
      this.over ??= how;
      this.wake();
    };
    socket.on('end', end('ended'));
    socket.on('error', end('broken'));
    socket.on('close', end('closed'));
  }

  /** @param from the loopback address to come from, where it matters */
  static async open(t: Test | undefined, port: number, from?: string): Promise<RawSocket> {
    const socket = connect({
      port,
      host: '127.0.0.1',
      allowHalfOpen: true,
      ...(from !== undefined && { localAddress: from }),
    });
    t?.teardown(() => socket.destroy());
    await once(socket, 'connect');
    return new RawSocket(socket);
  }

  write(bytes: string | Buffer): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  /** Waits until what was received can be read as something, or the connection is over. */
  private async until<T>(read: () => T | undefined, wanted: string): Promise<T> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const value = read();
      if (value !== undefined) return value;
      if (this.over !== undefined || Date.now() >= end)
        throw new Error(
          `no ${wanted}: ${this.over ?? 'waited in vain'}; received ${this.received.toString('latin1')}`,
        );
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        timer = setTimeout(resolve, end - Date.now());
      });
      clearTimeout(timer);
    }
  }

  private take(bytes: number): Buffer {
    const taken = this.received.subarray(0, bytes);
    this.received = this.received.subarray(bytes);
    return taken;
  }

  /** The next answer; "100 Continue" is passed over. */
  answer({ head = false } = {}): Promise<RawAnswer> {
    return this.until(() => {
      const end = this.received.indexOf('\r\n\r\n');
      if (end < 0) return undefined;
      const [first = '', ...lines] = this.received.subarray(0, end).toString('latin1').split('\r\n');
      const status = Number(/^HTTP\/1\.1 (\d{3}) [A-Z]/.exec(first)?.[1]);
      if (Number.isNaN(status)) throw new Error(`no HTTP: ${first}`);
      if (status === 100) {
        this.take(end + 4);
        return undefined;
      }
      const headers = Object.fromEntries(
        lines.map((line) => {
          const colon = line.indexOf(':');
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        }),
      );
      const length = head || status === 101 ? 0 : Number(headers['content-length']);
      if (this.received.length < end + 4 + length) return undefined;
      this.take(end + 4);
      const text = this.take(length).toString();
      return { status, headers, body: text === '' ? undefined : JSON.parse(text) };
    }, 'answer');
  }

  /** The next frame of the server. */
  frame(): Promise<RawFrame> {
    return this.until(() => {
      const [first, second] = this.received;
      if (first === undefined || second === undefined) return undefined;
      const head = second < 126 ? 2 : second === 126 ? 4 : 10;
      if (this.received.length < head) return undefined;
      const length =
        head === 2
          ? second
          : head === 4
            ? this.received.readUInt16BE(2)
            : Number(this.received.readBigUInt64BE(2));
      if (this.received.length < head + length) return undefined;
      const payload = Buffer.from(this.received.subarray(head, head + length));
      this.take(head + length);
      return { opcode: first & 15, payload };
    }, 'frame');
  }

  /** The next text frame, parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it asserts
  async json(): Promise<any> {
    for (;;) {
      const { opcode, payload } = await this.frame();
      if (opcode === 1) return JSON.parse(payload.toString());
      if (opcode === 8) throw new Error(`closed with ${payload.toString('hex')}`);
    }
  }

  /** Waits for the close frame and then for the end of the connection. @returns the code */
  async closeCode(): Promise<number> {
    for (;;) {
      const { opcode, payload } = await this.frame();
      if (opcode !== 8) continue;
      this.socket.end();
      await this.end();
      return payload.length < 2 ? 1005 : payload.readUInt16BE(0);
    }
  }

  /** Waits until the server has ended the connection. */
  async end(): Promise<string> {
    return this.until(() => this.over, 'end');
  }
}

/** Sends bytes on a connection of their own and gives the answer. */
export async function exchange(t: Test, port: number, bytes: string | Buffer): Promise<RawAnswer> {
  const socket = await RawSocket.open(t, port);
  socket.write(bytes);
  const answer = await socket.answer({ head: /^HEAD /.test(bytes.toString('latin1')) });
  socket.socket.destroy();
  return answer;
}

/** An error in the envelope: its name, its status on the line and in the body, and nothing that is not for people. */
export function isRefused(
  t: Test,
  { status, headers, body }: RawAnswer,
  error: keyof typeof ERRORS,
  what = '',
) {
  t.strictSame(
    [status, body?.code, body?.error],
    [ERRORS[error].status, ERRORS[error].status, error],
    `${what}: ${error}`,
  );
  const { retry_after_ms: wait, ...rest } = body ?? {};
  t.strictSame(Object.keys(rest).sort(), ['code', 'error', 'message'], what);
  const seconds = wait === undefined ? undefined : String(Math.ceil(wait / 1000));
  t.equal(headers['retry-after'], seconds, `${what}: both say when, or neither`);
  t.match(headers['content-type'], /^application\/json/, what);
  t.notMatch(body?.message, /\bat .*:\d+|node_modules|select|insert|postgres|violates|syntax/i, what);
}
