import type { Conversation } from '../../schemas/conversation.js';
import type { ExtendedServer } from '../../schemas/frames.js';
import type { Message } from '../../schemas/message.js';
import type { Thread } from './thread.js';

interface Parked {
  api: {
    conversation: (id: number) => Promise<Conversation>;
    after: (conversation: number, seq: number, limit: number) => Promise<{ messages: Message[] }>;
  };
  directory: {
    byConversation: (id: number) => Thread | undefined;
    hear: (said: Conversation) => Thread | undefined;
    save: (thread: Thread) => void;
  };
  /** Whether what comes now is new, and no part of a catching up after which the list is asked for. */
  isLive: () => boolean;
  onChange: () => void;
  onIncoming: (thread: Thread, message: Message) => void;
}

/** Between two looks at the same one, and for each member: all who are in it ask for the same. */
const leastPause = 1_000;
const pauseForEach = 10;
/** Between two looks at any. */
const pauseForAll = 100;

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Conversations that aren't given here, since they aren't on the screen: what is new in them, and whether it concerns the user. */
export function createParked({ api, directory, isLive, onChange, onIncoming }: Parked) {
  /** Those that are to be looked at, in their order, and those that were just now. */
  const waiting = new Set<number>();
  const rested = new Set<number>();
  let working = false;

  async function work(): Promise<void> {
    if (working) return;
    working = true;
    for (const id of waiting) {
      if (rested.has(id)) continue;
      waiting.delete(id);
      await look(id).catch(() => {});
      await later(pauseForAll);
    }
    working = false;
  }

  /** What the list would say of it: the last message, and how much is unread, exactly. */
  async function look(id: number): Promise<void> {
    const thread = directory.hear(await api.conversation(id));
    const last = thread?.last;
    if (thread && last && last.seq > Math.max(thread.position, thread.readSeq)) onIncoming(thread, last);
    onChange();
    rested.add(id);
    setTimeout(
      () => {
        rested.delete(id);
        void work();
      },
      Math.max(leastPause, (thread?.group.peek()?.members ?? 0) * pauseForEach),
    );
  }

  async function mentioned(thread: Thread, id: number, seq: number): Promise<void> {
    const { messages } = await api.after(id, seq - 1, 1);
    const [message] = messages;
    if (message?.seq === seq && seq > thread.readSeq) onIncoming(thread, message);
  }

  return {
    look(id: number): void {
      waiting.add(id);
      void work();
    },

    /** [G26] */
    heard({ conversations }: ExtendedServer['head']): void {
      for (const { conversation_id: id, ...head } of conversations) {
        const thread = directory.byConversation(id);
        const isNew = thread?.tell(head) ?? true;
        if (thread && isNew) directory.save(thread);
        if (!isLive()) continue;
        // The list may have known it first, but it calls nobody.
        if (thread && head.mention && head.mention > thread.readSeq)
          mentioned(thread, id, head.mention).catch(() => {});
        if (isNew) waiting.add(id);
      }
      onChange();
      void work();
    },

    /** The line is gone: what is new since is in the list. */
    clear(): void {
      waiting.clear();
    },
  };
}
