import { useSignal, useSignalEffect } from '@preact/signals';
import type { Static } from '@sinclair/typebox';
import type { Saved as SavedSchema } from '../../../../schemas/change.js';
import { codeOf } from '../../api.js';
import type { Client } from '../../client.js';
import { errorText, t } from '../../i18n/later.js';
import { messageApi } from '../../message-api.js';
import { notice } from '../../notice.js';
import { closeCover } from '../../route.js';
import { Dialog } from '../dialog.js';
import { useAttempt } from '../groups/attempt.js';
import { Icon } from '../icons.js';
import { Found } from './found.js';

type Kept = Static<typeof SavedSchema>['saved'];

/** Saves a message for oneself. */
export async function save(client: Client, conversation: number, seq: number): Promise<void> {
  try {
    await messageApi(client.api).save(conversation, seq, true);
    notice(t('savedNow'));
  } catch (error) {
    notice(errorText(codeOf(error)));
  }
}

/** What one has saved for oneself, wherever it was said. */
export function Saved({ client }: { client: Client }) {
  const kept = useSignal<Kept | null>(null);
  const next = useSignal<number | null>(null);
  const { problem, attempt } = useAttempt();

  const read = async (cursor: number | null) => {
    const page = await messageApi(client.api).saved(cursor);
    // Of a conversation that isn't in the list yet nobody knows with whom it is.
    const unknown = new Set(page.saved.map(({ message }) => message.conversation_id));
    for (const id of unknown) if (!client.directory.byConversation(id)) await client.meet(id);
    kept.value = [...(kept.peek() ?? []), ...page.saved];
    next.value = page.next_cursor;
  };
  useSignalEffect(() => void attempt(() => read(null)));

  const forget = (conversation: number, seq: number) =>
    attempt(async () => {
      await messageApi(client.api).save(conversation, seq, false);
      kept.value =
        kept
          .peek()
          ?.filter(({ message }) => message.conversation_id !== conversation || message.seq !== seq) ?? null;
    });
  const after = next.value;
  return (
    <Dialog title={t('saved')} onClose={closeCover}>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      <p class="note" role="status">
        {kept.value === null
          ? problem.value === '' && t('loadingMessage')
          : kept.value.length === 0 && t('nothingSaved')}
      </p>
      <ul class="found-list">
        {kept.value?.map(({ message }) => {
          const { conversation_id, seq } = message;
          const thread = client.directory.byConversation(conversation_id);
          return (
            thread && (
              <Found
                key={`${conversation_id} ${seq}`}
                client={client}
                thread={thread}
                message={message}
                where
              >
                <button type="button" class="round" onClick={() => void forget(conversation_id, seq)}>
                  <Icon name="close" />
                  <span class="vh">{t('unsave')}</span>
                </button>
              </Found>
            )
          );
        })}
      </ul>
      {after !== null && (
        <button type="button" class="plain" onClick={() => void attempt(() => read(after))}>
          {t('more')}
        </button>
      )}
    </Dialog>
  );
}
