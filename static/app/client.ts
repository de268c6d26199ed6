import { signal } from '@preact/signals';
import type { ExtendedFrame, ExtendedServer } from '../../schemas/frames.js';
import { LIMITS } from '../../schemas/limits.js';
import { createAcks } from './acks.js';
import { ApiError, createApi } from './api.js';
import { createArrivals } from './arrivals.js';
import { backoff } from './backoff.js';
import { createDirectory } from './directory.js';
import { createDrafts } from './drafts.js';
import { openLocal } from './local.js';
import { createOutbox } from './outbox.js';
import { createPeople } from './people.js';
import { createRenewal } from './renewal.js';
import { expired, renew, session } from './session.js';
import { createSocket } from './socket.js';
import type { Thread } from './thread.js';

export type Client = ReturnType<typeof createClient>;
type Chat = ExtendedServer['chat'];

const typingEvery = 3_000;

/** Everything of one signed-in user: what is shown, and the line that keeps it true. */
export function createClient(me: { user_id: number; username: string }) {
  const local = openLocal(me.user_id);
  const api = createApi(token, expire);
  const directory = createDirectory(me.user_id, local, api);
  const socket = createSocket({ token, onFrame, onClosed, tokenRefused });
  const people = createPeople(socket.send);
  const acks = createAcks((conversation_id, seq) => socket.send({ type: 'ack', conversation_id, seq }));
  const drafts = createDrafts(local);
  const limits = signal({ content: LIMITS.contentBytes as number, frame: LIMITS.frameBytes as number });
  const outbox = createOutbox({
    local,
    overdue: () => socket.check(),
    send: ({ id, to_user_id, content }) => socket.send({ type: 'chat', id, to_user_id, content }),
  });

  const arrivals = createArrivals({
    me: me.user_id,
    directory,
    outbox,
    ack: acks.add,
    onHole: () => asking || sync(),
    onChange: watch,
    onIncoming: (thread, message) => {
      if (socket.link.peek().state === 'online') onIncoming(thread, message);
    },
  });
  const renewal = createRenewal(
    async () => (await api.freshToken()).token,
    (fresh) => {
      if (!token()) return;
      renew(fresh);
      socket.send({ type: 'token', token: fresh });
    },
  );

  /** Whether what is written on this device survives the page. */
  const lasting = signal(true);
  let epoch = '';
  let synced = false;
  let stopped = false;
  /** A `sync` is under way. */
  let asking = false;
  let listing: Promise<void> | undefined;
  /** Grows with each socket, so that work begun for one stops at its end. */
  let line = 0;
  let lastTyping = 0;
  let onIncoming: (thread: Thread, message: Chat) => void = () => {};

  /** Ours alone: after signing out, or in as somebody else, what is still under way here gets nothing. */
  function token(): string {
    const now = session.peek();
    return now?.user_id === me.user_id ? now.token : '';
  }

  async function start(): Promise<void> {
    lasting.value = await local.lasting;
    const meta = await local.all('meta');
    epoch = meta.find(({ key }) => key === 'epoch')?.value ?? '';
    await Promise.all([directory.restore(), outbox.load(), drafts.load()]);
    for (const { to_user_id } of outbox.items.value)
      touch(directory.ensure({ user_id: to_user_id, username: '' }));
    for (const id of drafts.people()) touch(directory.ensure({ user_id: id, username: '' }));
    if (!expired.peek() && !stopped) connect();
  }

  function connect(): void {
    socket.connect();
    listing ??= list();
  }

  async function list(): Promise<void> {
    for (let attempt = 0; !stopped; attempt++) {
      try {
        await directory.refresh(!synced);
        return;
      } catch (error) {
        if (error instanceof ApiError && error.code === 'unauthorized') return;
        await new Promise((resolve) => setTimeout(resolve, backoff(attempt)));
      }
    }
  }

  function onFrame(frame: ExtendedFrame): void {
    switch (frame.type) {
      case 'welcome':
        void onWelcome(frame);
        break;
      case 'synced':
        onSynced();
        break;
      case 'reset':
        void onReset(frame);
        break;
      case 'chat':
        arrivals.onChat(frame);
        break;
      case 'sent':
        arrivals.onSent(frame);
        break;
      case 'receipt':
        arrivals.onReceipt(frame);
        break;
      case 'typing':
        arrivals.onTyping(frame);
        break;
      case 'presence':
        people.learn(frame.users);
        break;
      case 'token':
        renewal.schedule(frame.token_expires_at);
        break;
      case 'error':
        onError(frame);
        break;
      case 'pong':
        break;
    }
  }

  async function onWelcome(frame: ExtendedServer['welcome']): Promise<void> {
    const mine = ++line;
    limits.value = { content: frame.limits.content_bytes, frame: frame.limits.frame_bytes };
    renewal.schedule(frame.token_expires_at, frame.server_time);
    if (epoch && epoch !== frame.epoch) await startAfresh();
    epoch = frame.epoch;
    void local.put('meta', { key: 'epoch', value: epoch });
    if (synced) void list().then(tellAllRead);
    else {
      listing ??= list();
      await listing;
    }
    if (mine === line) sync();
  }

  async function startAfresh(): Promise<void> {
    synced = false;
    await directory.forget();
    listing = list();
    await listing;
  }

  function sync(): void {
    asking = true;
    const positions = directory.all.value.flatMap(({ conversationId, position }) =>
      conversationId === null ? [] : [{ conversation_id: conversationId, seq: position }],
    );
    do {
      const page = positions.splice(0, LIMITS.syncPositions);
      socket.send({ type: 'sync', epoch, positions: page, more: positions.length > 0 });
    } while (positions.length > 0);
  }

  function onSynced(): void {
    synced = true;
    asking = false;
    socket.synced();
    outbox.opened();
    watch();
    tellAllRead();
  }

  async function onReset({ conversation_id, seq }: ExtendedServer['reset']): Promise<void> {
    const thread = conversation_id === undefined ? undefined : directory.byConversation(conversation_id);
    if (thread) directory.reset(thread, seq ?? 0);
    if (conversation_id !== undefined) return;
    const mine = line;
    await startAfresh();
    if (mine === line) sync();
  }

  function onError(frame: ExtendedServer['error']): void {
    if (frame.id && outbox.refused(frame.id, frame.code, frame.retryable)) return;
    if (frame.code === 'invalid_position') sync();
  }

  function onClosed(): void {
    line++;
    asking = false;
    outbox.closed();
    acks.clear();
    people.forget();
    for (const thread of directory.all.value) thread.typing.value = false;
  }

  function expire(): void {
    if (stopped || !token()) return;
    renewal.stop();
    socket.expire();
    expired.value = true;
  }

  async function tokenRefused(): Promise<boolean> {
    return api.me().then(
      () => false,
      (error) => error instanceof ApiError && error.code === 'unauthorized',
    );
  }

  /** Whose dots are shown: those of the newest conversations. */
  function watch(): void {
    const ids = directory.listed.peek().map(({ peer }) => peer);
    const open = current.peek()?.peer;
    if (open !== undefined && !ids.includes(open)) ids.unshift(open);
    people.watch(ids.filter((id) => id !== me.user_id).slice(0, LIMITS.watchedUsers));
  }

  function tellRead(thread: Thread): void {
    const { conversationId, tellRead: seq, toldRead } = thread;
    if (conversationId === null || seq <= toldRead || !synced) return;
    if (socket.send({ type: 'read', conversation_id: conversationId, seq })) thread.toldRead = seq;
  }

  function tellAllRead(): void {
    for (const thread of directory.all.peek()) tellRead(thread);
  }

  function touch(thread: Thread): void {
    if (thread.activity.peek() === 0) thread.activity.value = Date.now();
  }

  const current = signal<Thread | null>(null);

  return {
    me,
    api,
    directory,
    outbox,
    drafts,
    people,
    limits,
    link: socket.link,
    lasting,
    /** The thread on the screen. */
    current,
    start,
    watch,

    /** After a long absence: whatever the socket believes, compare with the server. */
    compare(): void {
      if (socket.link.peek().state === 'online' && !asking) sync();
    },

    set onIncoming(handler: (thread: Thread, message: Chat) => void) {
      onIncoming = handler;
    },

    /** By hand: "try now", "use here", or after signing in again. */
    async reconnect(): Promise<void> {
      drafts.flush();
      if (lasting.peek()) await Promise.all([outbox.reload(), drafts.load()]);
      connect();
    },

    say(thread: Thread, content: string): void {
      outbox.add(thread.peer, content);
      thread.activity.value = Date.now();
      thread.place = null;
      directory.save(thread);
    },

    read(thread: Thread, seq: number): void {
      if (seq <= thread.readSeq) return;
      thread.read(seq);
      tellRead(thread);
      directory.save(thread);
    },

    type(thread: Thread): void {
      if (thread.conversationId === null || Date.now() - lastTyping < typingEvery) return;
      lastTyping = Date.now();
      socket.send({ type: 'typing', conversation_id: thread.conversationId });
    },

    /** Writes down what waits to be written: the page may be gone in a moment. */
    flush(): void {
      directory.flush();
      drafts.flush();
    },

    async stop(): Promise<void> {
      stopped = true;
      renewal.stop();
      socket.stop();
      await local.close();
    },
  };
}
