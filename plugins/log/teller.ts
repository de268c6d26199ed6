import type { BaseLogger } from 'pino';
import type { StoredMessage } from '../../sql/messages.js';
import { isOurs } from './entry.js';
import type { Outcome } from './store.js';
import type { Delivery, LogListener, Sender } from './types.js';

/** Tells what became of messages. What goes wrong with one who is told is no matter of the others. */
export class Teller {
  /** Set by the hub. */
  listener: LogListener = { onStored() {} };

  constructor(private readonly log: Pick<BaseLogger, 'error'>) {}

  /** Tells senders and the listener what became of a batch. */
  outcome({ stored, arrivals, failed }: Outcome): void {
    const deliveries: Delivery[] = [];
    for (let i = 0; i < arrivals.length; i++) {
      const message = arrivals[i];
      if (message === undefined) continue;
      const senders = stored[i]?.senders ?? [];
      for (const sender of senders) this.stored(sender, message);
      deliveries.push({ message, senders });
    }
    if (deliveries.length > 0) this.say(() => this.listener.onStored(deliveries));
    for (const { entry, error } of failed) {
      // Of an id that the log made its sender knows nothing.
      const clientId = isOurs(entry.clientId) ? undefined : entry.clientId;
      for (const sender of entry.senders) this.failed(sender, clientId, error);
    }
  }

  /** Tells a sender that its message is stored. Not by `say`, since it is the most frequent word. */
  stored(sender: Sender, message: StoredMessage): void {
    try {
      sender.onStored(message);
    } catch (error) {
      this.stumbled(error);
    }
  }

  /** Tells a sender that its message isn't stored, or that nobody knows. */
  failed(sender: Sender, clientId: string | undefined, error: Parameters<Sender['onFailed']>[1]): void {
    this.say(() => sender.onFailed(clientId, error));
  }

  private say(word: () => void): void {
    try {
      word();
    } catch (error) {
      this.stumbled(error);
    }
  }

  private stumbled(error: unknown) {
    this.log.error({ err: error }, 'somebody could not be told of a message');
  }
}
