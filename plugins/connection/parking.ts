import { SIZE } from '../../schemas/size.js';
import type { Head } from '../../sql/heads.js';
import type { Position } from '../../sql/messages.js';

/** What the client knows of a conversation that is parked, or is about to be told, and up to where that was all there was to tell. */
interface Told extends Head {
  whole: number;
  /** Not once it was shown: then it is told again how far it goes, and nothing less than before. */
  isKnown: boolean;
}

/** What a client has on its screen, and what it is told of the conversations that it isn't given meanwhile. */
export class Parking {
  /** Undefined while the client has never said: then it is given everything. */
  private open: ReadonlySet<number> | undefined;
  /** The bits of those conversations that have any. */
  private sizes: Map<number, number> | undefined;
  private told: Map<number, Told> | undefined;
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

  /** Whether the client has said what it shows. */
  get isSaid(): boolean {
    return this.open !== undefined;
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
      const told = this.told?.get(conversation);
      if (told !== undefined)
        this.told?.set(conversation, { ...told, whole: 0, mention: undefined, isKnown: false });
    }
    return parked.length > 0;
  }

  /** Whether the client knows, or is about to be told, that a conversation goes so far. */
  knows(conversation: number, seq: number): boolean {
    const told = this.told?.get(conversation);
    return told?.isKnown === true && told.seq >= seq;
  }

  /** Whether the client knows, or is about to be told, all that there is to tell up to there: mentions, too. */
  hasAll(conversation: number, seq: number): boolean {
    return (this.told?.get(conversation)?.whole ?? 0) >= seq;
  }

  /**
   * The client knows how far a conversation goes, or is about to be told.
   * @param after from where on that is all there was to tell
   * @param stands up to where it has all
   */
  learnEnd(head: Head, after: number, stands: number): void {
    const { conversation, seq, mention } = head;
    const before = this.told?.get(conversation);
    const known = Math.max(stands, before?.whole ?? 0);
    this.told ??= new Map();
    this.told.set(conversation, {
      ...(before !== undefined && before.seq > seq ? before : head),
      mention: Math.max(mention ?? 0, before?.mention ?? 0),
      whole: after <= known ? Math.max(seq, known) : known,
      isKnown: true,
    });
  }

  /** What the client has sent itself it needn't be told of, but of what is before it. */
  noteOwn({ conversation, seq }: Position, stands: number): void {
    const none = { conversation, seq: 0, at: undefined, mention: undefined, whole: 0, isKnown: false };
    const before = this.told?.get(conversation) ?? none;
    const known = Math.max(stands, before.whole);
    this.told ??= new Map();
    this.told.set(conversation, { ...before, whole: seq === known + 1 ? seq : known });
  }

  /** Notes what the client is to be told. @returns whether that is news */
  note(head: Head): boolean {
    const { conversation, seq, mention = 0 } = head;
    const told = this.told?.get(conversation);
    const isMentioned = mention > (told?.mention ?? 0);
    if (!isMentioned && this.knows(conversation, seq)) return false;
    const waiting = this.heads?.get(conversation);
    const end = told !== undefined && told.seq > seq ? told : head;
    this.heads ??= new Map();
    this.heads.set(conversation, {
      ...{ conversation, seq: end.seq, at: end.at },
      mention: isMentioned ? mention : waiting?.mention,
    });
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
