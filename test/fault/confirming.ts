/** When an extended client confirms what it has: in batches, soon, and now and then late. */
import type { Link } from './link.js';
import { addressOf } from './many.js';
import { idOf } from './place.js';
import type { Random } from './random.js';

/** A client that hangs confirms nothing meanwhile. */
const lookAgain = 300;
/** In the place of a message's number. */
const READ = 'read';

/** Whether the id of a frame is that of a `read`. */
export const isRead = (id: string): boolean => id.endsWith(READ);

export class Confirming {
  /** Conversations with something new to confirm. */
  readonly #conversations = new Set<number>();
  readonly #client: { random: Random; link(): Link | undefined; position(conversation: number): number };
  #timer: NodeJS.Timeout | undefined;

  constructor(client: { random: Random; link(): Link | undefined; position(conversation: number): number }) {
    this.#client = client;
  }

  clear(): void {
    this.#conversations.clear();
  }

  later(conversation: number): void {
    this.#conversations.add(conversation);
    const { random } = this.#client;
    const wait = random.chance(0.1) ? random.int(1500, 3000) : random.int(20, 500);
    this.#timer ??= setTimeout(() => this.#confirm(), wait);
  }

  #confirm(): void {
    this.#timer = undefined;
    const { random } = this.#client;
    const link = this.#client.link();
    // Without a connection the next sync confirms all of it.
    if (!link?.isOpen) return;
    if (!link.reading) {
      this.#timer = setTimeout(() => this.#confirm(), lookAgain);
      return;
    }
    for (const conversation_id of this.#conversations) {
      const seq = this.#client.position(conversation_id);
      link.send({ type: 'ack', conversation_id, seq });
      // With an id, so that an answer to who is out by then says what it is about.
      if (random.chance(0.2))
        link.send({ type: 'read', id: idOf(addressOf(conversation_id), READ), conversation_id, seq });
    }
    this.#conversations.clear();
  }
}
