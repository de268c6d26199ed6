import { signal } from '@preact/signals';
import type { ExtendedFrame, ExtendedServer } from '../../schemas/frames.js';
import { GROUPS, LIMITS } from '../../schemas/limits.js';
import type { Message } from '../../schemas/message.js';
import type { SettingsChange } from '../../schemas/settings.js';
import { createAcks } from './acks.js';
import { alterationOf, type Doing, messageOf } from './alter.js';
import { announce } from './announce.js';
import { ApiError, createApi } from './api.js';
import { createArrivals } from './arrivals.js';
import { backoff } from './backoff.js';
import { learnTime, now } from './clock.js';
import { createContacts } from './contacts.js';
import { createDirectory } from './directory.js';
import { createDrafts } from './drafts.js';
import { errorText, t } from './i18n/index.js';
import { randomId } from './id.js';
import { openLocal } from './local.js';
import { allNames, besides, type Named } from './mentions.js';
import { notice } from './notice.js';
import { createOutbox } from './outbox.js';
import { createParked } from './parked.js';
import { groupIn } from './peer.js';
import { createPeople } from './people.js';
import type { Outgoing } from './records.js';
import { createRenewal } from './renewal.js';
import { expired, session } from './session.js';
import { createSocket } from './socket.js';
import { type Thread, unknownIn } from './thread.js';
import { tokenOf } from './token.js';
import { createUsers } from './users.js';
import { nameOf } from './views/name.js';
import { within } from './within.js';
import { heardOf } from './worker.js';

export type Client = ReturnType<typeof createClient>;

const typingEvery = 3_000;
const listWithin = 3_000;
const syncWithin = 15_000;
/** A position takes less than so many bytes of a frame. */
const positionBytes = 160;

/** Everything of one signed-in user: what is shown, and the line that keeps it true. */
export function createClient(me: { user_id: number; username: string }) {
  const local = openLocal(me.user_id, (left) => void reread(left));
  const api = createApi(token, expire);
  const contacts = createContacts(api);
  const users = createUsers(api, me);
  const directory = createDirectory(me.user_id, local, api, users, () => epoch);
  const socket = createSocket({ token, onFrame, onClosed, tokenRefused });
  const people = createPeople(socket.send);
  const acks = createAcks((conversation_id, seq) => socket.send({ type: 'ack', conversation_id, seq }));
  const drafts = createDrafts(local);
  const limits = signal<{ content: number; frame: number; mentionAll: number; editMs: number }>({
    content: LIMITS.contentBytes,
    frame: LIMITS.frameBytes,
    mentionAll: GROUPS.mentionAll,
    /** Milliseconds for which one may edit what one wrote. */
    editMs: Number.POSITIVE_INFINITY,
  });
  const outbox = createOutbox({
    local,
    now,
    onStored: (id, seq) => drafts.moveEdits(({ of }) => of === id, { seq, of: undefined }),
    onEdited: (to, seq, base) => {
      drafts.moveEdits((edit, user) => user === to && edit.seq === seq, { base });
      announce(t('editedNow'));
    },
    overdue: (again) => (again ? socket.giveUp() : socket.check()),
    send: (item) => {
      const frame = item.alters
        ? alterationOf(item, item.alters, directory.byPeer(item.to_user_id)?.conversationId ?? null)
        : messageOf(item);
      return frame !== null && socket.send(frame);
    },
  });

  /** Until when the user wants to be told of nothing at all. */
  const mutedUntil = signal<number | null>(null);
  const arrivals = createArrivals({
    me: me.user_id,
    directory,
    outbox,
    ack: (conversation, seq) => {
      if (spoken) acks.add(conversation, seq);
    },
    listing: () => cursor !== null,
    onHole: () => {
      if (synced && !asked) sync();
    },
    onChange: watch,
    onUnsure: (conversation) => parked.look(conversation),
    onIncoming: came,
    onAltered: (thread, before, message) => altering(thread, before, message),
  });
  const parked = createParked({
    api,
    directory,
    // Before the first sync: where the whole list was read, what goes on past it came since.
    isLive: () => (synced ? !asked : cursor === null),
    onChange: watch,
    onIncoming: came,
  });
  const renewal = createRenewal(
    async () => token(await token()),
    (fresh) => {
      socket.send({ type: 'token', token: fresh });
    },
  );

  let epoch = '';
  /** Everything up to now is here, on this socket or one before. */
  let synced = false;
  let stopped = false;
  /** The `sync` that is under way; its answer has a deadline, put off by each frame. */
  let asked: string | null = null;
  let deadline: ReturnType<typeof setTimeout> | undefined;
  /** Whether the server gives large groups only where they are on the screen. */
  let parks = false;
  let refusals = 0;
  /** What was held of some conversation was dropped since the last `synced`: the list is to say how it stands. */
  let dropped = false;
  /** On this socket a `sync` was sent: before, nothing can be confirmed. */
  let spoken = false;
  /** Where the server's list goes on; undefined before it was asked, null once it is whole here. */
  let cursor: number | null | undefined;
  let beginning: Promise<void> | undefined;
  /** Grows with each socket, so that work begun for one stops at its end. */
  let line = 0;
  let lastTyping = 0;
  /** What this socket was told to be on the screen. */
  let shown: string | null = null;
  let onIncoming: (thread: Thread, message: Message) => void = () => {};
  let altering: (thread: Thread, before: Message, now: Message) => void = () => {};

  function came(thread: Thread, message: Message): void {
    if (socket.link.peek().state === 'online') onIncoming(thread, message);
  }

  /** Ours alone: after signing out, or in as somebody else, what is still under way here gets nothing. */
  async function token(refused?: string): Promise<string> {
    if (session.peek()?.user_id !== me.user_id) throw new ApiError('unauthorized', 'signed out');
    return tokenOf(me.user_id, refused);
  }

  async function start(): Promise<void> {
    const meta = await local.all('meta');
    epoch = meta?.find(({ key }) => key === 'epoch')?.value ?? '';
    await Promise.all([directory.restore(), reread(true)]);
    if (!expired.peek() && !stopped) connect();
  }

  /**
   * What is to be sent, and drafts, as the device has them: other pages have written some, or sent them meanwhile.
   * @param all nobody else is known to send what is there
   */
  async function reread(all: boolean): Promise<void> {
    await Promise.all([outbox.load(), drafts.load()]);
    if (all) outbox.takeOver();
    listWritten();
  }

  /** Whoever is written to stands in the list; somebody to whom nothing was ever said leaves it with the last of that. */
  function listWritten(): void {
    const written = new Set(drafts.people());
    for (const { to_user_id, created_at } of outbox.said.peek()) {
      written.add(to_user_id);
      const { activity } = directory.ensure({ user_id: to_user_id, username: '' });
      activity.value = Math.max(activity.peek(), Date.parse(created_at));
    }
    for (const id of drafts.people()) touch(directory.ensure({ user_id: id, username: '' }));
    for (const { peer, conversationId, activity } of directory.all.peek()) {
      if (conversationId !== null || written.has(peer) || activity.peek() === 0) continue;
      activity.value = 0;
      void local.write({ store: 'threads', remove: peer });
    }
  }

  function connect(): void {
    socket.connect();
    void begin();
  }

  /** The newest of the list, if it isn't known yet. */
  async function begin(): Promise<void> {
    if (cursor !== undefined) return;
    beginning ??= untilDone(async () => {
      cursor = await directory.begin();
    }).finally(() => {
      beginning = undefined;
    });
    await beginning;
  }

  /** Tries again and again, but not without a token. */
  async function untilDone(work: () => Promise<void>): Promise<void> {
    for (let attempt = 0; !stopped; attempt++) {
      try {
        await work();
        return;
      } catch (error) {
        if (error instanceof ApiError && error.code === 'unauthorized') return;
        const told = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
        await new Promise((resolve) => setTimeout(resolve, told + backoff(attempt)));
      }
    }
  }

  function onFrame(frame: ExtendedFrame): void {
    if (asked) expectAnswer();
    switch (frame.type) {
      case 'welcome':
        void onWelcome(frame);
        break;
      case 'synced':
        if (frame.id === asked) onSynced();
        break;
      case 'reset':
        void onReset(frame);
        break;
      case 'chat':
        arrivals.onChat(frame);
        break;
      case 'event':
        arrivals.onEvent(frame);
        break;
      case 'joined':
        arrivals.onJoined(frame);
        break;
      case 'changed':
        arrivals.onChanged(frame);
        break;
      case 'changes':
        arrivals.onChanges(frame);
        break;
      case 'sent':
        arrivals.onSent(frame);
        break;
      case 'receipt':
        arrivals.onReceipt(frame);
        break;
      case 'read':
        arrivals.onRead(frame);
        break;
      case 'conversation':
        arrivals.onConversation(frame);
        break;
      case 'head':
        parked.heard(frame);
        break;
      case 'me':
        mutedUntil.value = frame.muted_until;
        break;
      case 'typing':
        arrivals.onTyping(frame);
        break;
      case 'contacts':
        contacts.heard(frame.version);
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
      default: {
        // A newer server's.
        const unknown = unknownIn(frame);
        if (unknown) arrivals.onUnknown(unknown);
      }
    }
  }

  async function onWelcome(frame: ExtendedServer['welcome']): Promise<void> {
    const mine = ++line;
    const { content_bytes, frame_bytes, mention_all_members, edit_minutes } = frame.limits;
    // A server of an earlier version doesn't say all of it.
    limits.value = {
      content: content_bytes,
      frame: frame_bytes,
      mentionAll: mention_all_members ?? GROUPS.mentionAll,
      editMs: edit_minutes === undefined ? Number.POSITIVE_INFINITY : edit_minutes * 60_000,
    };
    learnTime(frame.server_time);
    heardOf(frame.version);
    renewal.schedule(frame.token_expires_at, frame.server_time);
    parks = 'parked_members' in frame.limits;
    sayOpen();
    // What is written waits for nothing but the line.
    outbox.opened();
    if (epoch && epoch !== frame.epoch) await startAfresh();
    epoch = frame.epoch;
    void local.write({ store: 'meta', put: { key: 'epoch', value: epoch } });
    await catchUp(mine);
  }

  async function startAfresh(): Promise<void> {
    synced = false;
    cursor = undefined;
    outbox.forget();
    drafts.freeEdits(({ seq }) => seq !== null);
    await directory.forget();
  }

  /** With the newest of the list, if that comes soon, less has to come by sync. */
  async function catchUp(mine: number): Promise<void> {
    if (cursor === undefined) await within(listWithin, begin()).catch(() => {});
    if (mine === line) sync();
  }

  function sync(): void {
    asked = randomId();
    for (const thread of directory.all.value) thread.doubt();
    const positions = directory.all.value.flatMap(({ conversationId, position, at, change, changedAt }) =>
      conversationId === null
        ? []
        : [
            {
              conversation_id: conversationId,
              seq: position,
              ...(at !== undefined && { at }),
              ...(changedAt !== undefined && { change, changed_at: changedAt }),
            },
          ],
    );
    const fit = Math.floor(limits.peek().frame / positionBytes);
    do {
      const page = positions.splice(0, Math.min(LIMITS.syncPositions, fit));
      socket.send({
        type: 'sync',
        id: asked,
        epoch,
        positions: page,
        more: positions.length > 0,
        // What the list hasn't told of yet goes on from where it is.
        ...(cursor !== null && { rest: 'end' as const }),
      });
    } while (positions.length > 0);
    spoken = true;
    expectAnswer();
  }

  function expectAnswer(): void {
    clearTimeout(deadline);
    deadline = setTimeout(socket.giveUp, syncWithin);
  }

  function answered(): void {
    asked = null;
    clearTimeout(deadline);
  }

  function onSynced(): void {
    const first = !synced;
    synced = true;
    answered();
    for (const thread of directory.all.value) thread.dropUnproven();
    outbox.synced();
    refusals = 0;
    socket.synced();
    watch();
    tellAllRead();
    void untilDone(contacts.read);
    void untilDone(async () => {
      mutedUntil.value = (await api.me()).muted_until;
    });
    directory.nameAll();
    users.askAgain();
    if (cursor !== null) void wholeList(line);
    if (dropped || (cursor === null && !first)) void refresh();
    dropped = false;
  }

  async function refresh(): Promise<void> {
    const mine = line;
    await untilDone(async () => {
      if (mine === line) await directory.refresh();
    });
    tellAllRead();
  }

  /** Reads on while one already talks. */
  async function wholeList(mine: number): Promise<void> {
    await begin();
    await untilDone(async () => {
      if (mine === line && cursor !== undefined) await directory.rest(cursor, () => mine === line);
    });
    if (mine !== line) return;
    cursor = null;
    watch();
    tellAllRead();
  }

  async function onReset(frame: ExtendedServer['reset']): Promise<void> {
    const { conversation_id, seq = 0, at, change, changed_at, keep } = frame;
    if (conversation_id !== undefined) {
      if (keep) {
        arrivals.onGone(conversation_id, seq);
        return;
      }
      const thread = directory.byConversation(conversation_id);
      if (thread) {
        outbox.forget(thread.peer);
        drafts.freeEdits(({ seq: at }, user) => at !== null && user === thread.peer);
        directory.reset(thread, seq, at, change, changed_at);
      }
      dropped = true;
      return;
    }
    const mine = line;
    answered();
    await startAfresh();
    await catchUp(mine);
  }

  function onError(frame: ExtendedServer['error']): void {
    if (frame.id && frame.id === asked) onSyncRefused(frame.retryable);
    else if (frame.id && outbox.refused(frame.id, frame)) {
      if (frame.message) arrivals.onShown(frame.message);
      if (!frame.retryable) onRefused(frame.id, frame.code);
    } else if (frame.code === 'invalid_position' && synced && !asked) sync();
  }

  /** A reaction isn't worth asking about; an edit may have arrived before, and a message be gone. */
  function onRefused(id: string, code: string): void {
    const item = outbox.items.peek().find((other) => other.id === id);
    if (item?.alters?.what !== 'react') return;
    outbox.discard(id);
    notice(errorText(code));
  }

  function onSyncRefused(retryable: boolean): void {
    answered();
    if (!retryable) {
      socket.giveUp();
      return;
    }
    const mine = line;
    setTimeout(() => mine === line && !asked && sync(), backoff(refusals++));
  }

  function onClosed(): void {
    line++;
    answered();
    spoken = false;
    // A list that isn't whole is begun anew: what was not named moves while one is away.
    if (cursor !== null) cursor = undefined;
    outbox.closed();
    shown = null;
    acks.clear();
    parked.clear();
    people.forget();
    for (const thread of directory.all.value) {
      thread.typing.value = 0;
      thread.receipts.value = null;
    }
  }

  function expire(): void {
    if (stopped || session.peek()?.user_id !== me.user_id) return;
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

  /** [G25] What is on the screen, if that has changed: large groups that aren't there are not given. */
  function sayOpen(): void {
    const id = current.peek()?.conversationId ?? null;
    const next = String(id);
    if (!parks || next === shown) return;
    if (socket.send({ type: 'open', conversation_ids: id === null ? [] : [id] })) shown = next;
  }

  /** Whose dots are shown: those of the newest conversations. */
  function watch(): void {
    sayOpen();
    const ids = directory.listed.peek().map(({ peer }) => peer);
    const open = current.peek()?.peer;
    if (open !== undefined && !ids.includes(open)) ids.unshift(open);
    people.watch(ids.filter((id) => id > 0 && id !== me.user_id).slice(0, LIMITS.watchedUsers));
  }

  function tellRead(thread: Thread): void {
    const { conversationId, tellRead: seq, toldRead } = thread;
    if (conversationId === null || !synced || (seq <= toldRead && !thread.unmarked)) return;
    const upTo = Math.max(seq, toldRead);
    if (!socket.send({ type: 'read', conversation_id: conversationId, seq: upTo })) return;
    thread.toldRead = upTo;
    thread.unmarked = false;
  }

  /** Whom a message mentions, by the names that stand in it. */
  function namedBy({ mentions = [], mention_all, ...message }: Message | Outgoing): Named[] {
    const group = 'conversation_id' in message ? message.conversation_id : groupIn(message.to_user_id);
    if (group === null) return [];
    const names = mentions.map((id) => ({ id, name: nameOf(users.of(id, group)) }));
    return mention_all ? [...names, ...allNames] : names;
  }

  function tellAllRead(): void {
    for (const thread of directory.all.peek()) tellRead(thread);
  }

  function touch(thread: Thread): void {
    if (thread.activity.peek() === 0) thread.activity.value = now();
  }

  /** Writes down what waits to be written: the page may be gone in a moment. */
  function flush(): void {
    directory.flush();
    drafts.flush();
  }

  const current = signal<Thread | null>(null);

  return {
    me,
    api,
    contacts,
    directory,
    outbox,
    drafts,
    /** What this device keeps of the user. */
    keeper: local,
    people,
    users,
    limits,
    mutedUntil,
    link: socket.link,
    failing: local.failing,
    unkept: local.unkept,
    /** The thread on the screen. */
    current,
    start,
    watch,

    /** After a long absence: whatever the socket believes, compare with the server. */
    compare(): void {
      if (socket.link.peek().state === 'online' && !asked) sync();
    },

    set onIncoming(handler: (thread: Thread, message: Message) => void) {
      onIncoming = handler;
    },

    /** By hand: "try now", "use here", or after signing in again. */
    async reconnect(): Promise<void> {
      drafts.flush();
      if (!local.failing.peek()) await reread(true);
      connect();
    },

    set onAltered(handler: (thread: Thread, before: Message, now: Message) => void) {
      altering = handler;
    },

    /** Does something with a message, by and by; while it isn't stored itself that waits. */
    alter(thread: Thread, message: Message | Outgoing, what: Doing): void {
      const target = 'seq' in message ? { seq: message.seq } : { seq: null, of: message.id };
      outbox.alter(thread.peer, { ...target, ...what });
    },

    /** @param content as it is shown */
    edit(thread: Thread, message: Message | Outgoing, content: string): void {
      // It may not be here when that is gone on with.
      for (const named of namedBy(message)) drafts.name(thread.peer, named);
      const { seq, change = 0 } = 'seq' in message ? message : { seq: null };
      drafts.edit(thread.peer, { seq, ...(seq === null && { of: message.id }), base: change }, content);
    },

    /** What is edited is done, by and by. */
    saveEdit(thread: Thread, content: string): void {
      const { peer } = thread;
      const editing = drafts.edits(peer).peek();
      if (!editing) return;
      const { seq, of, base } = editing;
      // Thrown away before it was stored.
      if (seq === null && !outbox.items.peek().some(({ id }) => id === of)) {
        drafts.freeEdits((_, user) => user === peer);
        return;
      }
      const beside = groupIn(peer) === null ? {} : besides(content, drafts.named(peer), GROUPS.mentions);
      outbox.alter(peer, { seq, of, what: 'edit', base }, content, beside, drafts.takeEdited(peer));
    },

    /** A state of a message that was answered over HTTP. */
    learn: arrivals.onShown,

    /** A conversation that isn't known here yet; undefined where it isn't there for the user, or there is no line. */
    meet: (conversation: number): Promise<Thread | undefined> =>
      api.conversation(conversation).then(directory.hear, () => undefined),

    /** What was refused goes again, an edit onto what is there now. */
    retry(item: Outgoing): void {
      const { alters, to_user_id } = item;
      const now = alters?.seq ? directory.byPeer(to_user_id)?.messages.get(alters.seq) : undefined;
      outbox.retry(item.id, now?.change);
    },

    say(thread: Thread, content: string): void {
      const named = groupIn(thread.peer) === null ? [] : drafts.named(thread.peer);
      const reply_to = drafts.answers(thread.peer).peek();
      const beside = { ...besides(content, named, GROUPS.mentions), ...(reply_to && { reply_to }) };
      outbox.add(thread.peer, content, beside, drafts.take(thread.peer));
      thread.activity.value = now();
      thread.place = null;
      thread.said.value++;
      directory.save(thread);
    },

    discard(id: string): void {
      outbox.discard(id);
      drafts.freeEdits(({ of }) => of === id);
      listWritten();
    },

    /** What the user sets of a conversation. @throws ApiError */
    async set(thread: Thread, change: SettingsChange): Promise<void> {
      if (thread.conversationId !== null) directory.hear(await api.set(thread.conversationId, change));
    },

    /** By hand, from a message on. @throws ApiError */
    async markUnread(thread: Thread, seq: number): Promise<void> {
      thread.place = null;
      thread.resting = true;
      await this.set(thread, { unread_from: seq }).catch((error: unknown) => {
        thread.resting = false;
        throw error;
      });
    },

    /** Do not disturb. @throws ApiError */
    async mute(muted_until: number | null): Promise<void> {
      mutedUntil.value = (await api.setMe({ muted_until })).muted_until;
    },

    read(thread: Thread, seq: number): void {
      if (thread.resting) return;
      if (!thread.unmark() && seq <= thread.readSeq) return;
      thread.read(seq);
      tellRead(thread);
      directory.save(thread);
    },

    type(thread: Thread): void {
      if (thread.conversationId === null || Date.now() - lastTyping < typingEvery) return;
      lastTyping = Date.now();
      socket.send({ type: 'typing', conversation_id: thread.conversationId });
    },

    flush,

    /** The page goes: what it hasn't sent is for the other tabs to send. */
    leave(): void {
      flush();
      local.leave();
    },

    stop(): void {
      stopped = true;
      parked.clear();
      renewal.stop();
      socket.stop();
      local.close();
    },
  };
}
