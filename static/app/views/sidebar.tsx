import { useSignal, useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { User } from '../../../schemas/user.js';
import type { Client } from '../client.js';
import { t } from '../i18n/index.js';
import { composing } from '../keys.js';
import { hrefOf, openCover, openThread } from '../route.js';
import { Avatar } from './avatar.js';
import { Conversation } from './conversation.js';
import { Icon } from './icons.js';

const shownAtFirst = 60;

export function Sidebar({ client }: { client: Client }) {
  const query = useSignal('');
  const people = useSignal<readonly User[] | 'failed' | null>(null);
  const shown = useSignal(shownAtFirst);
  const input = useRef<HTMLInputElement>(null);

  // People are asked for a moment after the last key; an answer that comes too late is dropped.
  useSignalEffect(() => {
    const wanted = query.value.trim();
    people.value = null;
    if (!wanted) return;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      const found = await client.api.find(wanted, abort.signal).catch(() => null);
      if (!abort.signal.aborted) people.value = found?.users ?? 'failed';
    }, 180);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  });

  const wanted = query.value.trim().toLocaleLowerCase();
  const listed = client.directory.listed.value;
  const own = wanted
    ? listed.filter((thread) => thread.user.value.username.toLocaleLowerCase().includes(wanted))
    : listed;
  const found = people.value === 'failed' ? null : people.value;
  const others = found?.filter((user) => !own.some((thread) => thread.peer === user.user_id)) ?? [];

  function open(user: User): void {
    client.directory.ensure(user);
    query.value = '';
    openThread(user.user_id);
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (composing(event)) return;
    if (event.key === 'Escape' && query.value) {
      event.stopPropagation();
      query.value = '';
    } else if (event.key === 'Enter') {
      const first = own[0]?.user.value ?? others[0];
      if (first && wanted) open(first);
    }
  }

  return (
    <nav class="sidebar" tabIndex={-1} aria-label={t('conversations')} onKeyDown={arrows}>
      <header class="side-head">
        <button type="button" class="round" onClick={() => openCover('settings')}>
          <Icon name="menu" />
          <span class="vh">{t('menu')}</span>
        </button>
        <search class="search">
          <Icon name="search" />
          <input
            ref={input}
            id="search"
            type="search"
            dir="auto"
            value={query.value}
            placeholder={t('search')}
            aria-label={t('search')}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            enterkeyhint="search"
            onInput={(event) => {
              query.value = event.currentTarget.value;
            }}
            onKeyDown={onKeyDown}
          />
          {query.value && (
            <button
              type="button"
              class="round small"
              onClick={() => {
                query.value = '';
                input.current?.focus();
              }}
            >
              <Icon name="close" />
              <span class="vh">{t('clearSearch')}</span>
            </button>
          )}
        </search>
      </header>
      <p class="vh" role="status">
        {found && t('found', { n: others.length + own.length })}
      </p>
      <div
        class="entries"
        onScroll={({ currentTarget: box }) => {
          if (box.scrollTop + box.clientHeight * 2 > box.scrollHeight) shown.value += shownAtFirst;
        }}
      >
        {wanted && own.length > 0 && <h2 class="label">{t('yours')}</h2>}
        {own.length > 0 && (
          <ul>
            {own.slice(0, shown.value).map((thread) => (
              <Conversation key={thread.peer} client={client} thread={thread} />
            ))}
          </ul>
        )}
        {others.length > 0 && (
          <>
            <h2 class="label">{t('people')}</h2>
            <ul>
              {others.map((user) => (
                <Person key={user.user_id} user={user} onOpen={open} />
              ))}
            </ul>
          </>
        )}
        {people.value === 'failed' && <p class="nothing">{t('searchFailed')}</p>}
        {wanted && found && own.length + others.length === 0 && (
          <p class="nothing">{t('nobody', { query: query.value.trim() })}</p>
        )}
        {!wanted && listed.length === 0 && <Nothing client={client} />}
      </div>
    </nav>
  );
}

function Person({ user, onOpen }: { user: User; onOpen: (user: User) => void }) {
  return (
    <li class="entry">
      <a
        class="conversation person"
        href={hrefOf(user.user_id)}
        onClick={(event) => {
          event.preventDefault();
          onOpen(user);
        }}
      >
        <Avatar user={user} />
        <span class="name">
          <bdi>{user.username}</bdi>
        </span>
      </a>
    </li>
  );
}

function Nothing({ client }: { client: Client }) {
  if (!client.directory.ready.value) {
    return (
      <div class="skeleton">
        <span class="vh">{t('loadingList')}</span>
        {[1, 2, 3, 4, 5].map((n) => (
          <i key={n} />
        ))}
      </div>
    );
  }
  return (
    <div class="nothing">
      <Icon name="chats" />
      <p class="title">{t('none')}</p>
      <p>{t('noneHint', { name: client.me.username })}</p>
    </div>
  );
}

/** Up and down walk through the entries, from the search box too. */
function arrows(event: KeyboardEvent): void {
  if ((event.key !== 'ArrowDown' && event.key !== 'ArrowUp') || event.altKey || composing(event)) return;
  if (!(event.currentTarget instanceof HTMLElement)) return;
  const entries = [...event.currentTarget.querySelectorAll<HTMLElement>('#search, a.conversation')];
  const { activeElement } = document;
  if (!(activeElement instanceof HTMLElement) || !entries.includes(activeElement)) return;
  const at = entries.indexOf(activeElement);
  const next = entries[at + (event.key === 'ArrowDown' ? 1 : -1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
