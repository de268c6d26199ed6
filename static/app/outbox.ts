import { computed, signal } from '@preact/signals';
import { randomId } from './id.js';
import type { Alteration, Change, Keeper, Outgoing } from './records.js';

/** How a message that isn't in the log yet stands. `sent` waits for its turn in `seq`. */
export type OutgoingState = 'sending' | 'sent';

export interface OutboxOptions {
  local: Keeper;
  /** Hands a message to the socket; false if there is none. */
  send: (message: Outgoing) => boolean;
  /** Called where an answer is overdue: is anybody there? And again, where somebody is and still doesn't answer. */
  overdue: (again: boolean) => void;
  /** A message that was said has this place. */
  onStored?: (id: string, seq: number) => void;
  /** An edit was done: that state is of this change. */
  onEdited?: (to: number, seq: number, change: number) => void;
  /** What the server's clock shows. */
  now?: () => number;
  random?: () => number;
}

/** Why a message isn't stored. */
export interface Refusal {
  code: string;
  retryable: boolean;
  retry_after_ms?: number;
}

/** What rides beside a text. */
type Beside = Pick<Outgoing, 'mentions' | 'mention_all' | 'reply_to'>;

export type Outbox = ReturnType<typeof createOutbox>;

const overdueAfter = 8_000;
/** The socket stands, so a wait needs no more than to spread the crowd; it doesn't grow. */
const retryAfter = 2_000;
/** A tab that has a line has sent by then what was written in it. */
const takeAfter = 2_000;
/** Stored a moment ago: the device may still have them. */
const remembered = 100;

/**
 * Messages on their way out, shared by the tabs of a browser. Each keeps its id for ever, so sending it again is harmless,
 * from here or from another tab; one at a time is under way in each conversation, so that a refusal can't turn their order
 * round. Changes of messages go the same way, each behind what was written before it.
 */
export function createOutbox({
  local,
  send,
  overdue,
  onStored,
  onEdited,
  now = Date.now,
  random = Math.random,
}: OutboxOptions) {
  const items = signal<readonly Outgoing[]>([]);
  const said = computed(() => items.value.filter(({ alters }) => !alters));
  /** The server answers, but can't store at the moment. */
  const troubled = signal(false);
  /** It takes no more so soon: until when what is to be sent waits. */
  const slowed = signal<number | null>(null);
  const state = signal<ReadonlyMap<string, OutgoingState>>(new Map());
  /** Written in another tab, which sends them: from here they go only if it doesn't. */
  const elsewhere = new Set<string>();
  /** With their places. */
  const stored = new Map<string, number>();
  let open = false;
  /** What is held is of the server's history: before, a change could hit another message than it is meant for. */
  let caughtUp = false;
  let taking: ReturnType<typeof setTimeout> | undefined;
  let pause: ReturnType<typeof setTimeout> | undefined;
  let watch: ReturnType<typeof setTimeout> | undefined;
  let last = 0;

  const mark = (id: string, value: OutgoingState | null) => {
    const next = new Map(state.value);
    if (value === null) next.delete(id);
    else next.set(id, value);
    state.value = next;
  };
  const replace = (item: Outgoing) => {
    items.value = items.value.map((other) => (other.id === item.id ? item : other));
    void local.write({ store: 'outbox', put: item });
  };
  const remove = (id: string) => void local.write({ store: 'outbox', remove: id });
  /** What is under way here, or not written yet, is as it is here, whatever the device says. */
  const ours = (id: string) => state.value.has(id) || local.pending('outbox', id);

  /** A change of what is not stored, and won't be as it is. */
  const hangs = ({ alters }: Outgoing) => alters !== undefined && alters.seq === null;

  /** What waited for the place of a message has it. */
  function resolve(id: string, seq: number): void {
    for (const item of items.value)
      if (item.alters?.of === id && item.alters.seq === null)
        replace({ ...item, alters: { ...item.alters, seq } });
    onStored?.(id, seq);
  }

  function remember(id: string, seq: number): void {
    stored.set(id, seq);
    const [oldest] = stored.keys();
    if (oldest !== undefined && stored.size > remembered) stored.delete(oldest);
  }

  function push(item: Omit<Outgoing, 'id' | 'n' | 'created_at' | 'error'>, also: readonly Change[]): void {
    last = Math.max(last + 1, now());
    const created_at = new Date(now()).toISOString();
    const whole: Outgoing = { ...item, id: randomId(), n: last, created_at, error: null };
    // It waits for no other tab: what stands before it goes from here, too.
    for (const { id, to_user_id } of items.value) if (to_user_id === item.to_user_id) elsewhere.delete(id);
    items.value = [...items.value, whole];
    void local.write({ store: 'outbox', put: whole }, ...also);
    pump();
  }

  /** Sends whatever may go now. */
  function pump(): void {
    if (!open || pause !== undefined) return;
    const busy = new Set<number>();
    for (const item of items.value) {
      const stands = state.value.get(item.id);
      if (stands === 'sent' || item.error !== null) continue;
      if (hangs(item)) continue;
      if (busy.has(item.to_user_id)) continue;
      busy.add(item.to_user_id);
      if (item.alters && !caughtUp) continue;
      if (elsewhere.has(item.id)) taking ??= setTimeout(takeOver, takeAfter);
      else if (stands !== 'sending' && send(item)) mark(item.id, 'sending');
    }
    clearTimeout(watch);
    if (busy.size > 0) watch = setTimeout(late, overdueAfter, false);
  }

  /** What other tabs have written goes from here, too. */
  function takeOver(): void {
    clearTimeout(taking);
    taking = undefined;
    elsewhere.clear();
    pump();
  }

  function late(again: boolean): void {
    if (!open) return;
    watch = setTimeout(late, overdueAfter, true);
    overdue(again);
  }

  function retryLater(told?: number): void {
    const wait = retryAfter * (0.5 + random());
    if (told === undefined) {
      troubled.value = true;
      pause ??= setTimeout(retryNow, wait);
      return;
    }
    // As told, and some more: then more than one may go at once.
    clearTimeout(pause);
    pause = setTimeout(retryNow, told + wait);
    slowed.value = Date.now() + told + wait;
  }

  /** Whether something waits that the server hasn't got. */
  const waits = () =>
    items.value.some((item) => item.error === null && !hangs(item) && state.value.get(item.id) !== 'sent');

  function retryNow(): void {
    clearTimeout(pause);
    pause = undefined;
    pump();
  }

  return {
    items,
    /** Those that are messages. */
    said,
    state,
    troubled,
    slowed,

    takeOver,

    /** Reads what earlier pages left, and what other tabs have written, sent, refused or thrown away meanwhile. */
    async load(): Promise<void> {
      const found = await local.all('outbox');
      if (!found || found.length + items.value.length === 0) return;
      const before = new Map(items.value.map((item) => [item.id, item]));
      const next = items.value.filter(({ id }) => ours(id));
      for (const item of found) {
        if (ours(item.id) || stored.has(item.id)) continue;
        if (before.get(item.id)?.error !== item.error) elsewhere.add(item.id);
        next.push(item);
      }
      items.value = next.sort((a, b) => a.n - b.n);
      last = Math.max(last, items.value.at(-1)?.n ?? 0);
      for (const { alters } of items.value) {
        const seq = alters?.seq === null && alters.of ? stored.get(alters.of) : undefined;
        if (alters?.of && seq) resolve(alters.of, seq);
      }
      pump();
    },

    /**
     * @param beside whom it mentions
     * @param also what is written together with it, or not at all
     */
    add(to: number, content: string, beside: Beside = {}, ...also: Change[]): void {
      push({ to_user_id: to, content, ...beside }, also);
    },

    /**
     * Changes a message of theirs or one's own.
     * @param content of an edit
     * @param also what is written together with it, or not at all
     */
    alter(to: number, alters: Alteration, content = '', beside: Beside = {}, ...also: Change[]): void {
      push({ to_user_id: to, content, ...beside, alters }, also);
    },

    /** By hand: what waits because the server couldn't store goes now. */
    retryNow,

    /** @param base of an edit: the change of the state that it is to be made on now */
    retry(id: string, base?: number): void {
      const item = items.value.find((other) => other.id === id);
      if (!item) return;
      elsewhere.delete(id);
      const alters =
        item.alters?.what === 'edit' && base !== undefined ? { ...item.alters, base } : item.alters;
      replace({ ...item, ...(alters && { alters }), error: null });
      pump();
    },

    /** With what was to be done to it. */
    discard(id: string): void {
      const gone = items.value.filter((item) => item.id === id || (hangs(item) && item.alters?.of === id));
      items.value = items.value.filter((item) => !gone.includes(item));
      for (const item of gone) {
        mark(item.id, null);
        remove(item.id);
      }
      troubled.value = false;
      if (!waits()) slowed.value = null;
      pump();
    },

    /** The line is up. */
    opened(): void {
      open = true;
      pump();
    },

    /** Everything up to now is here. */
    synced(): void {
      caughtUp = true;
      pump();
    },

    /** What is held of a conversation, or of all, is of another history: what was to be changed there is not there. */
    forget(to?: number): void {
      for (const { id, alters, to_user_id } of items.value)
        if (alters && alters.seq !== null && (to === undefined || to === to_user_id)) this.discard(id);
    },

    /** Nothing that was under way is known to have arrived: it goes again, with its id. */
    closed(): void {
      open = false;
      caughtUp = false;
      slowed.value = null;
      clearTimeout(watch);
      clearTimeout(pause);
      pause = undefined;
      clearTimeout(taking);
      taking = undefined;
      const next = new Map(state.value);
      for (const [id, value] of next) if (value === 'sending') next.delete(id);
      state.value = next;
    },

    /** Returns the message that was stored, if it was ours. It leaves once it has its place in the log: `placed`. */
    sent(id: string, seq: number): Outgoing | undefined {
      const item = items.value.find((other) => other.id === id);
      if (!item) return undefined;
      troubled.value = false;
      mark(id, 'sent');
      remove(id);
      resolve(id, seq);
      if (!waits()) slowed.value = null;
      pump();
      return item;
    },

    placed(id: string, seq: number): void {
      remember(id, seq);
      resolve(id, seq);
      if (!items.value.some((item) => item.id === id)) return;
      items.value = items.value.filter((item) => item.id !== id);
      mark(id, null);
      remove(id);
      pump();
    },

    /** It was done, and made this change. What was written on top of it goes on from there. */
    settled(id: string, change: number): boolean {
      const done = items.value.find((item) => item.id === id);
      if (!done?.alters) return false;
      troubled.value = false;
      remember(id, done.alters.seq ?? 0);
      items.value = items.value.filter((item) => item !== done);
      mark(id, null);
      remove(id);
      for (const item of items.value)
        if (
          item.alters?.what === 'edit' &&
          item.alters.seq === done.alters.seq &&
          done.alters.what === 'edit'
        )
          replace({ ...item, alters: { ...item.alters, base: Math.max(item.alters.base, change) } });
      if (done.alters.what === 'edit' && done.alters.seq !== null)
        onEdited?.(done.to_user_id, done.alters.seq, change);
      if (!waits()) slowed.value = null;
      pump();
      return true;
    },

    refused(id: string, { code, retryable, retry_after_ms }: Refusal): boolean {
      const item = items.value.find((other) => other.id === id);
      if (!item) return false;
      if (retryable) {
        mark(id, null);
        retryLater(code === 'too_many_requests' ? retry_after_ms : undefined);
      } else {
        mark(id, null);
        troubled.value = false;
        replace({ ...item, error: code });
        pump();
      }
      return true;
    },
  };
}
