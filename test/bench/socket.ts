import { createHmac, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { inTime } from './in-time.js';

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token as the server signs them. */
export function mint(user: number, secret: string): string {
  const now = Math.floor(Date.now() / 1000);
  const body = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ user_id: user, username: `u${user}`, iat: now, exp: now + 86_400 })}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

const dirty: LoadSocket[] = [];

/** Writes out what was sent since the last time, one write for each connection. */
export function flushAll(): void {
  for (const socket of dirty) socket.flush();
  dirty.length = 0;
}

/** A WebSocket client (RFC 6455) that costs as little as can be, so that what is measured is the server. Text is ASCII. */
export class LoadSocket {
  onText: (text: string) => void = () => {};
  closed = false;
  private out: Buffer[] = [];
  private rest: Buffer | undefined;
  private upgraded = false;
  private readonly mask = randomBytes(4);

  private constructor(
    private readonly socket: Socket,
    private readonly opened: () => void,
    private readonly failed: (error: Error) => void,
  ) {
    socket.on('data', (data) => this.take(data));
    socket.on('error', (error) => this.failed(error));
    socket.on('close', () => {
      this.closed = true;
      this.failed(new Error('closed'));
    });
  }

  /** @param protocol the subprotocol; none: the plain protocol */
  static open(
    port: number,
    token: string,
    onText: (text: string) => void,
    protocol?: string,
  ): Promise<LoadSocket> {
    const opened = new Promise<LoadSocket>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      const client = new LoadSocket(socket, () => resolve(client), reject);
      client.onText = onText;
      socket.write(
        `GET /ws?token=${token} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
          `${protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`}\r\n`,
      );
    });
    return inTime(opened, 'the answer to an upgrade');
  }

  send(text: string): void {
    this.frame(1, Buffer.from(text, 'latin1'));
  }

  flush(): void {
    const { out } = this;
    this.out = [];
    if (out.length > 0 && !this.closed)
      this.socket.write(out.length === 1 ? (out[0] ?? '') : Buffer.concat(out));
  }

  end(): void {
    this.socket.destroy();
  }

  private frame(opcode: number, payload: Buffer): void {
    const { length } = payload;
    const head = length < 126 ? 2 : 4;
    const frame = Buffer.allocUnsafe(head + 4 + length);
    frame[0] = 0x80 | opcode;
    frame[1] = 0x80 | (head === 2 ? length : 126);
    if (head === 4) frame.writeUInt16BE(length, 2);
    this.mask.copy(frame, head);
    for (let i = 0; i < length; i++) frame[head + 4 + i] = (payload[i] ?? 0) ^ (this.mask[i & 3] ?? 0);
    if (this.out.push(frame) === 1) dirty.push(this);
  }

  private take(data: Buffer): void {
    let buffer = this.rest === undefined ? data : Buffer.concat([this.rest, data]);
    this.rest = undefined;
    if (!this.upgraded) {
      const end = buffer.indexOf('\r\n\r\n');
      if (end < 0) {
        this.rest = buffer;
        return;
      }
      if (!buffer.toString('latin1', 0, 12).endsWith('101')) {
        this.failed(new Error(buffer.toString('latin1', 0, 80)));
        return;
      }
      this.upgraded = true;
      this.opened();
      buffer = buffer.subarray(end + 4);
    }
    let at = 0;
    while (buffer.length - at >= 2) {
      const opcode = (buffer[at] ?? 0) & 15;
      let length = (buffer[at + 1] ?? 0) & 127;
      let head = 2;
      if (length === 126) {
        if (buffer.length - at < 4) break;
        length = buffer.readUInt16BE(at + 2);
        head = 4;
      } else if (length === 127) {
        if (buffer.length - at < 10) break;
        length = Number(buffer.readBigUInt64BE(at + 2));
        head = 10;
      }
      const end = at + head + length;
      if (end > buffer.length) break;
      if (opcode === 1) this.onText(buffer.toString('latin1', at + head, end));
      else if (opcode === 9) this.frame(10, buffer.subarray(at + head, end));
      at = end;
    }
    if (at < buffer.length) this.rest = Buffer.from(buffer.subarray(at));
    flushAll();
  }
}
