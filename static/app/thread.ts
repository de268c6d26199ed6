import { signal } from '@preact/signals';
import type { Conversation } from '../../schemas/conversation.js';
import type { Group } from '../../schemas/group.js';
import type { Message } from '../../schemas/message.js';
import type { OwnSettings } from '../../schemas/settings.js';
import type { User } from '../../schemas/user.js';
import { changed } from './events.js';
import { unset } from './own.js';
import type { Held } from './records.js';

/** The server counts unread messages no further. */
const countedUpTo = 1000;
/** Of a long thread the device keeps the end. */
const keptTail = 60;

export type Receipt = NonNullable<Conversation['receipt']>;

/** What the server says of a group that isn't given here, as it isn't on the screen. */
export interface Head {
  seq: number;
  at?: number | undefined;
  /** The newest that mentions the user. */
  mention?: number | undefined;
}

/** Where somebody was in a thread when leaving it. */
export interface Place {
  seq: number;
  shift: number;
}

/** What a newer server put in a conversation, of a type that this version doesn't know: it has a place, and shows nothing. */
export interface Unknown {
  conversation_id: number;
  seq: number;
  /** When it was stored, in milliseconds since 1970. */
  at: number | undefined;
}

/** Null for a frame that stands in no conversation. */
export function unknownIn(frame: object): Unknown | null {
  if (!('conversation_id' in frame && 'seq' in frame)) return null;
  const { conversation_id, seq } = frame;
  if (typeof conversation_id !== 'number' || typeof seq !== 'number') return null;
  const stored = 'created_at' in frame && typeof frame.created_at === 'string' ? frame.created_at : '';
  return { conversation_id, seq, at: Date.parse(stored) || undefined };
}

/** With what isn't said again: its id, whom it is to, and, of many who react, whether the reader is among them. */
function asBefore(state: Message, before: Message | undefined): Message {
  const now = { ...state };
  if (before?.id !== undefined) now.id = before.id;
  if (before?.to_user_id !== undefined) now.to_user_id = before.to_user_id;
  if (state.reactions)
    now.reactions = state.reactions.map((reaction) => {
      const { emoji, count, users, mine } = reaction;
      const known = before?.reactions?.find((other) => other.emoji === emoji)?.mine;
      return mine === undefined && known && count > users.length ? { ...reaction, mine: known } : reaction;
    });
  return now;
}

/**
 * One conversation. `seq` counts without a gap, so messages are kept by it and what isn't here yet is simply absent:
 * there is no "oldest loaded" to get wrong. `position` is how far the server has given them.
 */
export class Thread {
  /** The other one; for a group, one of its title, with its `peer` as number. */
  readonly user = signal<User>({ user_id: 0, username: '' });
  /** Null of a conversation of two, and of a group that nothing was heard of yet. */
  readonly group = signal<Group | null>(null);
  /** Null where something stands that shows nothing. */
  readonly messages = new Map<number, Message | null>();
  /** Grows with every change of the messages. */
  readonly version = signal(0);
  readonly unread = signal(0);
  /** Those of them that mention the user, or all. */
  readonly mentions = signal(0);
  readonly settings = signal<OwnSettings>(unset);
  readonly receipt = signal<Receipt>({ delivered_seq: 0, read_seq: 0 });
  /** In a small group how far each other one is; null before that was asked for. */
  readonly receipts = signal<ReadonlyMap<number, Receipt> | null>(null);
  /** Who types; 0 for nobody. */
  readonly typing = signal(0);
  /** Grows when something is pinned, or no more. */
  readonly pinned = signal(0);
  /** Grows with every message that is written here, in this tab. */
  readonly said = signal(0);
  /** A message that is to be brought into view; 0 for none. */
  readonly sought = signal(0);
  /** When something last happened, to sort by. */
  readonly activity = signal(0);
  /** The server knows nobody with this number. */
  readonly gone = signal(false);

  conversationId: number | null = null;
  position = 0;
  /** Nothing is left, or to be seen by the user, before this one. */
  begins = 1;
  /** How far the server has told of changes, and when that one was stored. */
  change = 0;
  changedAt: number | undefined;
  /** When the message at `position` was stored, in milliseconds since 1970: by that the server sees that it is of its history. */
  at: number | undefined;
  /** How far the user has read here; how far of that is worth telling, as it is not of one's own; what is told. */
  readSeq = 0;
  tellRead = 0;
  toldRead = 0;
  /** Unread messages are counted up to here. */
  counted = 0;
  /** Null: at the newest. */
  place: Place | null = null;
  /** Heights of rows outlive a visit elsewhere; the view keeps them here. */
  rows: unknown = null;
  typingTimer: ReturnType<typeof setTimeout> | undefined;

  /** Marked as unread while it is open: nothing of it is read before it is opened again. */
  resting = false;
  /** What was marked as unread was read since, and the server isn't told yet. */
  unmarked = false;
  /** The server has so many; past `position` they aren't given here. */
  #end = 0;
  /** The last of those. */
  #preview: Message | null = null;

  /** Whether the server's list has told of it since the page was loaded. */
  described = false;

  /** The message up to which everything is in what is known of the group. */
  #groupAsOf = 0;
  readonly #early = new Map<number, Message | Unknown>();
  /** States past the change position that nothing has proven since it was told. */
  #unproven = new Set<number>();
  readonly #me: number;

  constructor(me: number, user: User) {
    this.#me = me;
    this.user.value = user;
  }

  get peer(): number {
    return this.user.value.user_id;
  }

  /** Nothing is to be seen in this place. */
  silent(seq: number): boolean {
    return seq < this.begins || this.messages.get(seq) === null;
  }

  /** Up to where there are messages, given here or not. */
  get end(): number {
    return Math.max(this.position, this.#end);
  }

  get last(): Message | undefined {
    if (this.#preview && this.#preview.seq > this.position) return this.#preview;
    // What shows nothing is passed over, also where it isn't here again yet.
    for (let seq = this.position; seq > this.position - keptTail; seq--) {
      const message = this.messages.get(seq);
      if (message) return message;
    }
    return undefined;
  }

  /** `ahead` is one past a hole, kept until the hole is filled. */
  accept(message: Message | Unknown): 'new' | 'known' | 'ahead' {
    if (message.seq <= this.position) {
      const isNewer =
        'content' in message && (message.change ?? 0) > (this.messages.get(message.seq)?.change ?? 0);
      if (isNewer || !this.messages.has(message.seq))
        this.load('content' in message ? [message] : [], message.seq, message.seq);
      return 'known';
    }
    if (message.seq > this.position + 1) {
      this.#early.set(message.seq, message);
      return 'ahead';
    }
    this.#append(message);
    for (;;) {
      const next = this.#early.get(this.position + 1);
      if (!next) break;
      this.#early.delete(next.seq);
      this.#append(next);
    }
    this.version.value++;
    return 'new';
  }

  /**
   * A message as it is since its change. What isn't held is kept as well: an answer with its state before may be on its way.
   * @returns the state before, where another one is shown now
   */
  alter(state: Message): Message | undefined {
    const { seq, change = 0 } = state;
    const preview = this.#preview?.seq === seq ? this.#preview : undefined;
    const before = this.messages.get(seq) ?? preview;
    const isUnproven = this.#unproven.delete(seq);
    if (seq < this.begins || this.messages.get(seq) === null) return undefined;
    if (change <= (before?.change ?? 0) && !isUnproven) return undefined;
    if (!before && seq > this.position) return undefined;
    const now = asBefore(state, before);
    if (before?.pinned !== state.pinned) this.pinned.value++;
    if (preview) this.#preview = now;
    if (seq <= this.position) this.messages.set(seq, now);
    if (before && seq > this.readSeq && this.settings.peek().unread_from === null) {
      const by = Number(this.mentionsMe(now)) - Number(this.mentionsMe(before));
      this.mentions.value = Math.max(0, Math.min(this.unread.peek(), this.mentions.peek() + by));
    }
    this.version.value++;
    return before;
  }

  /** [E6] The server is told where this stands: what is held past that it says again, unless it is of another history. */
  doubt(): void {
    const past = [...this.messages.values()].filter((message) => (message?.change ?? 0) > this.change);
    this.#unproven = new Set(past.flatMap((message) => message?.seq ?? []));
  }

  /** It has said all that it has to say: what is in doubt still is read again where somebody looks. */
  dropUnproven(): void {
    if (this.#unproven.size === 0) return;
    for (const seq of this.#unproven) this.messages.delete(seq);
    this.#unproven.clear();
    this.version.value++;
  }

  /**
   * The server has told of changes up to this one.
   * @param from the first of those that it has told of now
   * @returns whether there is none between
   */
  moveChange(change: number, at: number, from = 0): boolean {
    if (from > this.change + 1) return false;
    if (change > this.change) {
      this.change = change;
      this.changedAt = at;
    }
    return true;
  }

  /** The server goes on after this one, where nothing is held yet. */
  startAt(seq: number): void {
    this.position = seq;
    this.at = undefined;
    this.counted = seq;
  }

  /** Nothing is left of what is before: the server goes on after this one. What is held stays. */
  skip(seq: number): void {
    if (seq <= this.position) return;
    this.position = seq;
    this.at = undefined;
    this.counted = Math.max(this.counted, seq);
    this.version.value++;
  }

  /** Of a group the server gives no more of what is before, unless it is asked over HTTP. What is `hidden` is not to be had. */
  join(seq: number, at: number | undefined, hidden: boolean): void {
    if (seq < this.position) return;
    if (hidden && this.messages.size === 0) this.begins = seq + 1;
    if (hidden) for (let gone = this.position + 1; gone <= seq; gone++) this.messages.set(gone, null);
    this.position = seq;
    this.at = at;
    this.counted = Math.max(this.counted, seq);
    for (const early of this.#early.keys()) if (early <= seq) this.#early.delete(early);
    this.version.value++;
  }

  /** Nothing is to be seen from one place to another. */
  empty(from: number, to: number): void {
    if (from <= this.begins) this.begins = Math.max(this.begins, to + 1);
    else for (let seq = from; seq <= to; seq++) this.messages.set(seq, null);
    this.version.value++;
  }

  #append(message: Message | Unknown): void {
    if (!('content' in message)) {
      this.messages.set(message.seq, null);
      this.position = message.seq;
      this.at = message.at;
      return;
    }
    this.messages.set(message.seq, message);
    this.position = message.seq;
    const at = Date.parse(message.created_at) || 0;
    this.at = at;
    // One's own was put at the top by our clock; the server's holds.
    this.activity.value = message.from_user_id === this.#me ? at : Math.max(this.activity.peek(), at);
    this.#unhide();
    if (message.event) this.#change(message, message.event);
    if (message.from_user_id === this.#me || message.seq <= this.counted) return;
    this.counted = message.seq;
    if (message.seq <= this.readSeq || message.event) return;
    this.unread.value++;
    if (this.mentionsMe(message)) this.mentions.value++;
  }

  /** [G26] @returns whether that is new */
  tell({ seq, at = 0, mention = 0 }: Head): boolean {
    if (seq <= this.end) return false;
    const from = Math.max(this.counted, this.position, this.readSeq);
    this.#end = seq;
    this.counted = Math.max(this.counted, seq);
    this.activity.value = Math.max(this.activity.peek(), at);
    this.#unhide();
    if (this.group.peek()?.role === null) return true;
    this.unread.value = Math.min(countedUpTo, this.unread.peek() + Math.max(0, seq - from));
    if (mention > from) this.mentions.value++;
    this.version.value++;
    return true;
  }

  mentionsMe({ from_user_id, mentions, mention_all }: Message): boolean {
    return from_user_id !== this.#me && (mention_all === true || mentions?.includes(this.#me) === true);
  }

  #unhide(): void {
    if (this.settings.peek().hidden) this.settings.value = { ...this.settings.peek(), hidden: false };
  }

  /** What the user has set, here or on another device. */
  set({
    settings,
    unread,
    mentions,
    read_seq,
  }: Pick<Conversation, 'settings' | 'unread' | 'mentions' | 'read_seq'>): void {
    const before = this.settings.peek().unread_from;
    this.unmarked = false;
    this.settings.value = settings;
    this.readElsewhere(read_seq);
    if (settings.unread_from !== before) this.#recount(unread, mentions);
  }

  /** Counted here, where all is here: the server's count may lack what came since. */
  #recount(unread: number, mentions: number): void {
    const marked = this.settings.peek().unread_from;
    const counted = this.#count(marked ?? this.readSeq + 1);
    this.unread.value = Math.max(marked === null ? 0 : 1, counted?.unread ?? unread);
    this.mentions.value = counted?.mentions ?? mentions;
  }

  /** @returns null where not all of it is here */
  #count(from: number): { unread: number; mentions: number } | null {
    let [unread, mentions] = [0, 0];
    if (this.end - from >= countedUpTo) return null;
    for (let seq = Math.max(from, this.begins); seq <= this.end; seq++) {
      const message = this.messages.get(seq);
      if (message === undefined) return null;
      if (!this.#counts(seq)) continue;
      unread++;
      if (message && this.mentionsMe(message)) mentions++;
    }
    return { unread, mentions };
  }

  /** Somebody looks at what was marked as unread. @returns whether it was */
  unmark(): boolean {
    const settings = this.settings.peek();
    if (settings.unread_from === null) return false;
    this.unmarked = true;
    this.settings.value = { ...settings, unread_from: null };
    const counted = this.readSeq >= this.end ? { unread: 0, mentions: 0 } : this.#count(this.readSeq + 1);
    this.unread.value = counted?.unread ?? this.unread.peek();
    this.mentions.value = counted?.mentions ?? this.mentions.peek();
    return true;
  }

  #change({ seq, from_user_id }: Message, event: NonNullable<Message['event']>): void {
    const group = this.group.peek();
    if (!group || seq <= this.#groupAsOf) return;
    this.#groupAsOf = seq;
    this.learn(changed(group, event, from_user_id, this.#me));
  }

  /** What the group is now. Who isn't in it any more has nothing to read. */
  learn(group: Group): void {
    this.group.value = group;
    if (this.user.peek().username !== group.title)
      this.user.value = { user_id: this.peer, username: group.title };
    if (group.role === null) this.unread.value = this.mentions.value = 0;
  }

  /** Whether a message there counts as read or unread; one that isn't here may. */
  #counts(seq: number): boolean {
    const message = this.messages.get(seq);
    return !this.silent(seq) && !message?.event && message?.from_user_id !== this.#me;
  }

  /** History: fills in what is at or before the position. What it lacks from one place to another shows nothing. */
  load(messages: readonly Message[], from = 1, to = 0): void {
    for (const message of messages) {
      if (message.seq > this.position) continue;
      if ((this.messages.get(message.seq)?.change ?? 0) > (message.change ?? 0)) continue;
      const known = !('type' in message) || message.type === 'chat' || message.event !== undefined;
      this.messages.set(message.seq, known ? message : null);
    }
    for (let seq = Math.max(from, this.begins); seq <= to; seq++)
      if (!this.messages.has(seq)) this.messages.set(seq, null);
    this.version.value++;
  }

  /** What the list of conversations says. It may be older than what has arrived meanwhile. */
  describe(said: Conversation, mayJump: boolean): void {
    this.conversationId = said.conversation_id;
    if (said.user) this.user.value = said.user;
    if (said.group && said.last_seq >= this.#groupAsOf) {
      this.#groupAsOf = said.last_seq;
      this.learn(said.group);
      // What was done since the answer was made.
      for (let seq = said.last_seq + 1; seq <= this.position; seq++) {
        const later = this.messages.get(seq);
        if (later?.event) this.#change(later, later.event);
      }
    }
    if (said.receipt) this.receive(said.receipt);
    if (mayJump && said.last_seq > this.position) {
      // Nobody has compared what is kept from before with the server.
      this.messages.clear();
      this.position = said.last_seq;
      this.change = said.change ?? 0;
      this.changedAt = said.changed_at;
      const { last_message: last } = said;
      this.at = last?.seq === said.last_seq ? Date.parse(last.created_at) : undefined;
    }
    const { settings } = said;
    const before = this.settings.peek().unread_from;
    this.settings.value = this.unmarked ? { ...settings, unread_from: null } : settings;
    const isMarked = this.settings.peek().unread_from !== null;
    // The server's word: a `read` may have been lost with its socket, and is then told again.
    this.toldRead = said.read_seq;
    this.readSeq = Math.max(this.readSeq, said.read_seq);
    if (said.last_seq >= this.counted || !this.described) {
      this.counted = Math.max(this.counted, said.last_seq);
      const isRead = !isMarked && this.readSeq >= said.last_seq;
      this.unread.value = isRead ? 0 : said.unread;
      this.mentions.value = isRead ? 0 : said.mentions;
      // What has come meanwhile was not in the list yet.
      for (let seq = Math.max(said.last_seq, this.readSeq) + 1; seq <= this.position; seq++) {
        const message = this.messages.get(seq);
        if (this.#counts(seq)) this.unread.value++;
        if (message && this.mentionsMe(message)) this.mentions.value++;
      }
    } else if (this.settings.peek().unread_from !== before) this.#recount(said.unread, said.mentions);
    this.described = true;
    const last = said.last_message;
    if (last) {
      this.activity.value = Math.max(this.activity.peek(), Date.parse(last.created_at) || 0);
      if (last.seq <= this.position) this.load([last]);
      else {
        this.#end = Math.max(this.#end, said.last_seq);
        this.#preview = last;
        this.version.value++;
      }
    }
  }

  receive(receipt: Receipt): void {
    const { delivered_seq, read_seq } = this.receipt.peek();
    if (receipt.delivered_seq <= delivered_seq && receipt.read_seq <= read_seq) return;
    this.receipt.value = {
      delivered_seq: Math.max(delivered_seq, receipt.delivered_seq),
      read_seq: Math.max(read_seq, receipt.read_seq),
    };
  }

  read(seq: number): void {
    const upTo = Math.min(seq, this.position);
    if (upTo <= this.readSeq) return;
    let [theirs, mentions] = [0, 0];
    for (let at = this.readSeq + 1; at <= upTo; at++) {
      if (!this.#counts(at)) continue;
      theirs++;
      const message = this.messages.get(at);
      if (message && this.mentionsMe(message)) mentions++;
    }
    this.readSeq = upTo;
    if (theirs > 0) this.tellRead = upTo;
    const isMarked = this.settings.peek().unread_from !== null;
    if (isMarked) return;
    const isRead = upTo >= this.end;
    this.unread.value = isRead ? 0 : Math.max(0, this.unread.peek() - theirs);
    this.mentions.value = isRead ? 0 : Math.max(0, this.mentions.peek() - mentions);
  }

  /** On another device, perhaps further than what has arrived here. */
  readElsewhere(seq: number): void {
    this.read(seq);
    this.readSeq = Math.max(this.readSeq, seq);
    this.toldRead = Math.max(this.toldRead, seq);
    if (this.settings.peek().unread_from !== null) return;
    // What isn't given here can't be read one by one.
    this.unread.value = Math.min(this.unread.peek(), Math.max(0, this.end - this.readSeq));
    this.mentions.value = Math.min(this.mentions.peek(), this.unread.peek());
  }

  /** How far another one of a small group is. */
  reach(user: number, { delivered_seq, read_seq }: Receipt): void {
    const known = this.receipts.peek();
    if (known && user !== this.#me)
      this.receipts.value = new Map(known).set(user, { delivered_seq, read_seq });
  }

  /** The last message that somebody wrote, of the newest. */
  lastOf(user: number): Message | undefined {
    for (let seq = this.position; seq >= this.begins && seq > this.position - keptTail; seq--) {
      const message = this.messages.get(seq);
      if (message?.from_user_id === user && !message.event && !message.deleted) return message;
    }
    return undefined;
  }

  /** The last one of others, from which the whole is unread again; the last of all where none is here. */
  get lastOfOthers(): number {
    for (let seq = this.end; seq >= this.begins && seq > this.end - keptTail; seq--)
      if (this.messages.has(seq) && this.#counts(seq)) return seq;
    return this.last?.seq ?? this.position;
  }

  /** Where to begin reading; 0 if there is nothing new. */
  firstUnread(): number {
    const unread = this.unread.peek();
    if (unread === 0) return 0;
    const { unread_from: marked } = this.settings.peek();
    if (marked !== null) return Math.max(marked, this.begins);
    const after = Math.max(this.readSeq + 1, this.begins);
    // Past what was read there may be a lot of one's own, sent from elsewhere: then it begins with the last ones.
    const surely = this.end - unread + 1;
    return unread < countedUpTo && surely - after > 100 ? surely : after;
  }

  /** What is held is of another history than the server's, which goes on after `seq`, stored `at`. */
  reset(seq: number, at: number | undefined, change = 0, changedAt?: number): void {
    this.#early.clear();
    this.#unproven.clear();
    this.messages.clear();
    this.readSeq = 0;
    this.tellRead = 0;
    this.toldRead = 0;
    this.described = false;
    this.unread.value = this.mentions.value = 0;
    this.settings.value = unset;
    this.unmarked = false;
    this.receipt.value = { delivered_seq: 0, read_seq: 0 };
    this.receipts.value = null;
    this.#end = 0;
    this.#preview = null;
    this.position = seq;
    this.change = change;
    this.changedAt = changedAt;
    this.begins = 1;
    this.#groupAsOf = 0;
    this.at = at;
    this.counted = seq;
    this.version.value++;
  }

  held(): Held {
    const tail: Message[] = [];
    for (let seq = this.position; seq > 0 && tail.length < keptTail; seq--) {
      const message = this.messages.get(seq);
      if (message === undefined) break;
      // Not kept: the next version may know it.
      if (message) tail.unshift(message);
    }
    return {
      user: this.user.peek(),
      group: this.group.peek() ?? undefined,
      conversation_id: this.conversationId,
      position: this.position,
      at: this.at,
      change: this.change,
      changed_at: this.changedAt,
      read_seq: this.readSeq,
      unread: this.unread.peek(),
      mentions: this.mentions.peek(),
      settings: this.settings.peek(),
      receipt: this.receipt.peek(),
      tail,
    };
  }

  restore(held: Held): void {
    if (!this.user.peek().username) this.user.value = held.user;
    this.group.value = held.group ?? null;
    this.#groupAsOf = held.position;
    this.conversationId = held.conversation_id;
    this.position = held.position;
    this.change = held.change ?? 0;
    this.changedAt = held.changed_at;
    const last = held.tail.at(-1);
    this.at = held.at ?? (last?.seq === held.position ? Date.parse(last.created_at) : undefined);
    this.counted = held.position;
    this.readSeq = held.read_seq;
    this.unread.value = held.unread;
    this.mentions.value = held.mentions ?? 0;
    this.settings.value = held.settings ?? unset;
    this.receipt.value = held.receipt;
    this.load(held.tail);
    this.activity.value = Date.parse(last?.created_at ?? '') || 0;
  }
}
