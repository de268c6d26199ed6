import { useSignal, useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { User } from '../../../schemas/user.js';
import type { Client } from '../client.js';
import { t } from '../i18n/index.js';
import { composing } from '../keys.js';
import { fit } from '../names.js';
import { hrefOf, openCover, openThread } from '../route.js';
import { useSearch } from '../search.js';
import { openSearch } from '../searching.js';
import type { Thread } from '../thread.js';
import { Avatar } from './avatar.js';
import { Conversation } from './conversation.js';
import { Icon } from './icons.js';
import { Name } from './name.js';
import { useWindow } from './windowed.js';

export function Sidebar({ client }: { client: Client }) {
  const query = useSignal('');
  const people = useSearch(client.api, query);
  /** Enter was pressed before the answer was there: it opens what the answer says. */
  const entered = useSignal(false);
  const entries = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);

  const wanted = query.value.trim();
  const listed = client.directory.listed.value;
  const own = wanted ? fitting(client.directory.known.value, wanted) : listed;
  const found = people.value === 'failed' ? null : people.value;
  const others = found?.filter((user) => !own.some((thread) => thread.peer === user.user_id)) ?? [];

  const near = useWindow(entries, own.length);

  function open(user: User): void {
    client.directory.ensure(user);
    query.value = '';
    openThread(user.user_id);
  }

  useSignalEffect(() => {
    const answer = people.value;
    if (!entered.value || answer === null) return;
    entered.value = false;
    const typed = query.peek().trim();
    const best = bestOf(typed, fitting(client.directory.known.peek(), typed), answer);
    if (best) open(best);
  });

  function onKeyDown(event: KeyboardEvent): void {
    if (composing(event)) return;
    if (event.key === 'Escape' && query.value) {
      event.stopPropagation();
      query.value = '';
    } else if (event.key === 'Enter' && wanted) {
      const first = own[0]?.user.value;
      // The very name needs no answer, and without a line there is none.
      if (first && (fit(first.username, wanted) === 0 || client.link.peek().state !== 'online')) open(first);
      else entered.value = true;
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
              entered.value = false;
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
        <button type="button" class="round" onClick={() => openCover('people')}>
          <Icon name="write" />
          <span class="vh">{t('newConversation')}</span>
        </button>
      </header>
      <p class="vh" role="status">
        {found && t('found', { n: others.length + own.length })}
      </p>
      <Requests client={client} />
      <div class="entries" ref={entries} onScroll={near.onScroll}>
        {wanted && own.length > 0 && <h2 class="label">{t('yours')}</h2>}
        {own.length > 0 && (
          <ul ref={near.list} style={near.style}>
            {own.slice(near.start, near.end).map((thread, index) => (
              <Conversation
                key={thread.peer}
                client={client}
                thread={thread}
                place={near.start + index + 1}
                all={own.length}
              />
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
        {wanted && (
          <button type="button" class="requests" onClick={() => openSearch(wanted)}>
            {t('searchMessagesFor', { query: wanted })}
          </button>
        )}
        {!wanted && listed.length === 0 && <Nothing client={client} />}
      </div>
    </nav>
  );
}

/** Whoever has the page open sees that somebody asks. */
function Requests({ client }: { client: Client }) {
  const n = client.contacts.lists.value?.asking.length ?? 0;
  return (
    <div role="status">
      {n > 0 && (
        <button type="button" class="requests" onClick={() => openCover('contacts')}>
          {t('requestsWait', { n })}
        </button>
      )}
    </div>
  );
}

/** The own conversations that fit, the best first; those that fit alike stay in their order. */
function fitting(listed: readonly Thread[], typed: string): Thread[] {
  return listed
    .flatMap((thread) => {
      const how = fit(thread.user.value.username, typed);
      return how === null ? [] : [{ thread, how }];
    })
    .sort((a, b) => a.how - b.how)
    .map(({ thread }) => thread);
}

/** Whom Enter opens: the very name, wherever it stands, else the best of the own conversations, else of the others. */
function bestOf(typed: string, own: readonly Thread[], found: readonly User[] | 'failed'): User | undefined {
  const all = [...own.map((thread) => thread.user.peek()), ...(found === 'failed' ? [] : found)];
  return all.find((user) => fit(user.username, typed) === 0) ?? all[0];
}

export function Person({ user, onOpen }: { user: User; onOpen: (user: User) => void }) {
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
          <Name user={user} />
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
      <button type="button" class="link" onClick={() => openCover('people')}>
        {t('newConversation')}
      </button>
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
