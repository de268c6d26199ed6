import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { Transport } from '../../plugins/connection/port.js';

/** A client at the other end of a WebSocket. */
export class SocketTransport implements Transport {
  /** @param tcp below the WebSocket: whole frames are written there, several with one system call */
  constructor(
    private readonly socket: WebSocket,
    private readonly tcp: Socket,
  ) {}

  get isOpen(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  get isGone(): boolean {
    return this.tcp.destroyed;
  }

  get unsent(): number {
    return this.tcp.writableLength;
  }

  get isFull(): boolean {
    return this.tcp.writableNeedDrain;
  }

  write(bytes: Buffer): void {
    if (this.tcp.writable) this.tcp.write(bytes);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
  }

  terminate(): void {
    this.socket.terminate();
  }
}
