import { batch, computed, signal } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { Conversation, Conversations } from '../../schemas/conversation.js';
import type { Message } from '../../schemas/message.js';
import type { User } from '../../schemas/user.js';
import { type Api, ApiError } from './api.js';
import { namedIn } from './events.js';
import { present } from './format.js';
import { tells } from './own.js';
import { groupIn, peerOf } from './peer.js';
import type { Keeper } from './records.js';
import { Thread } from './thread.js';
import type { Users } from './users.js';

const pageSize = 100;
const atOnce = 4;
/** Conversations that are written to the browser in one task: more are felt while one scrolls. */
const savedAtOnce = 100;

/**
 * All conversations of the user, what of them this device keeps, and the history that a view asks for.
 * @param epoch the one that all numbers here are of
 */
export function createDirectory(me: number, local: Keeper, api: Api, users: Users, epoch: () => string) {
  const byPeer = new Map<number, Thread>();
  const byConversation = new Map<number, Thread>();
  const all = signal<readonly Thread[]>([]);
  /** Pinned ones first, then the newest; a thread where nothing has happened yet is not shown. */
  const known = computed(() =>
    all.value
      .filter((thread) => thread.activity.value > 0)
      .sort(
        (a, b) =>
          Number(b.settings.value.pinned) - Number(a.settings.value.pinned) ||
          b.activity.value - a.activity.value,
      ),
  );
  const listed = computed(() => known.value.filter((thread) => !thread.settings.value.hidden));
  /** What is unread of what the user wants to be told of. */
  const counts = computed(() => {
    let [unread, mentions] = [0, 0];
    for (const thread of all.value) {
      if (thread.unread.value === 0) continue;
      const settings = thread.settings.value;
      if (tells(settings, true, present.value)) mentions += thread.mentions.value;
      if (tells(settings, false, present.value)) unread += thread.unread.value;
      else if (tells(settings, true, present.value)) unread += thread.mentions.value;
    }
    return { unread, mentions };
  });
  /** Whether the list is known at all: before that, an empty one says nothing. */
  const ready = signal(false);

  const naming = new Map<Thread, Promise<void>>();
  const dirty = new Set<Thread>();
  let saving: ReturnType<typeof setTimeout> | undefined;
  let loading = 0;
  const pages = new WeakMap<Thread, Set<number>>();

  function ensure(user: User): Thread {
    const found = byPeer.get(user.user_id);
    if (found) {
      if (user.username && !found.user.peek().username) found.user.value = user;
      return found;
    }
    const thread = new Thread(me, user);
    byPeer.set(user.user_id, thread);
    all.value = [...all.value, thread];
    if (!user.username) void named(thread);
    return thread;
  }

  /** Resolves once the name of the other is known, or can't be. */
  function named(thread: Thread): Promise<void> {
    if (thread.user.peek().username) return Promise.resolve();
    const asked = naming.get(thread) ?? name(thread);
    naming.set(thread, asked);
    return asked;
  }

  async function name(thread: Thread): Promise<void> {
    const group = groupIn(thread.peer);
    try {
      if (group === null) thread.user.value = await api.user(thread.peer);
      else hear(await api.conversation(group));
      thread.gone.value = false;
      save(thread);
    } catch (error) {
      thread.gone.value =
        error instanceof ApiError && ['user_not_found', 'conversation_not_found'].includes(error.code);
    } finally {
      naming.delete(thread);
    }
  }

  function link(thread: Thread, conversation: number): void {
    // In a database that was put back the same number may be another's.
    const other = byConversation.get(conversation);
    if (other && other !== thread) other.conversationId = null;
    thread.conversationId = conversation;
    byConversation.set(conversation, thread);
  }

  /** A group that isn't there for the user. */
  function drop(thread: Thread): void {
    thread.activity.value = 0;
    thread.group.value = null;
    dirty.delete(thread);
    void local.write({ store: 'threads', remove: thread.peer });
  }

  function save(thread: Thread): void {
    dirty.add(thread);
    saving ??= setTimeout(flush, 400, savedAtOnce);
  }

  /** Writes what is new of conversations, of so many at most; the others follow. */
  function flush(atMost = Number.POSITIVE_INFINITY): void {
    clearTimeout(saving);
    saving = undefined;
    const some = [...dirty].slice(0, atMost);
    const puts = some.map((thread) => {
      const held = thread.held();
      const people = held.group && users.knownOf(held.tail.flatMap(whoIn));
      return { ...held, people, epoch: epoch() };
    });
    if (puts.length > 0) void local.write(...puts.map((put) => ({ store: 'threads', put }) as const));
    for (const thread of some) dirty.delete(thread);
    if (dirty.size > 0) saving = setTimeout(flush, 50, savedAtOnce);
  }

  /** What the server says of one conversation; undefined of one that this version doesn't know how to show. */
  function hear(said: Conversation, jumps = (thread: Thread) => thread.position === 0): Thread | undefined {
    const user =
      said.user ?? (said.group && { user_id: peerOf(said.conversation_id), username: said.group.title });
    if (!user) return undefined;
    const thread = ensure(user);
    link(thread, said.conversation_id);
    if (said.user) users.learn([said.user]);
    const jumping = jumps(thread);
    if (jumping) pages.delete(thread);
    thread.describe(said, jumping);
    save(thread);
    return thread;
  }

  /** `jumps`: whether what is between is left out, and read as history when somebody looks. */
  function told(
    page: Static<typeof Conversations>,
    jumps: (thread: Thread, said: Conversation) => boolean,
  ): void {
    batch(() => {
      for (const said of page.conversations) hear(said, (thread) => jumps(thread, said));
      ready.value = true;
    });
  }

  /** Before a place that shows nothing: what is the next that does? Of what one may not see there may be any number. */
  async function lookBefore(thread: Thread, conversation: number, seq: number): Promise<void> {
    const asked = pages.get(thread);
    const { messages } = await api.before(conversation, seq, 1);
    if (pages.get(thread) !== asked) return;
    thread.load(messages);
    thread.empty((messages[0]?.seq ?? 0) + 1, seq - 1);
  }

  return {
    all,
    /** With those that are hidden: a search finds them. */
    known,
    listed,
    counts,
    ready,
    ensure,
    named,
    hear,
    link,
    save,
    flush,
    byPeer: (id: number) => byPeer.get(id),
    byConversation: (id: number) => byConversation.get(id),

    /** What this device kept, so that something stands there before the server answers. */
    async restore(): Promise<void> {
      for (const held of (await local.all('threads')) ?? []) {
        const thread = ensure(held.user);
        if (thread.position > 0 || held.epoch !== epoch()) continue;
        thread.restore(held);
        users.learn(held.people ?? []);
        if (held.conversation_id) link(thread, held.conversation_id);
      }
      if (all.value.length > 0) ready.value = true;
    },

    /** Asks again for the names that could not be told. */
    nameAll(): void {
      for (const thread of all.peek()) if (!thread.gone.peek()) void named(thread);
    },

    /**
     * The newest conversations, before anything is synced. What is missing comes by sync if it is little.
     * @returns where the list goes on; null at its end
     */
    async begin(): Promise<number | null> {
      const [page, pinned] = await Promise.all([api.conversations(null), api.pinned()]);
      told(pinned, ({ position }) => position === 0);
      told(page, ({ position }, { last_seq }) => position === 0 || last_seq - position > 200);
      return page.next_cursor;
    },

    /** The rest of the list, as long as `wanted`. What was not told of before stands where it ends. */
    async rest(from: number | null, wanted: () => boolean): Promise<void> {
      for (let cursor = from; cursor !== null; ) {
        const page: Static<typeof Conversations> = await api.conversations(cursor);
        if (!wanted()) return;
        told(page, ({ position }) => position === 0);
        cursor = page.next_cursor;
      }
    },

    /** After an absence: the newest, and on until everything that counts as unread was heard of. */
    async refresh(): Promise<void> {
      const heard = new Set<number>();
      let cursor: number | null = null;
      do {
        const page: Static<typeof Conversations> = await api.conversations(cursor);
        told(page, () => false);
        for (const { user, conversation_id } of page.conversations)
          heard.add(user?.user_id ?? peerOf(conversation_id));
        cursor = page.next_cursor;
      } while (
        cursor !== null &&
        (heard.size < 200 || all.peek().some((thread) => thread.unread.peek() > 0 && !heard.has(thread.peer)))
      );
    },

    /** Fills in what is not here between two places. Pages are fixed, so none is asked for twice. */
    need(thread: Thread, from: number, to: number): void {
      const id = thread.conversationId;
      if (id === null) return;
      const asked = pages.get(thread) ?? new Set();
      pages.set(thread, asked);
      // From the newest, since that is where one looks.
      for (let page = Math.floor((to - 1) / pageSize); page >= Math.floor((from - 1) / pageSize); page--) {
        if (loading >= atOnce) return;
        if (
          asked.has(page) ||
          !absent(thread, Math.max(from, page * pageSize + 1), Math.min(to, (page + 1) * pageSize))
        )
          continue;
        asked.add(page);
        loading++;
        const last = Math.min((page + 1) * pageSize, thread.position);
        api
          .after(id, page * pageSize, pageSize)
          .then(
            ({ messages }) => {
              // Dropped or jumped over meanwhile, the thread may have another end than what was answered.
              if (pages.get(thread) !== asked) {
                thread.version.value++;
                return;
              }
              const first = page * pageSize + 1;
              thread.load(messages, first, last);
              if (thread.silent(first) && absent(thread, first - 1, first - 1))
                lookBefore(thread, id, first).catch(() => {});
            },
            () => setTimeout(() => asked.delete(page) && thread.version.value++, 3000),
          )
          .finally(() => {
            loading--;
          });
      }
    },

    /** The client stands elsewhere in a group now: what is before it is read when somebody looks. */
    join(thread: Thread, seq: number, at: number | undefined, hidden: boolean): void {
      pages.delete(thread);
      thread.join(seq, at, hidden);
      save(thread);
      const group = groupIn(thread.peer);
      // Where its name isn't known, that was asked for just now.
      if (group !== null && thread.user.peek().username) api.conversation(group).then(hear, () => {});
    },

    /** What is held of this one is of another history than the server's, which goes on after `seq`, stored `at`; 0: it has none. */
    reset(thread: Thread, seq: number, at: number | undefined, change = 0, changedAt?: number): void {
      pages.delete(thread);
      thread.reset(seq, at, change, changedAt);
      if (seq === 0 && thread.conversationId !== null) {
        byConversation.delete(thread.conversationId);
        thread.conversationId = null;
        if (groupIn(thread.peer) !== null) {
          drop(thread);
          return;
        }
      }
      save(thread);
    },

    async forget(): Promise<void> {
      for (const thread of all.value) {
        pages.delete(thread);
        thread.conversationId = null;
        thread.reset(0, undefined);
        // A number of another epoch: it may be any group's.
        if (groupIn(thread.peer) !== null) drop(thread);
      }
      byConversation.clear();
      dirty.clear();
      await local.write(...all.value.map(({ peer }) => ({ store: 'threads', remove: peer }) as const));
    },
  };
}

/** Whose names it takes to show a message of a group. */
const whoIn = ({ from_user_id, event }: Message): number[] => [
  from_user_id,
  ...(event ? namedIn(event) : []),
];

function absent(thread: Thread, from: number, to: number): boolean {
  for (let seq = Math.max(from, thread.begins); seq <= Math.min(to, thread.position); seq++)
    if (!thread.messages.has(seq)) return true;
  return false;
}
