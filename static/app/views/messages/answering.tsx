import type { Message } from '../../../../schemas/message.js';
import { altered } from '../../altered.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import type { Outgoing } from '../../records.js';
import { oneLine } from '../../text.js';
import type { Thread } from '../../thread.js';
import { Icon } from '../icons.js';
import { nameOf } from '../name.js';
import { useQuoted } from './quote.js';

interface AnsweringProps {
  client: Client;
  thread: Thread;
  /** What is edited. */
  edited: Message | Outgoing | undefined;
  /** What is answered. */
  seq: number;
  onStop: () => void;
}

/** Above what one writes: that it edits a message, or which one it answers. */
export function Answering({ client, thread, edited, seq, onStop }: AnsweringProps) {
  const quoted = useQuoted(client, thread, seq);
  const title = edited
    ? t('editing')
    : quoted.user
      ? t('answerToWhom', { name: quoted.user === client.me ? t('youObject') : nameOf(quoted.user) })
      : t('answerTo');
  const text = edited
    ? oneLine(altered(edited, client.outbox.items.value, client.me.user_id).content)
    : quoted.text;
  return (
    <div class="answering">
      <Icon name={edited ? 'write' : 'reply'} />
      <p role="status">
        <b>{title}</b>
        <bdi>{text}</bdi>
      </p>
      <button type="button" class="round small" onClick={onStop}>
        <Icon name="close" />
        <span class="vh">{t('cancel')}</span>
      </button>
    </div>
  );
}
