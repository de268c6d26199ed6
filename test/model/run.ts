/** One interleaving: who says what, and in which order everything comes, drawn from a seed. */
import type { Connection } from '../../plugins/connection/connection.js';
import { ExtendedConnection } from '../../plugins/connection/extended.js';
import { PlainConnection } from '../../plugins/connection/plain.js';
import type { Arrival } from '../../plugins/log/types.js';
import { isFor } from '../../plugins/message.js';
import type { Position, StoredMessage } from '../../sql/messages.js';
import { type Random, random } from '../fault/random.js';
import { ExtendedClient, type ModelClient, ParkingClient, PlainClient } from './clients.js';
import { LARGE, MANY, ME, ModelLine, ModelLog, ModelPort, OTHERS, Steps } from './world.js';

/** Things that are done in one run. */
const ACTS = 30;

const CLIENTS = {
  plain: () => new PlainClient(),
  extended: () => new ExtendedClient(),
  parking: (): ModelClient => new ParkingClient(),
};

interface Options {
  kind: 'plain' | 'extended' | 'parking';
  /** Breaks a connection on purpose. */
  sabotage?: (connection: Connection) => void;
}

class Run {
  private readonly draw: Random;
  private readonly steps: Steps;
  private readonly log: ModelLog;
  private readonly port: ModelPort;
  private readonly client: ModelClient;
  private line: ModelLine | undefined;
  private connection: PlainConnection | ExtendedConnection | undefined;
  /** What was published to the connection. */
  private published: StoredMessage[] = [];
  /** Counts connections. */
  private number = 0;
  /** What this replica stored and tells of, in the order of the log. */
  private readonly toTell: (() => void)[] = [];

  constructor(
    seed: number,
    private readonly options: Options,
  ) {
    this.draw = random(seed);
    this.steps = new Steps(this.draw.fork('steps'));
    this.log = new ModelLog(this.steps);
    this.port = new ModelPort(this.log, this.steps);
    this.client = CLIENTS[options.kind]();
  }

  async run(): Promise<string[]> {
    for (let i = 0; i < ACTS && this.client.faults.length === 0; i++) {
      this.act();
      this.port.clock.now += this.draw.int(0, 300);
      for (let n = this.draw.int(0, 4); n > 0; n--) await this.steps.take();
    }
    await this.finish();
    for (const list of this.log.messages.values())
      for (const message of list) {
        const { conversation, seq, msgId } = message;
        const due = this.options.kind !== 'plain' || (conversation !== MANY && isFor(ME, message));
        const holds = this.client.holds(conversation, seq, msgId);
        if (due && !holds) this.client.faults.push(`${conversation}:${seq} (${msgId}) is lost`);
        if (holds && this.options.kind === 'plain' && conversation === MANY)
          this.client.faults.push(`${conversation}:${seq} (${msgId}) came to a plain client`);
      }
    return this.client.faults;
  }

  /** Nobody says anything any more, and all that waits comes. */
  private async finish() {
    if (this.line?.isOpen !== true) this.connect();
    this.stall(false);
    await this.all();
    this.checkPublished();
    this.client.look?.(this.draw);
    await this.all();
    this.checkPublished();
    for (let i = 0; i < 3; i++) {
      this.stall(false);
      await this.all();
      void this.repair();
      await this.all();
      this.client.settle();
      await this.all();
    }
  }

  /** What was published to a live connection is there without repair, and without that its client asks. */
  private checkPublished() {
    const { connection, client, published } = this;
    if (connection?.isLive !== true) return;
    if (this.lacks(published)) client.faults.push('what was published to a live connection did not come');
    for (const { conversation, seq, msgId } of published)
      if (connection.isParked(conversation) && !client.holds(conversation, seq, msgId))
        client.faults.push(`no head says ${seq}`);
  }

  private async all() {
    for (let i = 0; i < 10_000; i++) {
      this.port.clock.now += 100;
      if (!(await this.steps.take())) return;
    }
    this.client.faults.push('it never comes to rest');
  }

  private act() {
    const { draw } = this;
    const roll = draw.next();
    if (this.line?.isOpen !== true) this.connect();
    else if (roll < 0.4) this.say(draw.pick(OTHERS), draw.pick([ME, ME, MANY]));
    else if (roll < 0.5) this.say(ME, draw.pick([...OTHERS, MANY]));
    else if (roll < 0.65) this.client.chat(draw.pick([...OTHERS, MANY]));
    else if (roll < 0.8) this.client.act(draw);
    else if (roll < 0.9) void this.repair();
    else if (roll < 0.96) this.stall(draw.chance(0.5));
    else this.break();
  }

  // ---- what is said ----

  /** Somebody says something through another replica: it is published, which may be lost, or late. */
  private say(from: number, to: number) {
    this.steps.add(() => {
      const message = this.log.store(from, to, `h${this.log.lastId}`);
      const { draw } = this;
      if (draw.chance(0.8)) this.steps.add(() => this.deliver(message, false));
      // In doubt, and found to be stored.
      if (draw.chance(0.1)) this.steps.add(() => this.deliver(message, true));
    });
  }

  /** The client says something: it is stored, and then told, in this order. */
  private send(sender: PlainConnection | ExtendedConnection, to: number, clientId?: string) {
    sender.sending();
    this.steps.add(() => {
      const message = this.log.store(ME, to, clientId ?? `~${this.log.lastId}`);
      this.toTell.push(() => sender.onStored(message));
      this.steps.add(() => this.toTell.shift()?.());
    });
  }

  private deliver(message: StoredMessage, again: boolean) {
    const arrival: Arrival = { ...message, again, receipts: true };
    if (this.connection?.isClosing !== false) return;
    this.connection.deliver(arrival);
    this.published.push(message);
  }

  /** What the repair of a replica does (plugins/hub/repair.ts), with time to go wrong in between. */
  private async repair() {
    const { log, steps } = this;
    await steps.turn();
    const moved = log.moved.splice(0);
    await steps.turn();
    for (const place of moved.filter(({ conversation }) => conversation === MANY)) {
      const head = { ...place, at: 0, mention: undefined };
      if (this.connection?.lacksHead({ ...place, size: LARGE })) this.connection.noteHead(head, 0);
    }
    if (!this.lacks(moved)) return;
    await steps.turn();
    if (this.lacks(moved)) this.connection?.fallBehind();
  }

  private lacks(moved: readonly Position[]): boolean {
    return moved.some(({ conversation, seq }) =>
      this.connection?.lacks(conversation, seq, conversation === MANY),
    );
  }

  // ---- the connection ----

  private connect() {
    const { port, client } = this;
    this.published = [];
    const token = { user_id: ME, username: 'me', exp: Number.MAX_SAFE_INTEGER };
    const who = { user: ME, username: 'me', number: ++this.number, alone: false, token };
    const line = new ModelLine(this.steps, (head, text) => client.hear(head, text));
    const connection =
      this.options.kind === 'plain'
        ? new PlainConnection((one, data) => this.handlePlain(one, data), port, line, who)
        : new ExtendedConnection((one, data) => this.handleExtended(one, data), port, line, who);
    this.options.sabotage?.(connection);
    this.line = line;
    this.connection = connection;
    void this.open(connection, line);
  }

  /** As routes/ws does: the user is claimed, and only then is looked for what was stored since the client knocked. */
  private async open(connection: PlainConnection | ExtendedConnection, line: ModelLine) {
    const knockedAt = this.log.lastId;
    await this.steps.turn();
    if ('begin' in connection) {
      const { places, isPast } = await this.log.begin(connection.number, knockedAt);
      connection.begin(places);
      if (isPast) connection.fallBehind();
    }
    if (!line.isOpen) return;
    connection.ready();
    const say = (frame: object) =>
      this.inOrder(line, () => connection.inbox.push(Buffer.from(JSON.stringify(frame))));
    const pong = (payload: string) => this.inOrder(line, () => connection.onPong(payload));
    this.client.open(say, pong);
  }

  private handlePlain(connection: PlainConnection, data: Buffer): void | Promise<void> {
    const frame = JSON.parse(data.toString());
    if (frame.type === 'get_offline') return connection.isGone ? undefined : connection.requestOffline();
    this.send(connection, frame.to_user_id);
  }

  private async handleExtended(connection: ExtendedConnection, data: Buffer): Promise<void> {
    const frame = JSON.parse(data.toString());
    // As routes/ws/frame.ts does.
    if (connection.isGone && frame.type !== 'chat') return;
    try {
      if (frame.type === 'sync') await connection.sync(frame);
      else if (frame.type === 'open') connection.show(frame.conversation_ids);
      else if (frame.type === 'ack') connection.acknowledge(frame.conversation_id, frame.seq);
      else this.send(connection, frame.to_user_id ?? frame.conversation_id, frame.id);
    } catch (error) {
      this.client.faults.push(String(error));
    }
  }

  /** A line carries what a client says in its order. */
  private inOrder(line: ModelLine, hear: () => void) {
    line.said.push(hear);
    this.steps.add(() => {
      const next = line.said.shift();
      if (line.isOpen) next?.();
    });
  }

  /** The client stops or begins reading. */
  private stall(stalled: boolean) {
    const { line, connection } = this;
    if (line === undefined || line.stalled === stalled) return;
    line.stalled = stalled;
    if (!stalled) connection?.onDrain();
  }

  private break() {
    this.line?.terminate();
    this.connection?.end();
    this.connection = undefined;
  }
}

/** @returns what went wrong in the interleaving of a seed */
export const interleave = (seed: number, options: Options): Promise<string[]> => new Run(seed, options).run();
