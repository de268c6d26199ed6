import { useEffect } from 'preact/hooks';
import type { Message } from '../../../../schemas/message.js';
import { selected } from '../../acting.js';
import { altered } from '../../altered.js';
import type { Client } from '../../client.js';
import { copy } from '../../copy.js';
import { t } from '../../i18n/later.js';
import { mayDelete } from '../../may.js';
import { groupIn } from '../../peer.js';
import type { Thread } from '../../thread.js';
import { Icon } from '../icons.js';
import { nameOf } from '../name.js';
import { askDeletion } from './deletion.js';

/** In place of the composer, while messages are selected: what can be done with them. */
export function Selecting({ client, thread }: { client: Client; thread: Thread }) {
  thread.version.value;
  const seqs = [...(selected.value ?? [])].sort((a, b) => a - b);
  const messages = seqs.flatMap((seq): Message[] => {
    const message = thread.messages.get(seq);
    return message && !message.deleted ? [message] : [];
  });
  const stop = () => {
    selected.value = null;
  };

  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      stop();
    };
    // Before Escape means the conversation.
    addEventListener('keydown', listen, { capture: true });
    return () => removeEventListener('keydown', listen, { capture: true });
  }, []);

  const text = () => {
    const { me, users, outbox } = client;
    return messages
      .map((message) => {
        const { content } = altered(message, outbox.items.peek(), me.user_id);
        const from = message.from_user_id;
        const group = groupIn(thread.peer);
        const user = from === me.user_id ? me : group === null ? thread.user.peek() : users.of(from, group);
        return messages.length === 1 ? content : `${nameOf(user)}: ${content}`;
      })
      .join('\n');
  };
  const n = messages.length;
  const isOurs = n > 0 && messages.every((message) => mayDelete(client, thread, message));
  return (
    <div class="selecting">
      <p role="status">{t('selected', { n })}</p>
      <button
        type="button"
        class="plain"
        disabled={n === 0}
        onClick={({ currentTarget }) => void copy(text(), currentTarget).then(stop)}
      >
        <Icon name="copy" />
        {t('copyShort')}
      </button>
      <button
        type="button"
        class="plain danger"
        disabled={!isOurs}
        title={n > 0 && !isOurs ? t('notAllYours') : undefined}
        onClick={() => askDeletion(messages)}
      >
        <Icon name="trash" />
        {t('discard')}
      </button>
      <button type="button" class="round" onClick={stop}>
        <Icon name="close" />
        <span class="vh">{t('cancel')}</span>
      </button>
    </div>
  );
}
