import { useEffect } from 'preact/hooks';
import type { Message } from '../../../../schemas/message.js';
import { isMine, type Shown } from '../../altered.js';
import { announce } from '../../announce.js';
import { asked } from '../../chosen.js';
import type { Client } from '../../client.js';
import { copy } from '../../copy.js';
import { listed } from '../../format.js';
import { errorText as errorAtFirst } from '../../i18n/index.js';
import { t } from '../../i18n/later.js';
import type { Outgoing } from '../../records.js';
import { openCover } from '../../route.js';
import type { Thread } from '../../thread.js';
import { Icon } from '../icons.js';
import { nameOf } from '../name.js';
import { react } from './react.js';

interface BeneathProps {
  client: Client;
  thread: Thread;
  message: Message | Outgoing;
  shown: Shown;
}

const namedAtMost = 8;

/** Below a message: who reacts to it, and what could not be done with it. */
export function Beneath(props: BeneathProps) {
  return (
    <>
      {props.shown.reactions.length > 0 && <Reactions {...props} />}
      {props.shown.failed.map((item) => (
        <Failed key={item.id} {...props} item={item} />
      ))}
    </>
  );
}

function Reactions({ client, thread, message, shown }: BeneathProps) {
  const me = client.me.user_id;
  const id = thread.conversationId ?? 0;
  const who = ({ users, count }: Shown['reactions'][number]): string => {
    const names = users
      .slice(0, namedAtMost)
      .map((user) => (user === me ? t('me') : nameOf(client.users.of(user, id))));
    if (count > names.length) names.push(t('event.others', { n: count - names.length }));
    return listed(names);
  };
  return (
    <ul class="reactions" aria-label={t('reactions')}>
      {shown.reactions.map((reaction) => (
        <li key={reaction.emoji}>
          <button
            type="button"
            class="reaction"
            aria-pressed={isMine(reaction, me)}
            title={who(reaction)}
            aria-label={t('reactedBy', { emoji: reaction.emoji, n: reaction.count })}
            onClick={() => react(client, thread, message, reaction.emoji)}
          >
            <span class="emoji-sign">{reaction.emoji}</span>
            {reaction.count}
          </button>
        </li>
      ))}
      {'seq' in message && (
        <li>
          <button
            type="button"
            class="reaction who-reacts"
            aria-haspopup="dialog"
            title={t('whoReacts')}
            onClick={({ currentTarget }) => {
              asked.value = { message, button: currentTarget };
              openCover('reactions');
            }}
          >
            <Icon name="group" />
            <span class="vh">{t('whoReacts')}</span>
          </button>
        </li>
      )}
    </ul>
  );
}

/** What was said aloud already of changes that failed, and why they did. */
const told = new Map<string, string>();

/** What the server won't do as it is: it says why, shows what is there now, and asks. */
function Failed({ client, message, item }: BeneathProps & { item: Outgoing }) {
  const isEdit = item.alters?.what === 'edit';
  const reason = errorAtFirst(item.error ?? 'other');
  const isConflict = item.error === 'conflict';
  const isOver =
    item.error === 'edit_too_late' || item.error === 'deleted' || ('deleted' in message && message.deleted);
  const what = t(isEdit ? 'notEdited' : 'notDeleted', { reason });
  // An alert would be said again whenever a dialog closes, or it comes back into view.
  useEffect(() => {
    if (told.get(item.id) === reason) return;
    told.set(item.id, reason);
    announce(isEdit ? `${what} ${t('yourText')} ${item.content}` : what);
  }, [item.id, reason]);
  return (
    <div class="failure refused">
      <p>{what}</p>
      {isEdit && (
        <p class="yours">
          {t('yourText')} <bdi>{item.content}</bdi>
        </p>
      )}
      {!isOver && (
        <button type="button" class="link" onClick={() => client.retry(item)}>
          {t(isConflict ? 'replaceByYours' : 'retry')}
        </button>
      )}
      {isEdit && (
        <button
          type="button"
          class="link"
          onClick={({ currentTarget }) => void copy(item.content, currentTarget)}
        >
          {t('copy')}
        </button>
      )}
      <button type="button" class="link" onClick={() => client.discard(item.id)}>
        {t(isConflict ? 'leaveAsIs' : 'dismiss')}
      </button>
    </div>
  );
}
