import type { ExtendedServer } from '../../schemas/frames.js';
import type { User } from '../../schemas/user.js';
import type { Outbox } from './outbox.js';
import type { Thread, Unknown } from './thread.js';

type Chat = ExtendedServer['chat'];

interface Arrivals {
  me: number;
  directory: {
    ensure: (user: User) => Thread;
    byConversation: (id: number) => Thread | undefined;
    link: (thread: Thread, conversation: number) => void;
    save: (thread: Thread) => void;
  };
  outbox: Outbox;
  ack: (conversation: number, seq: number) => void;
  /** Whether the server's list isn't whole here yet: it goes on with what the list hasn't told of, wherever that ends. */
  listing: () => boolean;
  /** Something came past a hole: ask for what is before it. */
  onHole: () => void;
  /** Somebody was heard of for the first time, or moved up. */
  onChange: () => void;
  onIncoming: (thread: Thread, message: Chat) => void;
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
  onIncoming,
}: Arrivals) {
  /** Conversations that began with what shows nothing, or not with their first message: nobody knows yet whose they are. */
  const begun = new Set<number>();

  function onChat(message: Chat): void {
    // Of conversations that aren't of two the page shows nothing yet.
    if (message.to_user_id === undefined) {
      ack(message.conversation_id, message.seq);
      return;
    }
    const peer = message.from_user_id === me ? message.to_user_id : message.from_user_id;
    const thread = directory.ensure({ user_id: peer, username: '' });
    directory.link(thread, message.conversation_id);
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
    thread.typing.value = false;
    if (message.seq > thread.readSeq) onIncoming(thread, message);
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

  function place(thread: Thread, message: Chat | Unknown): ReturnType<Thread['accept']> {
    const elsewhere = listing() || begun.has(message.conversation_id);
    if (thread.position === 0 && !thread.described && elsewhere) thread.startAt(message.seq - 1);
    const before = thread.position;
    const outcome = thread.accept(message);
    for (let seq = before + 1; seq <= thread.position; seq++) {
      const own = thread.messages.get(seq);
      if (own?.id && own.from_user_id === me) outbox.placed(own.id);
    }
    if (outcome === 'known' && 'id' in message && message.id) outbox.placed(message.id);
    directory.save(thread);
    return outcome;
  }

  function onSent(frame: ExtendedServer['sent']): void {
    const item = outbox.sent(frame.id);
    if (!item) return;
    const thread = directory.ensure({ user_id: item.to_user_id, username: '' });
    const first = thread.conversationId === null;
    directory.link(thread, frame.conversation_id);
    const { id, conversation_id, msg_id, seq, created_at } = frame;
    const { to_user_id } = item;
    const message = { id, conversation_id, msg_id, seq, to_user_id, created_at, content: item.content };
    place(thread, { type: 'chat', from_user_id: me, ...message });
    ack(conversation_id, thread.position);
    if (first) onChange();
  }

  function onReceipt(frame: ExtendedServer['receipt']): void {
    const thread = directory.byConversation(frame.conversation_id);
    if (!thread || (frame.user_id === me && thread.peer !== me)) return;
    thread.receive(frame);
    directory.save(thread);
  }

  function onRead({ conversation_id, seq }: ExtendedServer['read']): void {
    const thread = directory.byConversation(conversation_id);
    if (!thread) return;
    thread.readElsewhere(seq);
    directory.save(thread);
  }

  function onTyping(frame: ExtendedServer['typing']): void {
    const thread = directory.byConversation(frame.conversation_id);
    if (!thread || frame.user_id === me) return;
    thread.typing.value = true;
    clearTimeout(thread.typingTimer);
    thread.typingTimer = setTimeout(() => {
      thread.typing.value = false;
    }, typingShown);
  }

  return { onChat, onUnknown, onGone, onSent, onReceipt, onRead, onTyping };
}
