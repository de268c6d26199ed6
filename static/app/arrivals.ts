import type { ExtendedServer } from '../../schemas/frames.js';
import type { Message } from '../../schemas/message.js';
import type { User } from '../../schemas/user.js';
import type { Outbox } from './outbox.js';
import { groupIn, peerOf } from './peer.js';
import type { Thread, Unknown } from './thread.js';

interface Arrivals {
  me: number;
  directory: {
    ensure: (user: User) => Thread;
    byConversation: (id: number) => Thread | undefined;
    link: (thread: Thread, conversation: number) => void;
    save: (thread: Thread) => void;
    join: (thread: Thread, seq: number, at: number | undefined, hidden: boolean) => void;
  };
  outbox: Outbox;
  ack: (conversation: number, seq: number) => void;
  /** Whether the server's list isn't whole here yet: it goes on with what the list hasn't told of, wherever that ends. */
  listing: () => boolean;
  /** Something came past a hole: ask for what is before it. */
  onHole: () => void;
  /** Somebody was heard of for the first time, or moved up. */
  onChange: () => void;
  /** How much is unread can't be told from what is here. */
  onUnsure: (conversation: number) => void;
  onIncoming: (thread: Thread, message: Message) => void;
  /** Another state of a message is shown now. */
  onAltered: (thread: Thread, before: Message, now: Message) => void;
}

const typingShown = 6_000;

/** Puts what the server sends where it belongs: messages by `seq`, the own ones out of the outbox, receipts, typing. */
export function createArrivals({
  me,
  directory,
  outbox,
  ack,
  listing,
  onHole,
  onChange,
  onUnsure,
  onIncoming,
  onAltered,
}: Arrivals) {
  /** Conversations that began with what shows nothing, or not with their first message: nobody knows yet whose they are. */
  const begun = new Set<number>();

  /** Whose it is: a message in a group doesn't name who it is to. */
  function threadOf({ conversation_id, from_user_id, to_user_id }: Message): Thread {
    const other = (from_user_id === me && to_user_id) || from_user_id;
    const thread =
      (to_user_id === undefined && directory.byConversation(conversation_id)) ||
      directory.ensure({ user_id: to_user_id === undefined ? peerOf(conversation_id) : other, username: '' });
    directory.link(thread, conversation_id);
    return thread;
  }

  /** [G6] */
  function onEvent(frame: ExtendedServer['event']): void {
    const { conversation_id, msg_id, seq, from_user_id, event, created_at } = frame;
    onMessage({ type: 'event', conversation_id, msg_id, seq, from_user_id, event, created_at, content: '' });
  }

  function onMessage(message: Message): void {
    const thread = threadOf(message);
    const before = thread.position;
    const outcome = place(thread, message);
    // A hole is never shown.
    if (outcome === 'ahead') {
      onHole();
      return;
    }
    ack(message.conversation_id, thread.position);
    if (outcome !== 'new' || message.seq <= before) return;
    onChange();
    // Written on another device, or in another tab.
    if (message.from_user_id === me) return;
    if (thread.typing.peek() === message.from_user_id) thread.typing.value = 0;
    if (message.seq > thread.readSeq) onIncoming(thread, message);
  }

  /** [G11] What is before it comes when somebody looks. */
  function onJoined({ conversation_id, seq, at, hidden }: ExtendedServer['joined']): void {
    const thread = directory.ensure({ user_id: peerOf(conversation_id), username: '' });
    directory.link(thread, conversation_id);
    directory.join(thread, seq, at, hidden === true);
    onChange();
  }

  /** [X17] */
  function onUnknown(unknown: Unknown): void {
    const { conversation_id, seq } = unknown;
    const thread = directory.byConversation(conversation_id);
    if (!thread) begun.add(conversation_id);
    else if (place(thread, unknown) === 'ahead') {
      onHole();
      return;
    }
    ack(conversation_id, thread?.position ?? seq);
  }

  /** [X19] */
  function onGone(conversation: number, seq: number): void {
    const thread = directory.byConversation(conversation);
    if (!thread) {
      begun.add(conversation);
      return;
    }
    thread.skip(seq);
    directory.save(thread);
  }

  function place(thread: Thread, message: Message | Unknown): ReturnType<Thread['accept']> {
    const elsewhere = listing() || begun.has(message.conversation_id);
    if (thread.position === 0 && !thread.described && elsewhere) thread.startAt(message.seq - 1);
    const before = thread.position;
    const outcome = thread.accept(message);
    for (let seq = before + 1; seq <= thread.position; seq++) {
      const own = thread.messages.get(seq);
      if (own?.id && own.from_user_id === me) outbox.placed(own.id, seq);
    }
    if (outcome === 'known' && 'id' in message && message.id) outbox.placed(message.id, message.seq);
    directory.save(thread);
    return outcome;
  }

  function onSent(frame: ExtendedServer['sent']): void {
    const item = outbox.sent(frame.id, frame.seq);
    if (!item) return;
    const thread = directory.ensure({ user_id: item.to_user_id, username: '' });
    const first = thread.conversationId === null;
    directory.link(thread, frame.conversation_id);
    const { id, conversation_id, msg_id, seq, created_at } = frame;
    const { to_user_id } = item;
    const to = groupIn(to_user_id) === null ? { to_user_id } : {};
    const { content, mentions, mention_all, reply_to } = item;
    const beside = {
      ...(mentions && { mentions }),
      ...(mention_all && { mention_all }),
      ...(reply_to && { reply_to }),
    };
    const message = { id, conversation_id, msg_id, seq, created_at, content, ...beside, ...to };
    place(thread, { type: 'chat', from_user_id: me, ...message });
    ack(conversation_id, thread.position);
    if (first) onChange();
  }

  function onChanged({ type: _, id, at, from_change, ...state }: ExtendedServer['changed']): void {
    const { conversation_id, seq, change } = state;
    const thread = directory.byConversation(conversation_id);
    if (thread) {
      const before = thread.alter(state);
      if (before) onAltered(thread, before, state);
      const follows = seq > thread.position || thread.moveChange(change, at, from_change ?? change);
      if (!follows && id === undefined) onHole();
      directory.save(thread);
    }
    if (id !== undefined) outbox.settled(id, change);
  }

  /** A state that was shown beside a refusal. */
  function onShown(state: Message): void {
    const thread = directory.byConversation(state.conversation_id);
    const before = thread?.alter(state);
    if (thread && before) onAltered(thread, before, state);
  }

  function onChanges({ conversation_id, change, at }: ExtendedServer['changes']): void {
    const thread = directory.byConversation(conversation_id);
    if (!thread?.moveChange(change, at)) return;
    directory.save(thread);
  }

  function onReceipt(frame: ExtendedServer['receipt']): void {
    const thread = directory.byConversation(frame.conversation_id);
    if (!thread) return;
    // How far each of a group got is asked for when it is to be shown, and followed from then on.
    if (groupIn(thread.peer) !== null) thread.reach(frame.user_id, frame);
    if (groupIn(thread.peer) !== null || (frame.user_id === me && thread.peer !== me)) return;
    thread.receive(frame);
    directory.save(thread);
  }

  function onRead({ conversation_id, seq }: ExtendedServer['read']): void {
    const thread = directory.byConversation(conversation_id);
    if (!thread) return;
    thread.readElsewhere(seq);
    directory.save(thread);
    // Not all of what was read is here.
    if (thread.unread.peek() > 0 && thread.end > thread.position) onUnsure(conversation_id);
  }

  function onConversation(frame: ExtendedServer['conversation']): void {
    const thread = directory.byConversation(frame.conversation_id);
    if (!thread) return;
    thread.set(frame);
    directory.save(thread);
  }

  function onTyping(frame: ExtendedServer['typing']): void {
    const thread = directory.byConversation(frame.conversation_id);
    if (!thread || frame.user_id === me) return;
    thread.typing.value = frame.user_id;
    clearTimeout(thread.typingTimer);
    thread.typingTimer = setTimeout(() => {
      thread.typing.value = 0;
    }, typingShown);
  }

  return {
    onChat: onMessage,
    onEvent,
    onJoined,
    onUnknown,
    onGone,
    onSent,
    onChanged,
    onChanges,
    onShown,
    onReceipt,
    onRead,
    onConversation,
    onTyping,
  };
}
