/** A device that keeps what it is told of one conversation, as schemas/PROTOCOL.md says, over all its connections. */
import type { Test } from 'tap';
import type { Message } from '../schemas/message.js';
import { type Client, connect, type Server, type User } from './helper.js';

// biome-ignore lint/suspicious/noExplicitAny: a test reads what it asserts
type Frame = any;
export type Shown = Omit<Message, 'id' | 'to_user_id' | 'type' | 'event' | 'conversation_id'>;

/** What of a message all see alike. */
export function shown(frame: Frame): Shown {
  const {
    type: _type,
    id: _id,
    to_user_id: _to,
    conversation_id: _in,
    at: _at,
    from_change: _from,
    ...rest
  } = frame;
  const { reactions } = rest;
  if (reactions === undefined) return rest;
  return { ...rest, reactions: reactions.map(({ mine: _mine, ...kind }: { mine?: true }) => kind) };
}

export class Device {
  readonly held = new Map<number, Shown>();
  /** What went wrong. */
  readonly faults: string[] = [];
  client: Client | undefined;
  /** Whether what it holds is of the server's history: before, it asks for no change of it. */
  isSynced = false;
  /** How often it was told that it held something of another history. */
  resets = 0;
  private server: Server | undefined;
  private mayReset = false;
  /** Up to there it is to read what was before over HTTP; and states that came meanwhile of what it doesn't hold. */
  private owed = 0;
  private readonly loose = new Map<number, Shown>();
  /** States past the change position of its `sync`: until that is told of again, nothing says that the history has them. */
  private unproven = new Set<number>();
  private position = { seq: 0, at: 0, change: 0, changed_at: 0 };
  private handled = 0;
  private sends = 0;
  private readonly sent = new Map<string, object>();
  private readonly mine = new Map<number, Shown>();
  private readonly deleted = new Set<number>();

  constructor(
    private readonly t: Test,
    readonly user: User,
    private readonly conversation: number,
    readonly name: string,
  ) {}

  get end(): number {
    return this.position.seq;
  }

  /** Whether nothing is to be read any more. */
  get isWhole(): boolean {
    return this.owed === 0 && this.unproven.size === 0;
  }

  /** The database is going to end, and be put back. */
  expectRestore(): void {
    this.mayReset = true;
  }

  async goOn(server: Server): Promise<void> {
    const client = await connect(this.t, server, this.user, { extended: true });
    this.client = client;
    this.isSynced = false;
    this.server = server;
    this.handled = 0;
    client.socket.on('message', () => this.handle(client));
    client.socket.on('close', () => client === this.client && this.goOff());
    const past = [...this.held.values()].filter(({ change = 0 }) => change > this.position.change);
    this.unproven = new Set(past.map(({ seq }) => seq));
    const { seq, at, change, changed_at } = this.position;
    const place = { conversation_id: this.conversation, seq, ...(at > 0 && { at }) };
    const proof = { ...(change > 0 && { change, changed_at }) };
    client.send('sync', { positions: seq + change > 0 ? [{ ...place, ...proof }] : [] });
    if (this.owed > 0) this.read(client);
  }

  /** Its line is cut. */
  goOff(): void {
    this.client?.socket.terminate();
    this.client = undefined;
    this.mine.clear();
  }

  send(type: string, fields: object): void {
    const id = `${this.name}-${++this.sends}`;
    if (type === 'chat') this.sent.set(id, fields);
    this.client?.send(type, { id, conversation_id: this.conversation, ...fields });
  }

  private handle(client: Client) {
    if (client !== this.client) return;
    for (; this.handled < client.frames.length; this.handled++) this.take(client.frames[this.handled]);
  }

  private take(frame: Frame) {
    if (frame.type === 'synced') this.proveRest();
    if (frame.conversation_id !== this.conversation) {
      const isExpected = EXPECTED.has(frame.code) || (this.mayReset && frame.retryable);
      if (frame.type === 'error' && !isExpected) this.faults.push(JSON.stringify(frame));
      return;
    }
    if (frame.type === 'chat' || frame.type === 'event') this.hold(frame, shown(frame));
    else if (frame.type === 'sent') {
      const { id, seq, created_at, msg_id } = frame;
      const message = {
        seq,
        created_at,
        msg_id,
        from_user_id: this.user.user_id,
        content: '',
        ...this.sent.get(id),
      };
      this.hold(frame, message);
    } else if (frame.type === 'joined') {
      if (this.held.size > 0) this.faults.push('joined again');
      this.position = { ...this.position, seq: frame.seq, at: frame.at ?? 0 };
    } else if (frame.type === 'changed') this.change(frame);
    else if (frame.type === 'changes') {
      if (frame.change < this.position.change) this.faults.push('a step back');
      this.position.change = frame.change;
      this.position.changed_at = frame.at;
    } else if (frame.type === 'reset') this.reset(frame);
  }

  /** What it holds is of another history: it drops that, and reads what is there over HTTP. */
  private reset(frame: Frame) {
    if (!this.mayReset)
      this.faults.push(`reset ${JSON.stringify(frame)} at ${JSON.stringify(this.position)}`);
    const { seq, at = 0, change = 0, changed_at = 0 } = frame;
    for (const of of [this.held, this.mine, this.loose, this.deleted, this.unproven]) of.clear();
    this.position = { seq, at, change, changed_at };
    this.resets++;
    this.owed = seq;
    if (this.client !== undefined) this.read(this.client);
  }

  /** Reads what it owes itself, unless its line is cut before it has all of that. */
  private read(client: Client) {
    const readAll = async () => {
      for (let after = 0; client === this.client && this.owed > 0; ) {
        const path = `/api/conversations/${this.conversation}/messages?limit=200&after=${after}`;
        const { messages, has_more } = await this.ask(path);
        if (client !== this.client) return;
        for (const message of messages) if (message.seq <= this.owed) this.learn(shown(message));
        after = messages.at(-1)?.seq ?? 0;
        if (!has_more || after >= this.owed) this.owed = 0;
      }
      this.loose.clear();
    };
    readAll().catch((error) => this.faults.push(String(error)));
  }

  private async ask(path: string): Promise<Frame> {
    const { status, body } = (await this.server?.request('GET', path, { token: this.user.token })) ?? {};
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
    return body.data;
  }

  /** What was read: a later state may have come before it. */
  private learn(message: Shown) {
    const { seq } = message;
    const loose = this.loose.get(seq);
    const newer = loose !== undefined && (loose.change ?? 0) > (message.change ?? 0) ? loose : message;
    if (!this.held.has(seq) || (newer.change ?? 0) > (this.held.get(seq)?.change ?? 0)) this.show(newer);
  }

  /** What it held past its change position and wasn't told of again is of another history: it is read. */
  private proveRest() {
    this.isSynced = true;
    if (this.unproven.size > 0 && !this.mayReset) this.faults.push(`not told of ${[...this.unproven]}`);
    const { client } = this;
    for (const seq of this.unproven)
      this.ask(`/api/conversations/${this.conversation}/messages/${seq}`)
        .then((message) => client === this.client && this.unproven.has(seq) && this.show(shown(message)))
        .catch((error) => this.faults.push(String(error)));
  }

  private hold(frame: Frame, message: Shown) {
    const { seq } = message;
    const at = Date.parse(message.created_at);
    if (frame.type === 'sent') {
      // What was sent is held once what is before it is.
      if (seq > this.position.seq) this.mine.set(seq, message);
    } else if (seq <= this.position.seq) this.faults.push(`${seq} twice`);
    else if (seq !== this.position.seq + 1) this.faults.push(`a hole before ${seq}`);
    else this.moveTo(message, at);
    for (let own = this.mine.get(this.position.seq + 1); own; own = this.mine.get(this.position.seq + 1))
      this.moveTo(own, Date.parse(own.created_at));
  }

  private moveTo(message: Shown, at: number) {
    this.mine.delete(message.seq);
    this.position.seq = message.seq;
    this.position.at = at;
    this.show(message);
    if (message.seq % 50 === 0)
      this.client?.send('ack', { conversation_id: this.conversation, seq: message.seq });
  }

  private change(frame: Frame) {
    const { seq, change, from_change: from = change, at, id } = frame;
    if (from > this.position.change + 1 && id === undefined)
      this.faults.push(`a hole from ${this.position.change} to ${from}`);
    const mine = this.mine.get(seq);
    if (mine !== undefined && change > (mine.change ?? 0)) this.mine.set(seq, shown(frame));
    if (this.owed >= seq && !this.held.has(seq)) this.loose.set(seq, shown(frame));
    const isNews = change > (this.held.get(seq)?.change ?? 0) || (this.mayReset && this.unproven.has(seq));
    if (isNews && this.held.has(seq)) this.show(shown(frame));
    else this.unproven.delete(seq);
    if (id !== undefined && seq > this.position.seq) return;
    if (from > this.position.change + 1 || change <= this.position.change) return;
    this.position.change = change;
    this.position.changed_at = at;
  }

  private show(message: Shown) {
    const { seq, deleted } = message;
    if (this.unproven.delete(seq) && this.mayReset) this.deleted.delete(seq);
    if (this.deleted.has(seq) && deleted === undefined) this.faults.push(`${seq} was deleted and came back`);
    if (deleted) this.deleted.add(seq);
    this.held.set(seq, message);
  }
}

/** What two that do the same at once are answered. */
const EXPECTED = new Set([
  'conflict',
  'deleted',
  'too_many_reactions',
  'message_not_found',
  'moderator_needed',
  'too_many_requests',
]);
