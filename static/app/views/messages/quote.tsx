import { goTo } from '../../acting.js';
import { altered } from '../../altered.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import { groupIn } from '../../peer.js';
import { oneLine } from '../../text.js';
import type { Thread } from '../../thread.js';
import { hueOf } from '../avatar.js';
import { Name } from '../name.js';

/** What is known of a message by its place: looked up, never copied. */
export function useQuoted(client: Client, thread: Thread, seq: number) {
  thread.version.value;
  const message = thread.messages.get(seq);
  const isGone = seq < thread.begins || message === null;
  if (!message) return { user: null, text: t(isGone ? 'goneMessage' : 'loadingMessage'), isGone };
  const shown = altered(message, client.outbox.items.value, client.me.user_id);
  const from = message.from_user_id;
  const user =
    from === client.me.user_id
      ? client.me
      : groupIn(thread.peer) === null
        ? thread.user.value
        : client.users.of(from, message.conversation_id);
  return { user, text: oneLine(shown.content) || t('emptied'), isGone: shown.deleted };
}

/** What a message answers; a tap goes there. */
export function Quote({ client, thread, seq }: { client: Client; thread: Thread; seq: number }) {
  const { user, text, isGone } = useQuoted(client, thread, seq);
  return (
    <button
      type="button"
      class={`quote ${user && !isGone ? hueOf(user.user_id) : ''}`}
      onClick={() => goTo(client, thread, seq)}
    >
      <span class="vh">{t('answerTo')} </span>
      {user && !isGone && <span class="quoted">{user === client.me ? t('me') : <Name user={user} />}</span>}
      <span class={isGone ? 'gone' : ''}>
        <bdi>{text}</bdi>
      </span>
    </button>
  );
}
