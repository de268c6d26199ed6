import type { Member } from '../../sql/conversations.js';

/** People in conversations whose last receipt is remembered, so that a late one is no step back. */
const MEMBERS = 1000;

/** How far somebody has received and read a conversation. */
export interface Reach {
  delivered: number;
  read: number;
}

const keyOf = (conversation: number, user: number) => `${conversation}:${user}`;

/** What receipts a client was told. Other replicas tell of them too, in any order. */
export class ToldReceipts {
  private told: Map<string, Reach> | undefined;
  /** Whose receipts the client had no room for. */
  private postponed: Map<string, Member> | undefined;

  /** @returns what is to be told; undefined where the client knows as much */
  grow(conversation: number, user: number, { delivered, read }: Reach): Reach | undefined {
    this.told ??= new Map();
    const key = keyOf(conversation, user);
    const before = this.told.get(key);
    if (before !== undefined && delivered <= before.delivered && read <= before.read) return undefined;
    const now = {
      delivered: Math.max(delivered, before?.delivered ?? 0),
      read: Math.max(read, before?.read ?? 0),
    };
    if (before === undefined && this.told.size >= MEMBERS) this.told.clear();
    this.told.set(key, now);
    return now;
  }

  /** A client that doesn't read is told when it does, how far it is then. */
  postpone(conversation: number, user: number): void {
    this.postponed ??= new Map();
    if (this.postponed.size < MEMBERS) this.postponed.set(keyOf(conversation, user), { user, conversation });
  }

  /** Of whom the client is to be told now. */
  takePostponed(): Iterable<Member> {
    const { postponed } = this;
    this.postponed = undefined;
    return postponed?.values() ?? [];
  }
}
