/** Clients that follow the rules, and say where the server didn't. */
import type { Random } from '../fault/random.js';
import { MANY, ME } from './world.js';

const TEXT = 0x81;
const PING = 0x89;

/** A client of a kind, over as many connections as it takes. */
export interface ModelClient {
  readonly faults: string[];
  /** A connection is open. @param say writes a frame to it, `pong` answers a ping */
  open(say: (frame: object) => void, pong: (payload: string) => void): void;
  /** Reads a frame. */
  hear(head: number, text: string): void;
  /** Does something, by chance. */
  act(random: Random): void;
  /** Shows something, by chance. */
  look?(random: Random): void;
  /** Asks for everything that is left. */
  settle(): void;
  /** Whether it holds a message. */
  holds(conversation: number, seq: number, msgId: number): boolean;
  /** A message of its own, if it can be: names the target and perhaps an id. @param to a user, or the conversation of all */
  chat(to: number): void;
}

/** `chat.v2`: rules X2, X5, X7 and X8. */
export class ExtendedClient implements ModelClient {
  readonly faults: string[] = [];
  protected readonly positions = new Map<number, number>();
  /** Own messages past a position, which `sent` told of. */
  protected readonly told = new Map<number, Set<number>>();
  private syncing = 0;
  private sends = 0;
  protected say: (frame: object) => void = () => {};

  open(say: (frame: object) => void): void {
    this.say = say;
    this.syncing = 0;
    this.told.clear();
    this.settle();
  }

  protected at(conversation: number): number {
    return this.positions.get(conversation) ?? 0;
  }

  hear(head: number, text: string): void {
    if (head !== TEXT) return;
    const frame = JSON.parse(text);
    const { type, conversation_id: conversation, seq } = frame;
    if (type === 'synced') this.syncing--;
    if (type === 'error' || type === 'reset') this.faults.push(`it was told ${text}`);
    if (type === 'chat') {
      const next = this.at(conversation) + 1;
      // What was on its way when it named its positions comes twice.
      if (seq < next && this.syncing > 0) return;
      if (seq !== next) this.faults.push(`${conversation}:${seq} comes where ${next} is next`);
      this.stand(conversation, seq);
    } else if (type === 'sent') {
      if (seq <= this.at(conversation) && this.syncing === 0)
        this.faults.push(`${conversation}:${seq} came before it was told of`);
      const told = this.told.get(conversation) ?? new Set();
      this.told.set(conversation, told.add(seq));
      this.stand(conversation, this.at(conversation));
    }
  }

  /** What was told of moves the position where it continues it. */
  private stand(conversation: number, seq: number) {
    let at = Math.max(seq, this.at(conversation));
    while (this.told.get(conversation)?.delete(at + 1)) at++;
    this.positions.set(conversation, at);
  }

  act(random: Random): void {
    const [conversation, seq] = random.pick([...this.positions, [0, 0] as const]);
    if (random.chance(0.1)) this.settle();
    else if (this.syncing === 0 && seq > 0) this.say({ type: 'ack', conversation_id: conversation, seq });
  }

  settle(): void {
    this.syncing++;
    const positions = [...this.positions].map(([conversation_id, seq]) => ({ conversation_id, seq }));
    this.say({ type: 'sync', positions });
  }

  holds(conversation: number, seq: number): boolean {
    return seq <= this.at(conversation);
  }

  chat(to: number): void {
    const target = to === MANY ? { conversation_id: to } : { to_user_id: to };
    this.say({ type: 'chat', ...target, id: `i${++this.sends}` });
  }
}

/** One that says what it shows: rules G25 to G28. */
export class ParkingClient extends ExtendedClient {
  /** How far it was told that a conversation goes. */
  private readonly heads = new Map<number, number>();
  private shown: number[] | undefined;
  /** What it was given while it synced may come again once it shows the conversation: up to there. */
  private twice = 0;

  override open(say: (frame: object) => void): void {
    this.say = say;
    if (this.shown !== undefined) this.show(this.shown);
    super.open(say);
  }

  private show(conversations: number[]) {
    this.shown = conversations;
    this.say({ type: 'open', conversation_ids: conversations });
  }

  override hear(head: number, text: string): void {
    const frame = head === TEXT ? JSON.parse(text) : {};
    if (frame.type === 'synced') this.twice = Math.max(this.at(MANY), ...(this.told.get(MANY) ?? []));
    if (frame.type === 'chat' && frame.conversation_id === MANY)
      if (frame.seq <= Math.min(this.twice, this.at(MANY))) return;
    if (frame.type !== 'head') return super.hear(head, text);
    for (const { conversation_id: id, seq } of frame.conversations) {
      if (this.shown === undefined) this.faults.push('a head came to who never said what they show');
      this.heads.set(id, Math.max(seq, this.heads.get(id) ?? 0));
    }
  }

  override act(random: Random): void {
    if (random.chance(0.4)) this.look(random);
    else super.act(random);
  }

  look(random: Random): void {
    this.show(random.pick([[], [MANY]]));
  }

  override holds(conversation: number, seq: number): boolean {
    const isShown = this.shown?.includes(conversation) !== false;
    return super.holds(conversation, seq) || (!isShown && seq <= (this.heads.get(conversation) ?? 0));
  }
}

/** The reference's: rules P4, P5 and P6. */
export class PlainClient implements ModelClient {
  readonly faults: string[] = [];
  private readonly held = new Set<number>();
  /** What this connection gave: by `msg_id`, and the last that was pushed of each sender. */
  private given = new Set<number>();
  private pushed = new Map<number, number>();
  private say: (frame: object) => void = () => {};
  private pong: (payload: string) => void = () => {};

  open(say: (frame: object) => void, pong: (payload: string) => void): void {
    this.say = say;
    this.pong = pong;
    this.given = new Set();
    this.pushed = new Map();
  }

  hear(head: number, text: string): void {
    if (head === PING) return this.pong(text);
    const frame = JSON.parse(text);
    if (frame.type === 'chat') {
      const id = Number(frame.content);
      const last = this.pushed.get(frame.from_user_id) ?? 0;
      if (id < last) this.faults.push(`${id} is pushed after ${last}`);
      this.pushed.set(frame.from_user_id, Math.max(id, last));
      this.take(id);
    } else if (frame.type === 'offline_list') {
      for (const { msg_id } of frame.data) this.take(msg_id);
    } else this.faults.push(`it was told ${text}`);
  }

  private take(id: number) {
    if (this.given.has(id)) this.faults.push(`${id} comes twice on one connection`);
    this.given.add(id);
    this.held.add(id);
  }

  act(): void {
    this.settle();
  }

  settle(): void {
    this.say({ type: 'get_offline' });
  }

  holds(_conversation: number, _seq: number, msgId: number): boolean {
    return this.held.has(msgId);
  }

  chat(to: number): void {
    if (to !== ME && to !== MANY) this.say({ type: 'chat', to_user_id: to });
  }
}
