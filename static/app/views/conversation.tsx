import { altered } from '../altered.js';
import { openOwn } from '../chosen.js';
import type { Client } from '../client.js';
import { eventText } from '../event-text.js';
import { brief, exact, present } from '../format.js';
import { t } from '../i18n/index.js';
import { tells } from '../own.js';
import { groupIn } from '../peer.js';
import { hrefOf, openPeer, openThread } from '../route.js';
import { fateOf, nobody } from '../rows.js';
import { oneLine } from '../text.js';
import type { Thread } from '../thread.js';
import { Avatar } from './avatar.js';
import { FateIcon } from './bubble.js';
import { Icon, type IconName } from './icons.js';
import { Name, nameOf } from './name.js';
import { Typing } from './thread-head.js';

interface ConversationProps {
  client: Client;
  thread: Thread;
  /** The how manieth it is, and of how many. */
  place: number;
  all: number;
}

/** One line of the list. */
export function Conversation({ client, thread, place, all }: ConversationProps) {
  const user = thread.user.value;
  const self = user.user_id === client.me.user_id;
  const open = openPeer.value === user.user_id;
  const unread = thread.unread.value;
  const mentions = thread.mentions.value;
  const settings = thread.settings.value;
  const isQuiet = !tells(settings, false, present.value);
  return (
    <li class="entry" aria-posinset={place} aria-setsize={all}>
      <a
        class="conversation"
        href={hrefOf(user.user_id)}
        aria-current={open ? 'page' : undefined}
        onContextMenu={(event) => {
          event.preventDefault();
          openOwn(thread);
        }}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          openThread(user.user_id);
        }}
      >
        <Avatar user={user} online={!self && client.people.of(user.user_id).value?.online} />
        <span class="name">
          <Name user={user} />
          {settings.pinned && <Mark name="pin" label={t('pinned')} />}
          {isQuiet && <Mark name="quiet" label={t('muted')} />}
        </span>
        <Latest client={client} thread={thread} open={open} />
        {unread > 0 && (
          <span class={isQuiet ? 'badges quiet' : 'badges'}>
            {mentions > 0 && (
              <span class="badge at">
                <span aria-hidden="true">@{mentions > 1 ? mentions : ''}</span>
                <span class="vh">{t('mentions', { n: mentions })}</span>
              </span>
            )}
            <span class="badge">
              <span aria-hidden="true">{unread > 999 ? '999+' : unread}</span>
              <span class="vh">{t('unread', { n: unread })}</span>
            </span>
          </span>
        )}
        {thread.group.value && <span class="vh">{t('group')}</span>}
        {!self && client.people.of(user.user_id).value?.online && <span class="vh">{t('online')}</span>}
      </a>
    </li>
  );
}

function Mark({ name, label }: { name: IconName; label: string }) {
  return (
    <span class="mark" title={label}>
      <Icon name={name} />
      <span class="vh">{label}</span>
    </span>
  );
}

/** The last line, and when: what is on its way out comes before what is stored. */
function Latest({ client, thread, open }: { client: Client; thread: Thread; open: boolean }) {
  thread.version.value;
  const pending = client.outbox.said.value.findLast((item) => item.to_user_id === thread.peer);
  const message = pending ?? thread.last;
  const shown = message && altered(message, client.outbox.items.value, client.me.user_id);
  const edit = client.drafts.edits(thread.peer).value;
  const draft = open ? '' : (edit?.text ?? client.drafts.of(thread.peer)).value;
  const own = message && (!('from_user_id' in message) || message.from_user_id === client.me.user_id);
  const online = client.link.value.state === 'online';
  const receipt = thread.peer === client.me.user_id ? nobody : thread.receipt.value;
  const group = groupIn(thread.peer);
  const called = (id: number) => (group === null ? '' : nameOf(client.users.of(id, group)) || '…');
  const event = message && 'event' in message ? message.event : undefined;
  const from = message && 'from_user_id' in message ? message.from_user_id : client.me.user_id;
  return (
    <>
      {message && (
        <span class="when">
          {own && !draft && !event && (
            <FateIcon fate={fateOf(message, client.outbox.state.value, receipt, online)} />
          )}
          <time dateTime={message.created_at} title={exact(message.created_at)}>
            {brief(message.created_at)}
          </time>
        </span>
      )}
      <span class="last">
        {thread.typing.value ? (
          <Typing name={group === null ? undefined : called(thread.typing.value)} />
        ) : draft ? (
          <>
            <em>{t('draft')}</em>
            <bdi>{oneLine(draft)}</bdi>
          </>
        ) : (
          message &&
          (event ? (
            <bdi>{eventText(event, from, client.me.user_id, called)}</bdi>
          ) : (
            <>
              {own && t('you')}
              {!own && group !== null && (
                <>
                  <bdi>{called(from)}</bdi>:{' '}
                </>
              )}
              <bdi>{oneLine(shown?.content ?? '') || t('emptied')}</bdi>
            </>
          ))
        )}
      </span>
    </>
  );
}
