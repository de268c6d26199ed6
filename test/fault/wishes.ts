/** What an extended client does to messages, and up to which change it knows each conversation. */
import { now } from './clock.js';
import type { Entry, Place, State, Wish } from './diary.js';
import { type Asking, Errands, type Runner } from './errands.js';
import type { Frame } from './frame.js';
import type { Link } from './link.js';
import { addressOf } from './many.js';
import { nameIn } from './numbers.js';
import { Outbox } from './outbox.js';
import { changedIn, idOf, placeOf, stateIn } from './place.js';
import type { Random } from './random.js';

/** The client whose they are. */
interface Wisher extends Pick<Runner, 'doors' | 'token'> {
  random: Random;
  /** The numbers of another device. */
  past: number;
  link(): Link | undefined;
  position(conversation: number): number;
  write(entry: Entry): void;
}

/** A message that the client holds, as it said who says what to whom. */
interface Held extends Pick<Place, 'conversation' | 'seq'> {
  isOwn: boolean;
  name: string;
}

/** Of the messages that came last, so many may be changed. */
const reach = 40;
/** Few, so that people meet in them. */
const emojis = ['👍', '❤️', '😂', '🎉'];
/** What people do: react, or else pin, or else edit, or delete. Of reactions, and of pins, how many are added. */
const reacts = 0.5;
const pins = 0.2;
const edits = 0.7;
const adds = 0.7;
/** How often somebody who says something does that, too. */
const changes = 0.3;

const keyOf = ({ conversation, seq }: Pick<Place, 'conversation' | 'seq'>) => `${conversation}:${seq}`;

export class Wishes {
  readonly #outbox = new Outbox<Asking>();
  readonly #errands: Errands;
  readonly #recent: Held[] = [];
  /** Of messages that have changed. */
  readonly #states = new Map<string, State>();
  readonly #stands = new Map<number, { change: number; at: number }>();
  readonly #client: Wisher;
  readonly #random: Random;
  #count: number;

  constructor(client: Wisher) {
    this.#client = client;
    this.#random = client.random;
    this.#count = client.past;
    const { doors, token, write } = client;
    const runner: Runner = {
      ...{ doors, token, write },
      connection: () => client.link()?.number ?? 0,
      learn: (place, state) => this.#take(place, state),
    };
    this.#errands = new Errands(runner, client.random.fork('errands'));
  }

  get size(): number {
    return this.#outbox.size + this.#errands.size;
  }

  change(conversation: number): number {
    return this.#stands.get(conversation)?.change ?? 0;
  }

  /** What a `sync` says of a conversation. */
  proof(conversation: number): { change?: number; changed_at?: number } {
    const { change, at } = this.#stands.get(conversation) ?? { change: 0, at: 0 };
    return change === 0 ? {} : { change, changed_at: at };
  }

  /** The client stands at a change, wherever it stood. */
  stand(conversation: number, change: number, at: number): void {
    this.#stands.set(conversation, { change, at });
  }

  clear(): void {
    this.#stands.clear();
  }

  /** A message has come. */
  hold(place: Place, word: { isOwn: boolean; content: string; state?: State }): void {
    const { conversation, seq } = place;
    if (word.state !== undefined) this.#take(place, word.state);
    if (word.content === '') return;
    this.#recent.push({ conversation, seq, isOwn: word.isOwn, name: nameIn(word.content) });
    if (this.#recent.length > reach) this.#recent.shift();
  }

  /** How a message is, where that is newer than what is known. */
  #take(place: Place, state: State): void {
    const key = keyOf(place);
    if (state.change > (this.#states.get(key)?.change ?? 0)) this.#states.set(key, state);
  }

  /** Never leaves a hole behind: with a new connection the server starts from what is known. */
  changed(link: Link, frame: Frame): void {
    const told = changedIn(frame);
    this.#client.write({ type: 'changed', at: now(), connection: link.number, ...told });
    this.#take(told, told.state);
    if (told.id !== undefined) this.#outbox.done(told.id);
    if (link !== this.#client.link()) return;
    const { conversation, seq, state, id, fromChange = state.change } = told;
    const known = this.change(conversation);
    if (fromChange > known + 1) {
      if (id === undefined) link.drop();
    } else if (state.change > known && (id === undefined || seq <= this.#client.position(conversation)))
      this.stand(conversation, state.change, frame.number('at'));
  }

  changes(link: Link, frame: Frame): void {
    const [conversation, change] = [frame.number('conversation_id'), frame.number('change')];
    this.#client.write({ type: 'changes', at: now(), connection: link.number, conversation, change });
    if (link === this.#client.link() && change > this.change(conversation))
      this.stand(conversation, change, frame.number('at'));
  }

  /** An edit that came too late is answered with how the message is. */
  conflict(link: Link, message: Frame): void {
    const told = { ...placeOf(message), state: stateIn(message) };
    this.#client.write({ type: 'conflict', at: now(), connection: link.number, ...told });
    this.#take(told, told.state);
  }

  /** Now and then thinks of something to do to one of the messages that came last. */
  begin(): void {
    const random = this.#random;
    if (!random.chance(changes)) return;
    const here = this.#recent.filter((held) => this.#states.get(keyOf(held))?.deleted !== true);
    const own = here.filter(({ isOwn }) => isOwn);
    const does = random.chance(reacts) ? 'react' : random.chance(pins) ? 'pin' : 'change';
    const isChange = does === 'change' && own.length > 0;
    const list = isChange ? own : here;
    if (list.length === 0) return;
    const held = random.pick(list);
    const { conversation, seq } = held;
    const n = ++this.#count;
    const wish = isChange ? this.#change(held, n) : this.#switch(does === 'pin');
    const asking = { id: idOf(addressOf(conversation), `c${n}`), conversation, seq, wish };
    if (!this.#errands.takes(asking)) this.#outbox.add(asking);
  }

  #switch(isPin: boolean): Wish {
    const on = this.#random.chance(adds);
    return isPin ? { does: 'pin', on } : { does: 'react', emoji: this.#random.pick(emojis), on };
  }

  #change(held: Held, n: number): Wish {
    if (!this.#random.chance(edits)) return { does: 'delete' };
    const content = `${held.name} edit-${n}-`.padEnd(this.#random.int(20, 200), 'other-');
    return { does: 'edit', content, base: this.#states.get(keyOf(held))?.change ?? 0 };
  }

  /** @param repeat how often something is asked twice all the same */
  ask(repeat: number): void {
    for (const asking of this.#outbox.take(now())) {
      this.#post(asking);
      if (this.#random.chance(repeat)) this.#post(asking);
    }
  }

  #post(asking: Asking): void {
    const link = this.#client.link();
    if (!link?.isOpen) return;
    const { id, conversation, seq, wish } = asking;
    this.#client.write({
      type: 'ask',
      at: now(),
      connection: link.number,
      id,
      conversation,
      seq,
      wish,
    });
    const { does, ...rest } = wish;
    link.send({ type: does, id, conversation_id: conversation, seq, ...rest });
  }

  /** It is answered. */
  done(id: string): void {
    this.#outbox.done(id);
  }

  /** It is to be asked again. */
  failed(id: string): void {
    this.#outbox.failed(id);
  }

  landAll(): void {
    this.#outbox.landAll();
  }
}
