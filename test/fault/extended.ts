/** A client of `chat.v2` that keeps its positions and its outbox, and never gives a message up. */
import { Client, type ClientSetup, PER_DEVICE } from './client.js';
import { now } from './clock.js';
import { Confirming, isRead } from './confirming.js';
import type { Done, Entry, Place } from './diary.js';
import type { Frame } from './frame.js';
import type { Link } from './link.js';
import { Numbers } from './numbers.js';
import { type Letter, Outbox } from './outbox.js';
import { saysNotStored } from './outcomes.js';
import * as wire from './place.js';
import { idOf, placeOf, standsAt, timeOf } from './place.js';
import { Positions } from './positions.js';
import { Screen } from './screen.js';
import { Wishes } from './wishes.js';

const pingEvery = 2000;
/** How long a connection may stay beside the one that takes its place. */
const lingers = 3000;
/** How often a refused message is given up. */
const givesUp = 0.3;

export interface ExtendedSetup extends ClientSetup {
  /** How often a message that is stored is sent again all the same. */
  repeat: number;
  /** Conversations of which it shows some, and says so; without, it is given everything. */
  wide?: readonly number[];
}

/** The id of a `sync`, which is no message's. */
const SYNC = 'sync';

export class ExtendedClient extends Client {
  readonly #numbers: Numbers;
  readonly #outbox = new Outbox();
  readonly #positions = new Positions();
  readonly #confirming: Confirming;
  readonly #wishes: Wishes;
  readonly #repeat: number;
  readonly #screen: Screen | undefined;
  /** How far the user has read, as each connection was told of each conversation. */
  readonly #reads = new Map<string, number>();
  #epoch: string | undefined;
  #synced = false;
  #retry: NodeJS.Timeout | undefined;
  #lastPing = 0;

  constructor(setup: ExtendedSetup) {
    super('extended', setup);
    const past = (setup.device ?? 0) * PER_DEVICE;
    this.#numbers = new Numbers(setup.user, past);
    const position = (conversation: number) => this.#positions.of(conversation);
    const link = () => this.current;
    const write = (entry: Entry) => this.write(entry);
    const { doors, token, wide } = setup;
    const wisher = { random: setup.random.fork('wishes'), past, link, position, write };
    this.#wishes = new Wishes({ ...wisher, doors, token });
    this.#screen = wide && new Screen({ random: setup.random.fork('screen'), wide, write });
    this.#confirming = new Confirming({ random: this.random, link, position });
    this.#repeat = setup.repeat;
  }

  /** Messages, and changes, that are not known to be stored. */
  get unsent(): number {
    return this.#outbox.size + this.#wishes.size;
  }

  protected address() {
    const bearer = this.random.chance(0.5);
    const headers = bearer ? {} : { Authorization: `Bearer ${this.token}` };
    const protocols = bearer ? ['chat.v2', `bearer.${this.token}`] : ['chat.v2'];
    return { query: '', protocols, options: { headers } };
  }

  /** The server suffers both: the client ends the older one when it likes. */
  protected retire(older: Link): void {
    setTimeout(() => older.close(), this.random.int(0, lingers));
  }

  /** `welcome` comes by itself. */
  protected opened(): void {}

  say(to: number, size: number, mentions: readonly number[] = []): void {
    const { n, content } = this.#numbers.next(to, size);
    this.#outbox.add({ id: idOf(to, n), to, n, content, mentions });
    this.#wishes.begin();
    this.#flush();
  }

  #flush(): void {
    if (!this.#synced || this.#retry || !this.current?.isOpen || !this.current.reading) return;
    for (const letter of this.#outbox.take(now())) {
      this.#post(letter);
      if (this.random.chance(this.#repeat)) this.#post(letter);
    }
    this.#wishes.ask(this.#repeat);
  }

  #post({ id, to, n, content, mentions }: Letter): void {
    const link = this.current;
    if (!link?.isOpen) return;
    const beside = mentions.length > 0 ? { mentions } : {};
    this.write({ type: 'send', at: now(), connection: link.number, to, n, content, id, ...beside });
    const target = to > 0 ? { to_user_id: to } : { conversation_id: -to };
    link.send({ type: 'chat', id, ...target, content, ...beside });
  }

  protected override watch(): void {
    super.watch();
    const link = this.current;
    if (!link?.isOpen || !link.reading) return;
    if (now() - this.#lastPing > pingEvery) {
      this.#lastPing = now();
      link.send({ type: 'ping', id: 'p' });
    }
    if (this.#synced) this.#screen?.look(link);
    this.#flush();
  }

  /** From now on it shows all that it has. */
  showAll(): void {
    this.#screen?.showAll();
  }

  protected frame(link: Link, frame: Frame): void {
    const line = { at: now(), connection: link.number };
    const id = frame.has('id') ? { id: frame.text('id') } : {};
    switch (frame.type) {
      case 'welcome':
        if (frame.number('user_id') !== this.user) this.odd(link, 'welcomed as somebody else');
        this.#welcome(link, frame.text('epoch'));
        break;
      case 'synced':
        this.write({ type: 'synced', ...line });
        if (link === this.current) {
          this.#synced = true;
          this.#flush();
        }
        break;
      case 'chat': {
        const chat = wire.chatIn(frame);
        this.write({ type: 'chat', ...line, ...chat, ...id });
        this.#wishes.hold(chat, { ...chat, isOwn: chat.from === this.user });
        if (chat.from === this.user && id.id !== undefined) this.#outbox.done(id.id);
        this.#take(link, chat, timeOf(frame));
        break;
      }
      case 'event': {
        const event = wire.eventIn(frame);
        this.write({ type: 'event', ...line, ...event });
        this.#take(link, event, timeOf(frame));
        this.#onEvent(link, event);
        break;
      }
      case 'joined':
        this.#joined(link, frame);
        break;
      case 'sent': {
        const place = placeOf(frame);
        const stored = frame.text('id');
        this.write({ type: 'sent', ...line, ...place, id: stored, to: wire.receiverOf(frame) });
        if (link === this.current) this.#positions.stored({ ...place, at: timeOf(frame) });
        const letter = this.#outbox.done(stored);
        if (letter) this.#wishes.hold(place, { isOwn: true, content: letter.content });
        if (letter && this.random.chance(this.#repeat)) this.#post(letter);
        break;
      }
      case 'reset':
        this.#reset(link, frame);
        break;
      case 'changed':
        this.#wishes.changed(link, frame);
        break;
      case 'changes':
        this.#wishes.changes(link, frame);
        break;
      case 'receipt':
        this.write({ type: 'receipt', ...line, ...wire.receiptIn(frame) });
        break;
      case 'read':
        this.#onRead(link, frame.number('conversation_id'), frame.number('seq'));
        break;
      case 'error': {
        const error = wire.errorIn(frame);
        this.write({ type: 'error', ...line, ...error, ...id });
        if (frame.has('message')) this.#wishes.conflict(link, frame.object('message'));
        this.#failed(link, id.id, error);
        break;
      }
      case 'head':
        if (this.#screen) this.#screen.head(link, frame);
        else this.odd(link, 'a head');
        break;
      case 'pong':
        this.#screen?.pong(link, frame.text('id'));
        break;
      case 'presence':
        break;
      default:
        this.odd(link, `a frame of type ${frame.type}`);
    }
  }

  /** Never leaves a hole behind: with a new connection the server starts from what is held. */
  #take(link: Link, place: Place, at: number): void {
    if (link !== this.current) return;
    if (this.#positions.take({ ...place, at }) === 'hole') link.drop();
    else this.#confirming.later(place.conversation);
  }

  /** Who is removed looks whether anything is there past that. */
  #onEvent(link: Link, { done, conversation, seq }: Place & { done: Done }): void {
    const isOut = done.action === 'removed' && done.users.includes(this.user);
    if (isOut) this.readAfter(link, { conversation, after: seq, upTo: Number.MAX_SAFE_INTEGER });
  }

  /** The client stands further on: what is before is read over HTTP, but for what isn't for its user. */
  #joined(link: Link, frame: Frame): void {
    const [conversation, seq] = [frame.number('conversation_id'), frame.number('seq')];
    const hidden = frame.has('hidden') && frame.flag('hidden');
    this.write({ type: 'joined', at: now(), connection: link.number, conversation, seq, hidden });
    if (link !== this.current) return;
    const after = this.#positions.enter(conversation, seq, standsAt(frame));
    if (!hidden && seq > after) this.readAfter(link, { conversation, after, upTo: seq });
  }

  /** How far the user has read on another device only grows. */
  #onRead(link: Link, conversation: number, seq: number): void {
    const key = `${link.number} ${conversation}`;
    const before = this.#reads.get(key) ?? 0;
    if (seq <= before) this.odd(link, `read ${seq} after ${before} in ${conversation}`);
    this.#reads.set(key, seq);
  }

  /** After an error that may pass, nothing is sent for a moment; then all that is open, in order. */
  #failed(link: Link, id: string | undefined, { code, retryable }: ReturnType<typeof wire.errorIn>): void {
    if (id === undefined) return;
    if (id === SYNC) return this.#syncAgain(link);
    if (isRead(id)) return;
    if (!retryable) {
      this.#outbox.done(id);
      this.#wishes.done(id);
    }
    // Whoever is told that it is not stored may leave it at that: then it must not turn up.
    if (saysNotStored(code) && this.#outbox.tries(id) === 1 && this.random.chance(givesUp)) {
      this.#outbox.done(id);
      this.write({ type: 'gave-up', at: now(), connection: link.number, id });
    }
    this.#outbox.failed(id);
    this.#wishes.failed(id);
    this.#retry ??= setTimeout(
      () => {
        this.#retry = undefined;
        this.#flush();
      },
      this.random.int(100, 500),
    );
  }

  #welcome(link: Link, epoch: string): void {
    this.use(link);
    this.#synced = false;
    this.#positions.reconnect();
    this.#outbox.landAll();
    this.#wishes.landAll();
    this.#confirming.clear();
    this.#epoch ??= epoch;
    this.#screen?.welcome(link);
    this.#sync(link);
  }

  /** One that failed is said again a moment later. */
  #syncAgain(link: Link): void {
    setTimeout(
      () => {
        if (link === this.current && link.isOpen && !this.#synced) this.#sync(link);
      },
      this.random.int(100, 500),
    );
  }

  #sync(link: Link): void {
    const positions = this.#positions.entries();
    const stands = positions.flatMap(([conversation]): [number, number][] => {
      const change = this.#wishes.change(conversation);
      return change === 0 ? [] : [[conversation, change]];
    });
    this.write({ type: 'sync', at: now(), connection: link.number, positions, changes: stands });
    const named = positions.map(([conversation_id, seq]) => {
      const at = this.#positions.timeOf(conversation_id);
      return {
        conversation_id,
        seq,
        ...(at !== undefined && { at }),
        ...this.#wishes.proof(conversation_id),
      };
    });
    link.send({ type: 'sync', id: SYNC, ...(this.#epoch && { epoch: this.#epoch }), positions: named });
  }

  /** Of another epoch: begins afresh. Of one conversation: its gap is read over HTTP. */
  #reset(link: Link, frame: Frame): void {
    const line = { at: now(), connection: link.number };
    if (!frame.has('conversation_id')) {
      this.write({ type: 'reset', ...line });
      if (link !== this.current) return;
      this.#positions.clear();
      this.#wishes.clear();
      this.#epoch = undefined;
      this.#sync(link);
      return;
    }
    const conversation = frame.number('conversation_id');
    const seq = frame.number('seq');
    const change = frame.has('change') ? frame.number('change') : 0;
    this.write({ type: 'reset', ...line, conversation, seq, change });
    if (link !== this.current) return;
    const from = Math.min(this.#positions.of(conversation), seq);
    this.#positions.set(conversation, seq, standsAt(frame));
    this.#wishes.stand(conversation, change, frame.has('changed_at') ? frame.number('changed_at') : 0);
    this.readAfter(link, { conversation, after: from, upTo: seq });
  }
}
