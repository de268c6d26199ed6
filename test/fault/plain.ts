/** A client that knows the plain protocol only: no receipts, no ids, no positions. */
import { Client, type ClientSetup, PER_DEVICE } from './client.js';
import { now } from './clock.js';
import type { Frame } from './frame.js';
import type { Link } from './link.js';
import { Numbers } from './numbers.js';

/** How long it waits for the answer to `get_offline` before it asks again. */
const askAgain = 3000;

export class PlainClient extends Client {
  readonly #numbers: Numbers;
  /** The connection whose `get_offline` has been answered. */
  #answered: Link | undefined;

  constructor(setup: ClientSetup) {
    super('plain', setup);
    this.#numbers = new Numbers(setup.user, (setup.device ?? 0) * PER_DEVICE);
  }

  protected address() {
    return { query: `?token=${this.token}`, protocols: [], options: {} };
  }

  protected retire(older: Link, newer: Link): void {
    this.expectEnd(older, newer);
  }

  protected opened(link: Link): void {
    this.use(link);
    this.#ask(link);
  }

  #ask(link: Link): void {
    if (link !== this.current || !link.isOpen || this.#answered === link) return;
    link.send({ type: 'get_offline' });
    setTimeout(() => this.#ask(link), askAgain);
  }

  say(to: number, size: number): void {
    const link = this.current;
    if (!link?.isOpen || !link.reading) return;
    const { n, content } = this.#numbers.next(to, size);
    this.write({ type: 'send', at: now(), connection: link.number, to, n, content });
    link.send({ type: 'chat', to_user_id: to, content });
  }

  protected frame(link: Link, frame: Frame): void {
    const line = { at: now(), connection: link.number };
    switch (frame.type) {
      case 'chat': {
        const from = frame.number('from_user_id');
        const to = frame.number('to_user_id');
        this.write({ type: 'live', ...line, from, to, content: frame.text('content') });
        break;
      }
      case 'offline_list':
        if (this.#answered !== link) this.write({ type: 'answered', ...line });
        this.#answered = link;
        for (const row of frame.list('data')) {
          const from = row.number('from_user_id');
          const to = row.number('to_user_id');
          const msgId = row.number('msg_id');
          this.write({ type: 'row', ...line, from, to, content: row.text('content'), msgId });
        }
        break;
      case 'error':
        this.write({ type: 'error', ...line, code: '', text: frame.text('content') });
        break;
      default:
        this.odd(link, `a frame of type ${frame.type}`);
    }
  }
}
