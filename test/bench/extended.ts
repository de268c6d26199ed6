import { LIMITS } from '../../schemas/limits.js';
import { inTime } from './in-time.js';
import { flushAll, LoadSocket, mint } from './socket.js';
import { FIRST, SECRET } from './stack.js';

/** Messages after which a client acknowledges. */
const GROUP = 32;
/** Milliseconds after which it acknowledges fewer. */
const PAUSE_MS = 100;

/** The number behind a name in a frame. */
function field(text: string, name: string): number {
  const start = text.indexOf(`"${name}":`) + name.length + 3;
  return Number.parseInt(text.slice(start, start + 16), 10);
}

/** A client of `chat.v2`: it sends with ids, holds positions and acknowledges some messages at a time. */
export class ExtendedUser {
  /** Called with each `chat` frame. */
  onChat: (text: string) => void = () => {};
  /** The same with each `head`, and with every frame. */
  onHead: () => void = () => {};
  onAny: (text: string) => void = () => {};
  private sent = 0;
  private answered = 0;
  private onStored: () => void = () => {};
  private onSynced: () => void = () => {};
  private onRefused: (error: Error) => void = () => {};
  /** Messages that it hasn't acknowledged, and their conversations. */
  private unacknowledged = 0;
  private readonly moved = new Set<number>();
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    readonly socket: LoadSocket,
    private readonly user: number,
    /** The last `seq` that it has of each conversation. */
    readonly positions: Map<number, number>,
  ) {
    socket.onText = (text) => this.take(text);
  }

  /** Opens a connection, and waits until it is welcome. */
  static async open(port: number, i: number, positions = new Map<number, number>()): Promise<ExtendedUser> {
    let welcome = () => {};
    const welcomed = new Promise<void>((resolve) => {
      welcome = resolve;
    });
    const socket = await LoadSocket.open(port, mint(FIRST + i, SECRET), () => welcome(), 'chat.v2');
    await inTime(welcomed, 'a welcome');
    return new ExtendedUser(socket, i, positions);
  }

  /** Says what it has, and waits until it was given what it lacks. */
  async sync(): Promise<void> {
    const synced = new Promise<void>((resolve, reject) => {
      this.onSynced = resolve;
      this.onRefused = reject;
    });
    const all = [...this.positions].map(([id, seq]) => `{"conversation_id":${id},"seq":${seq}}`);
    const frames = Math.max(1, Math.ceil(all.length / LIMITS.syncPositions));
    for (let i = 1; i <= frames; i++) {
      const named = all.slice((i - 1) * LIMITS.syncPositions, i * LIMITS.syncPositions);
      this.socket.send(`{"type":"sync","positions":[${named}]${i < frames ? ',"more":true' : ''}}`);
    }
    flushAll();
    await inTime(synced, 'a sync');
  }

  /** Says what is on its screen. */
  show(conversations: readonly number[]): void {
    this.socket.send(`{"type":"open","conversation_ids":[${conversations}]}`);
    flushAll();
  }

  /** Sends a message with an id. */
  chat(to: number, content: string): void {
    this.say(`"to_user_id":${FIRST + to}`, content);
  }

  /** Sends one to a conversation. */
  chatIn(conversation: number, content: string): void {
    this.say(`"conversation_id":${conversation}`, content);
  }

  private say(target: string, content: string) {
    const id = `${this.user}.${this.sent++}`;
    this.socket.send(`{"type":"chat","id":"${id}",${target},"content":"${content}"}`);
  }

  /** Waits until all that it has sent is stored. */
  async stored(): Promise<void> {
    const stored = new Promise<void>((resolve, reject) => {
      this.onStored = resolve;
      this.onRefused = reject;
    });
    flushAll();
    if (this.answered < this.sent) await inTime(stored, 'what says that all is stored');
  }

  end(): void {
    clearTimeout(this.timer);
    this.socket.end();
  }

  private take(text: string) {
    this.onAny(text);
    if (text.startsWith('{"type":"chat"')) {
      const conversation = field(text, 'conversation_id');
      this.positions.set(conversation, field(text, 'seq'));
      this.moved.add(conversation);
      if (++this.unacknowledged >= GROUP) this.acknowledge();
      else
        this.timer ??= setTimeout(() => {
          this.acknowledge();
          flushAll();
        }, PAUSE_MS);
      this.onChat(text);
    } else if (text.startsWith('{"type":"sent"')) {
      if (++this.answered === this.sent) this.onStored();
    } else if (text.startsWith('{"type":"synced"')) this.onSynced();
    else if (text.startsWith('{"type":"head"')) this.onHead();
    else if (/^{"type":"(error|reset)"/.test(text)) this.onRefused(new Error(text));
  }

  private acknowledge() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.unacknowledged = 0;
    for (const id of this.moved)
      this.socket.send(`{"type":"ack","conversation_id":${id},"seq":${this.positions.get(id)}}`);
    this.moved.clear();
  }
}
