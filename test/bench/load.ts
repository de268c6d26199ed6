import { setTimeout as sleep } from 'node:timers/promises';
import { ExtendedUser } from './extended.js';
import { inTime } from './in-time.js';
import { flushAll, LoadSocket, mint } from './socket.js';
import { FIRST, SECRET } from './stack.js';

const CONTENT_LENGTH = 100;
const now = () => performance.now();

/** What was sent and what came, and how long it took in milliseconds. */
export class Ledger {
  sent = 0;
  arrived = 0;
  doubled = 0;
  /** Filled while it is set. */
  latencies: number[] | undefined;
  private readonly waiting = new Map<string, number>();
  /** How many are still to get a message, once somebody has it. */
  private readonly left = new Map<string, number>();
  onArrival: (sender: number) => void = () => {};

  /** @param receivers of each message */
  constructor(private readonly receivers = 1) {}

  /** @returns the content of the next message of a sender @param at when it is due */
  next(sender: number, at = now()): string {
    const id = `${sender}.${this.sent++}`;
    this.waiting.set(id, at);
    return `${id} `.padEnd(CONTENT_LENGTH, 'x');
  }

  /** Takes a frame; what is no chat is passed over. */
  readonly take = (text: string): void => {
    if (!text.startsWith('{"type":"chat"')) return;
    const start = text.indexOf('"content":"') + 11;
    this.arrive(text.slice(start, text.indexOf(' ', start)));
  };

  arrive(id: string): void {
    const at = this.waiting.get(id);
    if (at === undefined) {
      this.doubled++;
      return;
    }
    const left = (this.left.get(id) ?? this.receivers) - 1;
    if (left > 0) this.left.set(id, left);
    else {
      this.left.delete(id);
      this.waiting.delete(id);
    }
    this.arrived++;
    this.latencies?.push(now() - at);
    this.onArrival(Number(id.slice(0, id.indexOf('.'))));
  }

  /** Messages that somebody still lacks. */
  get lost(): number {
    return this.waiting.size;
  }

  /** Waits until everything has arrived, or nothing has for a while. */
  async drain(): Promise<void> {
    for (let last = -1, quiet = 0; this.waiting.size > 0 && quiet < 100; quiet++) {
      if (this.waiting.size !== last) quiet = 0;
      last = this.waiting.size;
      await sleep(50);
    }
  }
}

export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] ?? Number.NaN;
}

export const openUser = (port: number, i: number, take: (text: string) => void = () => {}) =>
  LoadSocket.open(port, mint(FIRST + i, SECRET), take);

/** Waits until all is done that a plain client has sent. */
export async function settled(socket: LoadSocket): Promise<void> {
  const { onText } = socket;
  const answer = new Promise<void>((resolve) => {
    socket.onText = (text) => (text.startsWith('{"type":"online_list"') ? resolve() : onText(text));
  });
  socket.send('{"type":"get_online_list"}');
  flushAll();
  await inTime(answer, 'an online list');
  socket.onText = onText;
}

/** Opens many connections, some at a time. */
export async function openAll<T>(count: number, open: (i: number) => Promise<T>): Promise<T[]> {
  const sockets: T[] = new Array(count);
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(64, count) }, async () => {
      for (let i = next++; i < count; i = next++) sockets[i] = await open(i);
    }),
  );
  return sockets;
}

export const chat = (socket: LoadSocket | undefined, to: number, content: string) =>
  socket?.send(`{"type":"chat","to_user_id":${FIRST + to},"content":"${content}"}`);

/** Somebody who writes to others, and is given what is for them. */
interface Talker {
  chat(to: number, content: string): void;
  end(): void;
}
export type OpenTalker = (port: number, i: number, take: (text: string) => void) => Promise<Talker>;

const plainTalker: OpenTalker = async (port, i, take) => {
  const socket = await openUser(port, i, take);
  return { chat: (to, content) => chat(socket, to, content), end: () => socket.end() };
};
/** A client of `chat.v2`, which has ids and acknowledges. */
export const extendedTalker: OpenTalker = async (port, i, take) => {
  const user = await ExtendedUser.open(port, i);
  user.onChat = take;
  await user.sync();
  return user;
};

/**
 * A closed loop: pairs that keep so many messages in flight each.
 * @param ports of the senders' and of the receivers' instance
 * @returns what starts it, what stops it until it is started again, and what ends it
 */
export async function pairs(
  ledger: Ledger,
  count: number,
  inFlight: number,
  ports: [number, number],
  open = plainTalker,
) {
  const receivers = await openAll(count, (i) => open(ports[1], count + i, ledger.take));
  const senders = await openAll(count, (i) => open(ports[0], i, () => {}));
  const send = (i: number) => senders[i]?.chat(count + i, ledger.next(i));
  let running = false;
  ledger.onArrival = (i) => {
    if (running) send(i);
  };
  return {
    async start() {
      // A few spaced bursts first, so that pools are full and plans are made before the core is busy.
      for (let burst = 0; burst < 8; burst++) {
        for (let i = 0; i < count; i++) send(i);
        flushAll();
        await sleep(250);
      }
      running = true;
      for (let i = 0; i < count * inFlight; i++) send(i % count);
      flushAll();
    },
    async pause() {
      running = false;
      await ledger.drain();
    },
    async stop() {
      await this.pause();
      for (const socket of [...receivers, ...senders]) socket.end();
    },
  };
}

/** Who writes to whom: two places among the connections. */
export type Pick = () => [from: number, to: number];

/** Anybody among so many to anybody else. */
const atRandom =
  (users: number): Pick =>
  () => {
    const from = Math.floor(Math.random() * users);
    return [from, (from + 1 + Math.floor(Math.random() * (users - 1))) % users];
  };

/** An open loop: a message each 1/rate seconds; latency counts from when it is due. */
export function pace(
  ledger: Ledger,
  sockets: readonly LoadSocket[],
  rate: number,
  pick = atRandom(sockets.length),
): () => void {
  return paced(rate, (due) => {
    const [from, to] = pick();
    chat(sockets[from], to, ledger.next(from, due));
  });
}

/** Does something each 1/rate seconds, and says when it is due. @returns ends it */
export function paced(rate: number, say: (due: number) => void): () => void {
  const started = now();
  let count = 0;
  const timer = setInterval(() => {
    for (const due = ((now() - started) * rate) / 1000; count < due; count++)
      say(started + (count * 1000) / rate);
    flushAll();
  }, 1);
  return () => clearInterval(timer);
}
