import { useSignalEffect } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { User } from '../../../schemas/user.js';
import type { Client } from '../client.js';
import { type Key, t } from '../i18n/later.js';
import { closeCover, hrefOf, openThread } from '../route.js';
import { useChange } from './blocked.js';
import { Dialog } from './dialog.js';

/** Whom the user knows: who asks, who is asked, contacts, and who is blocked. */
export function Contacts({ client }: { client: Client }) {
  const { api, contacts } = client;
  const { problem, change } = useChange(client);
  useSignalEffect(() => {
    void change(Promise.resolve());
  });
  const lists = contacts.lists.value;
  const button = (label: Key, { user_id, username }: User, work: (id: number) => Promise<unknown>) => (
    <button
      type="button"
      class={label === 'accept' ? 'primary' : 'plain'}
      onClick={() => void change(work(user_id))}
    >
      {t(label)}
      <span class="vh"> {username}</span>
    </button>
  );
  const list = (title: Key, users: readonly User[], buttons: (user: User) => ComponentChildren) =>
    users.length > 0 && (
      <section aria-label={t(title)}>
        <h3>{t(title)}</h3>
        <ul class="known">
          {users.map((user) => (
            <li key={user.user_id}>
              <a
                href={hrefOf(user.user_id)}
                onClick={(event) => {
                  event.preventDefault();
                  client.directory.ensure(user);
                  openThread(user.user_id);
                }}
              >
                <bdi>{user.username}</bdi>
              </a>
              {buttons(user)}
            </li>
          ))}
        </ul>
      </section>
    );
  return (
    <Dialog title={t('contacts')} onClose={closeCover}>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {lists === null && problem.value === '' && <p class="note">{t('loadingMessage')}</p>}
      {lists && (
        <>
          {list('requests', lists.asking, (user) => (
            <>
              {button('accept', user, (id) => api.addContact(id))}
              {button('decline', user, (id) => api.removeContact(id))}
            </>
          ))}
          {list('askedByYou', lists.asked, (user) => button('withdraw', user, (id) => api.removeContact(id)))}
          {list('contacts', lists.contacts, (user) => button('remove', user, (id) => api.removeContact(id)))}
          {lists.contacts.length === 0 && <p class="note">{t('noContacts')}</p>}
          {list('blockedPeople', lists.blocked, (user) => button('unblock', user, (id) => api.unblock(id)))}
        </>
      )}
    </Dialog>
  );
}

/** How somebody stands to the user, and what can be done about it. */
export function Standing({ client, user }: { client: Client; user: User }) {
  const { api, contacts } = client;
  const { problem, change } = useChange(client);
  const { user_id: id, username: name } = user;
  const standing = contacts.of(id);
  const button = (label: Key, work: () => Promise<unknown>, kind = 'plain') => (
    <button type="button" class={kind} onClick={() => void change(work())}>
      {t(label)}
    </button>
  );
  const remove = () => api.removeContact(id);
  return (
    <div class="standing">
      <p class="note" role="status">
        {standing === undefined ? '' : t(`standing.${standing}`, { name })}
      </p>
      <p class="wrong whole" role="alert">
        {problem.value}
      </p>
      {standing === undefined && button('addContact', () => api.addContact(id, name))}
      {standing === 'asking' && button('accept', () => api.addContact(id), 'primary')}
      {standing === 'asking' && button('decline', remove)}
      {standing === 'asked' && button('withdraw', remove)}
      {standing === 'contact' && button('removeContact', remove)}
      {standing === 'blocked'
        ? button('unblock', () => api.unblock(id))
        : button('block', () => api.block(id, name), 'plain danger')}
      {standing !== 'blocked' && <p class="note">{t('blockHint')}</p>}
    </div>
  );
}
