import { SIZE } from '../../schemas/size.js';
import type { Head } from '../../sql/heads.js';

/** What a client has on its screen, and what it is told of the conversations that it isn't given meanwhile. */
export class Parking {
  /** Undefined while the client has never said: then it is given everything. */
  private open: ReadonlySet<number> | undefined;
  /** The bits of those conversations that have any. */
  private sizes: Map<number, number> | undefined;
  /** How far each that is parked goes, as far as the client was told, or is about to be. */
  private told: Map<number, number> | undefined;
  private heads: Map<number, Head> | undefined;

  /** Notes the bits of a conversation. */
  learn(conversation: number, size: number): void {
    if (this.sizeOf(conversation) === size) return;
    this.sizes ??= new Map();
    if (size === 0) this.sizes.delete(conversation);
    else this.sizes.set(conversation, size);
  }

  sizeOf(conversation: number): number {
    return this.sizes?.get(conversation) ?? 0;
  }

  /** Whether the client isn't given a conversation now. */
  has(conversation: number): boolean {
    return (
      this.open !== undefined &&
      (this.sizeOf(conversation) & SIZE.parks) !== 0 &&
      !this.open.has(conversation)
    );
  }

  /** Whether the client has said that it shows a conversation. */
  shows(conversation: number): boolean {
    return this.open?.has(conversation) ?? false;
  }

  /** The client shows these, and no others. @returns whether it is to be given one that it wasn't */
  show(conversations: readonly number[]): boolean {
    const parked = conversations.filter((conversation) => this.has(conversation));
    this.open = new Set(conversations);
    for (const conversation of parked) {
      this.heads?.delete(conversation);
      this.told?.delete(conversation);
    }
    return parked.length > 0;
  }

  /** Whether the client knows, or is about to be told, that a conversation goes so far. */
  knows(conversation: number, seq: number): boolean {
    return (this.told?.get(conversation) ?? 0) >= seq;
  }

  /** Notes what the client is to be told. @returns whether that is news */
  note(head: Head): boolean {
    const { conversation, seq, mention } = head;
    const waiting = this.heads?.get(conversation);
    if (mention === undefined && this.knows(conversation, seq)) return false;
    const newest = waiting !== undefined && waiting.seq > seq ? waiting : head;
    const mentioned = Math.max(mention ?? 0, waiting?.mention ?? 0);
    this.heads ??= new Map();
    this.heads.set(conversation, { ...newest, mention: mentioned > 0 ? mentioned : undefined });
    this.told ??= new Map();
    this.told.set(conversation, Math.max(seq, this.told.get(conversation) ?? 0));
    return true;
  }

  /** What the client is to be told now. */
  take(): Head[] {
    const { heads } = this;
    this.heads = undefined;
    return heads === undefined ? [] : [...heads.values()];
  }

  /** The client says anew what it has. */
  restart(): void {
    this.heads = undefined;
    this.told = undefined;
  }
}
