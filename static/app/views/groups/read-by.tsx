import { useSignalEffect } from '@preact/signals';
import { asked } from '../../chosen.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import { openCover } from '../../route.js';
import type { Thread } from '../../thread.js';

/** How many were in each when that was asked. */
const askedWith = new WeakMap<Thread, number>();

/** How many of a small group have read the last message of one's own, live; a tap tells who. */
export function ReadBy({ client, thread, seq }: { client: Client; thread: Thread; seq: number }) {
  useSignalEffect(() => {
    const id = thread.conversationId;
    const { role = null, members = 0 } = thread.group.value ?? {};
    if (role === null || client.link.value.state !== 'online' || id === null) return;
    // What was heard since is in it, unless the line broke or others are in the group now.
    if (thread.receipts.value !== null && askedWith.get(thread) === members) return;
    askedWith.set(thread, members);
    client.api.receipts(id, 0).then(
      ({ receipts }) => {
        const others = receipts.filter(({ user_id }) => user_id !== client.me.user_id);
        thread.receipts.value = new Map(others.map(({ user_id, ...receipt }) => [user_id, receipt]));
      },
      () => {},
    );
  });
  let n = 0;
  for (const { read_seq } of thread.receipts.value?.values() ?? []) if (read_seq >= seq) n++;
  const message = thread.messages.get(seq);
  if (n === 0 || !message) return null;
  return (
    <button
      type="button"
      class="read-by"
      onClick={({ currentTarget }) => {
        asked.value = { message, button: currentTarget };
        openCover('receipts');
      }}
    >
      {t('readBy', { n })}
    </button>
  );
}
