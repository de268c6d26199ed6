/** A log, a replica and a line in memory, all of whose steps come in an order that is drawn. */
import { Frames } from '../../plugins/connection/frames.js';
import { Outlets } from '../../plugins/connection/outlet.js';
import type {
  Arrived,
  Change,
  Gapped,
  Pinging,
  Port,
  Pumping,
  Reader,
  Telling,
  Transport,
} from '../../plugins/connection/port.js';
import { isFor } from '../../plugins/message.js';
import { SIZE } from '../../schemas/size.js';
import type { End, Member } from '../../sql/conversations.js';
import type { Waiting } from '../../sql/cursors.js';
import type { Head } from '../../sql/heads.js';
import type { Position, StoredMessage } from '../../sql/messages.js';
import type { Standing } from '../../sql/standings.js';
import type { Random } from '../fault/random.js';

/** Whose connection it is, whom they talk to, and each one's conversation with them. */
export const ME = 1;
export const OTHERS = [2, 3] as const;
const conversationWith = (other: number) => 10 + other;
/** The conversation of all three. */
export const MANY = 20;
/** As if it were a channel. */
export const LARGE = SIZE.many | SIZE.parks;

/** Turns of the queue of promises after which a step has done what it does at once. A turn of the event loop costs ten times as much. */
const SETTLING = 16;

/** What is to happen at some time: each waits for its turn, which comes by chance. */
export class Steps {
  private waiting: (() => void)[] = [];

  constructor(private readonly random: Random) {}

  add(step: () => void): void {
    this.waiting.push(step);
  }

  /** Waits for a turn. */
  turn(): Promise<void> {
    return new Promise((resolve) => this.add(resolve));
  }

  /** Takes one of those that wait. @returns false if none does */
  async take(): Promise<boolean> {
    const index = this.random.int(0, Math.max(this.waiting.length - 1, 0));
    const [step] = this.waiting.splice(index, 1);
    step?.();
    for (let i = 0; i < SETTLING; i++) await undefined;
    if (step === undefined) await new Promise(setImmediate);
    return step !== undefined || this.waiting.length > 0;
  }
}

/** The log, with the cursors of ME. Reading takes a turn before what is seen, and another until it is told. */
export class ModelLog implements Reader {
  readonly messages = new Map<number, StoredMessage[]>();
  /** By conversation: how far the plain client has what it was pushed, and the places that wait for it to ask. */
  readonly pushed = new Map<number, number>();
  readonly gaps = new Map<number, Set<number>>();
  /** How far conversations went since somebody looked. */
  readonly moved: Position[] = [];
  lastId = 0;
  /** The number of the newest plain connection that began. */
  private newest = 0;

  constructor(private readonly steps: Steps) {}

  of(conversation: number): StoredMessage[] {
    return this.messages.get(conversation) ?? [];
  }

  /** Stores a message. @param to a user, or the conversation of all */
  store(from: number, to: number, clientId: string): StoredMessage {
    const conversation = to === MANY ? MANY : conversationWith(from === ME ? to : from);
    const list = this.of(conversation);
    const message: StoredMessage = {
      conversation,
      seq: list.length + 1,
      msgId: ++this.lastId,
      from,
      to: to === MANY ? undefined : to,
      clientId,
      content: String(this.lastId),
      createdAt: 0,
      ...(to === MANY && { size: LARGE }),
    };
    this.messages.set(conversation, [...list, message]);
    this.moved.push({ conversation, seq: message.seq });
    return message;
  }

  private async seen<T>(look: () => T): Promise<T> {
    await this.steps.turn();
    const found = look();
    await this.steps.turn();
    return found;
  }

  ends(): Promise<End[]> {
    return this.seen(() =>
      [...this.messages].map(([conversation, list]) => ({
        conversation,
        seq: list.length,
        size: conversation === MANY ? LARGE : 0,
      })),
    );
  }

  async plainEnds(_user: number, number: number): Promise<Position[] | undefined> {
    const ends = await this.ends();
    return number < this.newest ? undefined : ends.filter(({ conversation }) => conversation !== MANY);
  }

  standings(_user: number, positions: readonly Position[]): Promise<Standing[]> {
    const asked = new Map(positions.map(({ conversation, seq }) => [conversation, seq]));
    return this.seen(() =>
      [...this.messages].map(([conversation, list]) => ({
        conversation,
        end: list.length,
        size: conversation === MANY ? LARGE : 0,
        delivered: 0,
        at: list[(asked.get(conversation) ?? 0) - 1]?.createdAt,
      })),
    );
  }

  heads(_user: number, conversations: readonly number[]): Promise<Head[]> {
    return this.seen(() =>
      conversations.map((conversation) => ({
        conversation,
        seq: this.of(conversation).length,
        at: 0,
        mention: undefined,
      })),
    );
  }

  /** Nothing here has changed. */
  async changes(): Promise<[]> {
    return [];
  }

  /** Nothing here is a group. */
  async lastPages(): Promise<[]> {
    return [];
  }

  times(_user: number, places: readonly Position[]): Promise<(number | undefined)[]> {
    return this.seen(() => places.map(({ conversation, seq }) => this.of(conversation)[seq - 1]?.createdAt));
  }

  after(_user: number, positions: readonly Position[], limit: number): Promise<StoredMessage[]> {
    return this.seen(() =>
      positions.flatMap(({ conversation, seq }) => this.of(conversation).slice(seq)).slice(0, limit),
    );
  }

  /** What was there up to the line waits for the plain client to ask; what comes is pushed. */
  begin(number: number, line: number): Promise<{ places: Map<number, number>; isPast: boolean }> {
    return this.seen(() => {
      const ends = new Map<number, number>();
      if (number < this.newest) return { places: ends, isPast: false };
      this.newest = number;
      for (const [conversation, list] of this.messages) {
        if (conversation === MANY) continue;
        const gap = this.gaps.get(conversation) ?? new Set();
        const had = this.pushed.get(conversation) ?? 0;
        const place = Math.max(had, list.filter(({ msgId }) => msgId <= line).length);
        for (const message of list.slice(had, place)) if (isFor(ME, message)) gap.add(message.seq);
        this.gaps.set(conversation, gap);
        this.pushed.set(conversation, place);
        ends.set(conversation, place);
      }
      const isPast = [...ends].some(([conversation, place]) => this.of(conversation).length > place);
      return { places: ends, isPast };
    });
  }

  waiting(
    _user: number,
    places: ReadonlyMap<number, number>,
    given: ReadonlyMap<number, number>,
    limit: number,
  ): Promise<Waiting> {
    const from = new Map(given);
    return this.seen(() => {
      const messages = [...this.gaps].flatMap(([conversation, gap]) =>
        this.of(conversation).filter(
          ({ seq }) =>
            gap.has(seq) && seq > (from.get(conversation) ?? 0) && seq <= (places.get(conversation) ?? 0),
        ),
      );
      messages.sort((a, b) => a.msgId - b.msgId);
      return { messages: messages.slice(0, limit), more: messages.length > limit };
    });
  }

  move({ conversation, pushed, fetched }: Arrived): void {
    if (pushed !== undefined)
      this.pushed.set(conversation, Math.max(pushed, this.pushed.get(conversation) ?? 0));
    const gap = this.gaps.get(conversation);
    for (const seq of gap ?? []) if (fetched !== undefined && seq <= fetched) gap?.delete(seq);
  }

  arrived(): Promise<Member[]> {
    return this.seen(() => []);
  }
}

/** The replica, as far as a connection asks it. */
export class ModelPort implements Port {
  readonly log = { warn() {}, error() {} };
  readonly clock = { now: 0 };
  readonly turn = new Outlets();
  readonly frames = new Frames();
  readonly epoch = 'e';

  constructor(
    readonly reader: ModelLog,
    private readonly steps: Steps,
  ) {}

  users(): number[] {
    return [ME];
  }

  /** Cursors are moved a moment later. */
  confirmed(arrived: Arrived): void {
    this.steps.add(() => this.reader.move(arrived));
  }

  informOf(_change: Change): void {}

  pingSoon(one: Pinging): void {
    this.steps.add(() => one.requestPong());
  }

  pumpLater(one: Pumping): void {
    this.steps.add(() => one.pump());
  }

  headsSoon(one: Telling): void {
    this.steps.add(() => {
      if (one.mayTellHeads) one.tellHeads();
      else if (!one.isGone) this.headsSoon(one);
    });
  }

  watchGap(one: Gapped): void {
    this.steps.add(() => one.closeGap());
  }
}

/** A line to a client, which reads frame by frame, when its turn comes. */
export class ModelLine implements Transport {
  isOpen = true;
  isGone = false;
  /** Whether the client doesn't read. */
  stalled = false;
  /** What the client says, on its way. */
  readonly said: (() => void)[] = [];
  private readonly frames: { head: number; text: string }[] = [];

  constructor(
    private readonly steps: Steps,
    private readonly hear: (head: number, text: string) => void,
  ) {}

  get unsent(): number {
    return this.stalled ? 1_000_000 : 0;
  }

  get isFull(): boolean {
    return this.stalled;
  }

  write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const short = bytes[at + 1] ?? 0;
      const start = short < 126 ? 2 : 4;
      const length = short < 126 ? short : bytes.readUInt16BE(at + 2);
      this.frames.push({
        head: bytes[at] ?? 0,
        text: bytes.toString('utf8', at + start, at + start + length),
      });
      at += start + length;
      this.steps.add(() => this.hearNext());
    }
  }

  private hearNext() {
    const frame = this.frames.shift();
    if (frame !== undefined && this.isOpen) this.hear(frame.head, frame.text);
  }

  // What a client says waits in the connection instead.
  pause(): void {}
  resume(): void {}
  close(): void {
    this.isOpen = false;
  }
  terminate(): void {
    this.isOpen = false;
    this.isGone = true;
  }
}
