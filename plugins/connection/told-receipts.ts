/** Conversations whose last receipt is remembered, so that a late one is no step back. */
const CONVERSATIONS = 1000;

/** How far somebody has received and read a conversation. */
export interface Reach {
  delivered: number;
  read: number;
}

/** What receipts a client was told. Other replicas tell of them too, in any order. */
export class ToldReceipts {
  private told: Map<number, Reach> | undefined;
  /** Conversations whose receipts the client had no room for, and their other users. */
  private postponed: Map<number, number> | undefined;

  /** @returns what is to be told; undefined where the client knows as much */
  grow(conversation: number, { delivered, read }: Reach): Reach | undefined {
    this.told ??= new Map();
    const before = this.told.get(conversation);
    if (before !== undefined && delivered <= before.delivered && read <= before.read) return undefined;
    const now = {
      delivered: Math.max(delivered, before?.delivered ?? 0),
      read: Math.max(read, before?.read ?? 0),
    };
    if (before === undefined && this.told.size >= CONVERSATIONS) this.told.clear();
    this.told.set(conversation, now);
    return now;
  }

  /** A client that doesn't read is told when it does, how far it is then. */
  postpone(conversation: number, user: number): void {
    this.postponed ??= new Map();
    if (this.postponed.size < CONVERSATIONS) this.postponed.set(conversation, user);
  }

  /** Of whom the client is to be told now, by conversation. */
  takePostponed(): Iterable<[number, number]> {
    const { postponed } = this;
    this.postponed = undefined;
    return postponed ?? [];
  }
}
