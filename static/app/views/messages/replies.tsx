import { useSignal, useSignalEffect } from '@preact/signals';
import type { Message } from '../../../../schemas/message.js';
import { asked } from '../../chosen.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import { messageApi } from '../../message-api.js';
import { closeCover } from '../../route.js';
import type { Thread } from '../../thread.js';
import { Dialog } from '../dialog.js';
import { useAttempt } from '../groups/attempt.js';
import { Found } from './found.js';

/** What answers a message. */
export function Replies({ client, thread }: { client: Client; thread: Thread }) {
  const found = useSignal<readonly Message[] | null>(null);
  const hasMore = useSignal(false);
  const { problem, attempt } = useAttempt();
  const id = thread.conversationId;
  const message = asked.peek()?.message;
  const seq = message && 'seq' in message ? message.seq : 0;

  const read = async () => {
    if (id === null) return;
    const before = found.peek() ?? [];
    const page = await messageApi(client.api).replies(id, seq, before.at(-1)?.seq ?? 0);
    found.value = [...before, ...page.messages];
    hasMore.value = page.has_more;
  };
  useSignalEffect(() => void attempt(read));

  return (
    <Dialog title={t('replies')} onClose={closeCover}>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      <p class="note" role="status">
        {found.value === null
          ? problem.value === '' && t('loadingMessage')
          : found.value.length === 0 && t('noReplies')}
      </p>
      <ul class="found-list">
        {found.value?.map((reply) => (
          <Found key={reply.seq} client={client} thread={thread} message={reply} />
        ))}
      </ul>
      {hasMore.value && (
        <button type="button" class="plain" onClick={() => void attempt(read)}>
          {t('more')}
        </button>
      )}
    </Dialog>
  );
}
