import { useEffect } from 'preact/hooks';
import { altered } from '../../altered.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import type { Edited } from '../../records.js';
import { oneLine } from '../../text.js';
import type { Thread } from '../../thread.js';
import { Icon } from '../icons.js';
import { nameOf } from '../name.js';
import { useQuoted } from './quote.js';

interface AnsweringProps {
  client: Client;
  thread: Thread;
  /** What is edited. */
  edit: Edited | null;
  /** What is answered. */
  seq: number;
  onStop: () => void;
}

/** Above what one writes: that it edits a message, or which one it answers. */
export function Answering({ client, thread, edit, seq, onStop }: AnsweringProps) {
  const place = edit ? (edit.seq ?? 0) : seq;
  const quoted = useQuoted(client, thread, place);
  // Whoever comes back to it may have it no more.
  useEffect(() => {
    if (place > 0 && place <= thread.position) client.directory.need(thread, place, place);
  });
  const items = client.outbox.items.value;
  const going = edit?.seq === null ? items.find(({ id }) => id === edit.of) : undefined;
  const title = edit
    ? t('editing')
    : quoted.user
      ? t('answerToWhom', { name: quoted.user === client.me ? t('youObject') : nameOf(quoted.user) })
      : t('answerTo');
  const text = going ? oneLine(altered(going, items, client.me.user_id).content) : quoted.text;
  return (
    <div class="answering">
      <Icon name={edit ? 'write' : 'reply'} />
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
