/** Two who talk politely, one in each protocol, and count: every message once, in order, soon. */
import { once } from 'node:events';
import WebSocket from 'ws';
import type { Account } from './peer.js';

/** Milliseconds between two messages of one of them. */
const EVERY_MS = 50;
/** Milliseconds for the last ones to arrive. */
const LAST_MS = 10_000;

export interface Talk {
  sent: number;
  lost: number;
  doubled: number;
  outOfOrder: number;
  /** What else went wrong, such as a connection that ended. */
  troubles: string[];
  /** Milliseconds from sending to arrival; undefined where nothing arrived. */
  p50: number | undefined;
  p99: number | undefined;
}

/** One side's messages at the other. */
class Line {
  readonly sentAt: number[] = [];
  readonly arrived = new Set<number>();
  waits: number[] = [];
  private last = 0;
  doubled = 0;
  outOfOrder = 0;

  /** @returns the text of the next message */
  next(): string {
    this.sentAt.push(performance.now());
    return `message ${this.sentAt.length}`;
  }

  came(text: string): void {
    const number = Number(/^message (\d+)$/.exec(text)?.[1]);
    const sentAt = this.sentAt[number - 1];
    if (sentAt === undefined) throw new Error(`nobody sent this: ${text}`);
    if (this.arrived.has(number)) this.doubled++;
    else if (number < this.last) this.outOfOrder++;
    this.arrived.add(number);
    this.last = Math.max(this.last, number);
    this.waits.push(performance.now() - sentAt);
  }

  get lost(): number {
    return this.sentAt.length - this.arrived.size;
  }
}

function quantile(sorted: readonly number[], part: number): number | undefined {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

export class Pair {
  private readonly toExtended = new Line();
  private readonly toPlain = new Line();
  private readonly troubles: string[] = [];
  private clock: NodeJS.Timeout | undefined;

  private constructor(
    private readonly plain: WebSocket,
    private readonly extended: WebSocket,
    private readonly who: readonly [Account, Account],
  ) {
    for (const [socket, name] of [
      [plain, 'plain'],
      [extended, 'extended'],
    ] as const) {
      socket.on('message', (data) => this.frame(name, JSON.parse(data.toString())));
      socket.on('close', (code) => this.trouble(`the ${name} one of the pair was closed with ${code}`));
      socket.on('error', (error) => this.trouble(`the ${name} one of the pair: ${error.message}`));
    }
  }

  static async open(port: number, plain: Account, extended: Account): Promise<Pair> {
    const open = async ({ token }: Account, protocols: string[]) => {
      const headers = { authorization: `Bearer ${token}` };
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, protocols, { headers });
      await once(socket, 'open');
      return socket;
    };
    const pair = new Pair(await open(plain, []), await open(extended, ['chat.v2']), [plain, extended]);
    pair.extended.send(JSON.stringify({ type: 'sync', positions: [] }));
    return pair;
  }

  private trouble(text: string): void {
    if (this.troubles.length < 20) this.troubles.push(text);
  }

  private frame(
    name: 'plain' | 'extended',
    frame: { type: string; content: string; conversation_id: number; seq: number },
  ): void {
    if (frame.type === 'error')
      this.trouble(`the ${name} one of the pair was told: ${JSON.stringify(frame)}`);
    if (frame.type !== 'chat') return;
    if (name === 'plain') return this.toPlain.came(frame.content);
    this.toExtended.came(frame.content);
    const { conversation_id, seq } = frame;
    this.extended.send(JSON.stringify({ type: 'ack', conversation_id, seq }));
  }

  talk(): void {
    const [plain, extended] = this.who;
    let number = 0;
    this.clock = setInterval(() => {
      const say = (socket: WebSocket, frame: object) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'chat', ...frame }));
      };
      say(this.plain, { to_user_id: extended.user_id, content: this.toExtended.next() });
      say(this.extended, {
        id: `n-${++number}`,
        to_user_id: plain.user_id,
        content: this.toPlain.next(),
      });
    }, EVERY_MS);
  }

  /** The waits so far don't count: a server that has just started is slow by itself. */
  forget(): void {
    for (const line of [this.toExtended, this.toPlain]) line.waits = [];
  }

  /** How long messages took since these were forgotten. */
  waits(): Pick<Talk, 'p50' | 'p99'> {
    const waits = [this.toExtended, this.toPlain].flatMap((line) => line.waits).sort((a, b) => a - b);
    return { p50: quantile(waits, 0.5), p99: quantile(waits, 0.99) };
  }

  /** Stops talking and waits for what is under way. */
  async stop(): Promise<Talk> {
    clearInterval(this.clock);
    const lines = [this.toExtended, this.toPlain];
    const sum = (count: (line: Line) => number) => lines.reduce((total, line) => total + count(line), 0);
    const end = performance.now() + LAST_MS;
    while (sum(({ lost }) => lost) > 0 && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 20));
    return {
      sent: sum(({ sentAt }) => sentAt.length),
      lost: sum(({ lost }) => lost),
      doubled: sum(({ doubled }) => doubled),
      outOfOrder: sum(({ outOfOrder }) => outOfOrder),
      troubles: [...this.troubles],
      ...this.waits(),
    };
  }

  close(): void {
    clearInterval(this.clock);
    for (const socket of [this.plain, this.extended]) {
      socket.removeAllListeners('close');
      socket.terminate();
    }
  }
}
