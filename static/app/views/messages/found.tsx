import type { ComponentChildren } from 'preact';
import type { Message } from '../../../../schemas/message.js';
import { goTo } from '../../acting.js';
import { altered } from '../../altered.js';
import type { Client } from '../../client.js';
import { brief, exact } from '../../format.js';
import { t } from '../../i18n/later.js';
import { groupIn } from '../../peer.js';
import { shortened } from '../../text.js';
import type { Thread } from '../../thread.js';
import { Avatar } from '../avatar.js';
import { Name, nameOf } from '../name.js';

interface FoundProps {
  client: Client;
  thread: Thread;
  message: Message;
  /** Where it is said, too. */
  where?: boolean;
  children?: ComponentChildren;
}

/** A message in a list; a tap goes to where it stands. */
export function Found({ client, thread, message, where = false, children }: FoundProps) {
  thread.version.value;
  const { me, outbox, users } = client;
  // What is held is at least as new.
  const held = thread.messages.get(message.seq);
  const now = held && (held.change ?? 0) >= (message.change ?? 0) ? held : message;
  const { content } = altered(now, outbox.items.value, me.user_id);
  const from = message.from_user_id;
  const group = groupIn(thread.peer);
  const user = from === me.user_id ? me : group === null ? thread.user.value : users.of(from, group);
  return (
    <li class="found-message">
      <button type="button" onClick={() => goTo(client, thread, message.seq)}>
        <Avatar user={user} />
        <span class="found-text">
          <span class="found-head">
            <b>
              <Name user={user} />
            </b>
            {where && user !== thread.user.value && <bdi class="note">{nameOf(thread.user.value)}</bdi>}
            <time dateTime={message.created_at} title={exact(message.created_at)}>
              {brief(message.created_at)}
            </time>
          </span>
          <bdi class="found-content">{shortened(content, 400) || t('emptied')}</bdi>
        </span>
      </button>
      {children}
    </li>
  );
}
