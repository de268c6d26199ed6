/** What is wanted of messages, over HTTP: asked for until it is answered. */
import { askOn, type Question } from './ask.js';
import { now } from './clock.js';
import type { Entry, Place, State, Wish } from './diary.js';
import type { Frame } from './frame.js';
import type { Door } from './link.js';
import { placeOf, stateIn } from './place.js';
import type { Random } from './random.js';

/** A wish on its way. */
export type Asking = Pick<Place, 'conversation' | 'seq'> & { id: string; wish: Wish };

export interface Runner {
  doors: readonly Door[];
  token: string;
  /** The number of the connection in use. */
  connection(): number;
  write(entry: Entry): void;
  /** How a message is, as an answer says. */
  learn(place: Place, state: State): void;
}

/** Of what can be said in a frame, how much is asked over HTTP; a pin has no frame. */
const overHttp = 0.15;

function questionOf({ conversation, seq, wish }: Asking): Omit<Question, 'token'> {
  const path = `/api/conversations/${conversation}/messages/${seq}`;
  switch (wish.does) {
    case 'edit':
      return { method: 'PATCH', path, body: { content: wish.content, base: wish.base } };
    case 'delete':
      return { method: 'DELETE', path };
    case 'react':
      return {
        ...{ method: wish.on ? 'PUT' : 'DELETE' },
        path: `${path}/reactions/${encodeURIComponent(wish.emoji)}`,
      };
    case 'pin':
      return {
        ...{ method: wish.on ? 'PUT' : 'DELETE' },
        path: `/api/conversations/${conversation}/pins/${seq}`,
      };
  }
}

export class Errands {
  readonly #runner: Runner;
  readonly #random: Random;
  #size = 0;

  constructor(runner: Runner, random: Random) {
    this.#runner = runner;
    this.#random = random;
  }

  /** Those that are on their way. */
  get size(): number {
    return this.#size;
  }

  /** Takes a wish, if it is one for HTTP. */
  takes(asking: Asking): boolean {
    const isOurs = asking.wish.does === 'pin' || this.#random.chance(overHttp);
    if (isOurs) {
      this.#size++;
      void this.#run(asking).finally(() => this.#size--);
    }
    return isOurs;
  }

  async #run(asking: Asking): Promise<void> {
    const { doors, token, write, connection } = this.#runner;
    const line = () => ({ at: now(), connection: connection() });
    const { id } = asking;
    const told = (type: 'settled' | 'conflict', message: Frame) => {
      const [place, state] = [placeOf(message), stateIn(message)];
      write({ ...{ type, ...line(), ...place, state }, id });
      this.#runner.learn(place, state);
    };
    try {
      const tries = () => write({ type: 'ask', ...line(), ...asking });
      const question = { ...questionOf(asking), token };
      const { error, data, shown } = await askOn(doors, this.#random, question, tries);
      if (data !== undefined) return told('settled', data);
      write({ type: 'error', ...line(), id, code: error, text: '', retryable: false });
      if (shown !== undefined) told('conflict', shown);
    } catch (error) {
      write({ type: 'odd', ...line(), text: `${asking.wish.does} over HTTP: ${error}` });
    }
  }
}
