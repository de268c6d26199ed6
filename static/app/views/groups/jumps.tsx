import { useSignal, useSignalEffect } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import type { Thread } from '../../thread.js';
import type { Viewport } from '../../viewport.js';
import { Icon } from '../icons.js';

interface JumpsProps {
  client: Client;
  thread: Thread;
  viewport: Viewport;
  /** Where the unread ones begin; 0 where there are none. */
  divider: number;
}

const page = 200;
/** Pages that are looked through for one press. */
const pagesAtOnce = 20;

/** Ways to the first unread message, and to what mentions the user and wasn't seen yet. */
export function Jumps({ client, thread, viewport, divider }: JumpsProps) {
  /** Since the thread was opened; what is before isn't new. */
  const from = useMemo(() => divider || thread.end + 1, [thread]);
  const met = useSignal(false);
  const busy = useSignal(false);
  /** Those that were unread at first, and those that have come since: each until it was in sight. */
  const unseen = useMemo(
    () => ({
      first: thread.mentions.peek(),
      since: new Set<number>(),
      upTo: Math.max(thread.end, thread.position),
    }),
    [thread],
  );
  const seen = useMemo(() => new Set<number>(), [thread]);
  const left = useSignal(unseen.first);

  useSignalEffect(() => {
    thread.version.value;
    const { first, last } = viewport.seen.value;
    if (first < divider && divider - 1 <= last) met.value = true;
    const mentionAt = (seq: number) => {
      const message = thread.messages.get(seq);
      return message != null && thread.mentionsMe(message);
    };
    while (unseen.upTo < thread.position) if (mentionAt(++unseen.upTo)) unseen.since.add(unseen.upTo);
    for (let seq = Math.max(first + 1, from); seq <= last + 1; seq++) {
      if (seen.has(seq) || !mentionAt(seq)) continue;
      seen.add(seq);
      if (!unseen.since.delete(seq)) unseen.first--;
    }
    left.value = Math.max(0, unseen.first) + unseen.since.size;
  });

  const show = (seq: number) => viewport.show(seq - 1, innerHeight / 4);

  /** The next that wasn't seen, read from the server where it isn't here. */
  async function toMention(): Promise<void> {
    const id = thread.conversationId;
    if (busy.peek() || id === null) return;
    busy.value = true;
    try {
      let asked = 0;
      for (let seq = from; seq <= thread.position; seq++) {
        if (!thread.messages.has(seq) && !thread.silent(seq)) {
          if (asked++ === pagesAtOnce) {
            show(seq);
            return;
          }
          const { messages } = await client.api.after(id, seq - 1, page);
          thread.load(messages, seq, Math.min(seq + page - 1, thread.position));
        }
        const message = thread.messages.get(seq);
        if (!message || !thread.mentionsMe(message) || seen.has(seq)) continue;
        show(seq);
        return;
      }
      unseen.first = 0;
      unseen.since.clear();
      left.value = 0;
    } catch {
      // No line: pressed again, it is tried again.
    } finally {
      busy.value = false;
    }
  }

  const { first, last } = viewport.seen.value;
  const isAway = divider > 0 && !met.value && (divider - 1 < first || divider - 1 > last);
  return (
    <>
      {isAway && (
        <button type="button" class="first-unread" onClick={() => show(divider)}>
          <Icon name="down" class={divider - 1 < first ? 'turned' : ''} />
          {t('toUnread')}
        </button>
      )}
      {left.value > 0 && (
        <button
          type="button"
          class="newest to-mention"
          aria-busy={busy.value}
          onClick={() => void toMention()}
        >
          <span aria-hidden="true">@</span>
          <span class="vh">{t('toMention')}</span>
          <span class="badge">{left.value}</span>
        </button>
      )}
    </>
  );
}
