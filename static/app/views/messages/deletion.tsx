import { signal } from '@preact/signals';
import type { Message } from '../../../../schemas/message.js';
import { selected } from '../../acting.js';
import { announce } from '../../announce.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import type { Outgoing } from '../../records.js';
import { closeCover, openCover } from '../../route.js';
import type { Thread } from '../../thread.js';
import { Dialog } from '../dialog.js';

/** What is to be deleted, once that is sure. */
const doomed = signal<readonly (Message | Outgoing)[]>([]);

export function askDeletion(messages: readonly (Message | Outgoing)[]): void {
  doomed.value = messages;
  openCover('delete');
}

/** Nothing brings a deleted message back, so it is asked first. */
export function Deletion({ client, thread }: { client: Client; thread: Thread }) {
  const n = doomed.value.length;
  const isEdited = (message: Message | Outgoing): boolean => {
    const edit = client.drafts.edits(thread.peer).peek();
    return edit !== null && ('seq' in message ? edit.seq === message.seq : edit.of === message.id);
  };
  return (
    <Dialog title={t('deleteMessages', { n })} onClose={closeCover}>
      <p>{t('deleteMessagesSure', { n })}</p>
      <div class="several">
        <button type="button" class="plain" onClick={closeCover}>
          {t('cancel')}
        </button>
        <button
          type="button"
          class="plain danger"
          onClick={() => {
            for (const message of doomed.peek()) {
              if (isEdited(message)) client.drafts.edit(thread.peer, null);
              // Refused for good, it was never stored.
              if ('error' in message && message.error !== null) client.discard(message.id);
              else client.alter(thread, message, { what: 'delete' });
            }
            announce(t('deletedNow', { n }));
            selected.value = null;
            closeCover();
          }}
        >
          {t('discard')}
        </button>
      </div>
    </Dialog>
  );
}
