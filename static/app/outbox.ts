import { signal } from '@preact/signals';
import { randomId } from './id.js';
import type { Change, Keeper, Outgoing } from './records.js';

/** How a message that isn't in the log yet stands. `sent` waits for its turn in `seq`. */
export type OutgoingState = 'sending' | 'sent';

export interface OutboxOptions {
  local: Keeper;
  /** Hands a message to the socket; false if there is none. */
  send: (message: Outgoing) => boolean;
  /** Called where an answer is overdue: is anybody there? And again, where somebody is and still doesn't answer. */
  overdue: (again: boolean) => void;
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
type Beside = Pick<Outgoing, 'mentions' | 'mention_all'>;

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
 * round.
 */
export function createOutbox({ local, send, overdue, now = Date.now, random = Math.random }: OutboxOptions) {
  const items = signal<readonly Outgoing[]>([]);
  /** The server answers, but can't store at the moment. */
  const troubled = signal(false);
  /** It takes no more so soon: until when what is to be sent waits. */
  const slowed = signal<number | null>(null);
  const state = signal<ReadonlyMap<string, OutgoingState>>(new Map());
  /** Written in another tab, which sends them: from here they go only if it doesn't. */
  const elsewhere = new Set<string>();
  const stored = new Set<string>();
  let open = false;
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

  /** Sends whatever may go now. */
  function pump(): void {
    if (!open || pause !== undefined) return;
    const busy = new Set<number>();
    for (const item of items.value) {
      const stands = state.value.get(item.id);
      if (stands === 'sent' || item.error !== null) continue;
      if (busy.has(item.to_user_id)) continue;
      busy.add(item.to_user_id);
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
  const waits = () => items.value.some(({ id, error }) => error === null && state.value.get(id) !== 'sent');

  function retryNow(): void {
    clearTimeout(pause);
    pause = undefined;
    pump();
  }

  return {
    items,
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
      pump();
    },

    /**
     * @param beside whom it mentions
     * @param also what is written together with it, or not at all
     */
    add(to: number, content: string, beside: Beside = {}, ...also: Change[]): void {
      last = Math.max(last + 1, now());
      const item: Outgoing = {
        id: randomId(),
        n: last,
        to_user_id: to,
        content,
        ...beside,
        created_at: new Date(now()).toISOString(),
        error: null,
      };
      // It waits for no other tab: what stands before it goes from here, too.
      for (const { id, to_user_id } of items.value) if (to_user_id === to) elsewhere.delete(id);
      items.value = [...items.value, item];
      void local.write({ store: 'outbox', put: item }, ...also);
      pump();
    },

    /** By hand: what waits because the server couldn't store goes now. */
    retryNow,

    retry(id: string): void {
      const item = items.value.find((other) => other.id === id);
      if (!item) return;
      elsewhere.delete(id);
      replace({ ...item, error: null });
      pump();
    },

    discard(id: string): void {
      items.value = items.value.filter((item) => item.id !== id);
      mark(id, null);
      remove(id);
      troubled.value = false;
      if (!waits()) slowed.value = null;
      pump();
    },

    /** The line is up and synced. */
    opened(): void {
      open = true;
      pump();
    },

    /** Nothing that was under way is known to have arrived: it goes again, with its id. */
    closed(): void {
      open = false;
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
    sent(id: string): Outgoing | undefined {
      const item = items.value.find((other) => other.id === id);
      if (!item) return undefined;
      troubled.value = false;
      mark(id, 'sent');
      remove(id);
      if (!waits()) slowed.value = null;
      pump();
      return item;
    },

    placed(id: string): void {
      stored.add(id);
      const [oldest] = stored;
      if (oldest !== undefined && stored.size > remembered) stored.delete(oldest);
      if (!items.value.some((item) => item.id === id)) return;
      items.value = items.value.filter((item) => item.id !== id);
      mark(id, null);
      remove(id);
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
