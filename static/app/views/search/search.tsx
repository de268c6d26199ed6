import { type Signal, useSignal } from '@preact/signals';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { SEARCH } from '../../../../schemas/limits.js';
import type { User } from '../../../../schemas/user.js';
import type { Client } from '../../client.js';
import { dayName, dayOf } from '../../format.js';
import { type Answered, type Hit, type Narrow, type Outcome, useFound } from '../../found.js';
import { errorText, t } from '../../i18n/later.js';
import { composing } from '../../keys.js';
import { peerOf } from '../../peer.js';
import { createRecent, type Recent } from '../../recent.js';
import { closeCover, openThread } from '../../route.js';
import { begin, begun } from '../../searching.js';
import { Avatar } from '../avatar.js';
import { Dialog } from '../dialog.js';
import { nameOf } from '../name.js';
import { Person } from '../sidebar.js';
import { HitRow, peerIn } from './hit.js';
import { NarrowDown } from './narrow.js';

/** Finds people, conversations and messages; on a phone it is all of the screen. */
export function Search({ client }: { client: Client }) {
  const thread = client.current.value;
  const recent = useMemo(() => createRecent(client.keeper), [client]);
  const query = useSignal('');
  const narrow = useSignal<Narrow>({
    conversation: begun().here ? (thread?.conversationId ?? null) : null,
    from: null,
    since: '',
    until: '',
  });
  const input = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    input.current?.focus();
    query.value = begin();
  }, []);
  /** Enter was pressed before the answer was there. */
  const entered = useSignal(false);

  // Whatever is found has a thread, so that it has a name.
  const { outcome, goOn } = useFound(client.api, query, narrow, ({ messages }) => {
    for (const hit of messages)
      client.directory.ensure({ user_id: peerIn(client.me.user_id, hit), username: '' });
    if (entered.peek()) requestAnimationFrame(openFirst);
    entered.value = false;
  });

  function openFirst(): void {
    input.current?.closest('.finder')?.querySelector<HTMLElement>('a.conversation')?.click();
  }

  function openUser(user: User): void {
    recent.note(query.peek());
    client.directory.ensure(user);
    openThread(user.user_id);
  }

  async function openHit(hit: Hit): Promise<void> {
    recent.note(query.peek());
    const peer = peerIn(client.me.user_id, hit);
    const found = client.directory.ensure({ user_id: peer, username: '' });
    // The list may not have come so far.
    if (found.conversationId === null || found.position < hit.seq)
      await client.api.conversation(hit.conversation_id).then(client.directory.hear, () => {});
    found.sought.value = hit.seq;
    openThread(peer);
  }

  const now = outcome.value;
  return (
    <Dialog title={t('searchTitle')} onClose={closeCover}>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: what is in it has the keys */}
      <div class="finder" onKeyDown={arrows}>
        <input
          ref={input}
          class="filter"
          type="search"
          dir="auto"
          maxLength={SEARCH.query}
          value={query.value}
          placeholder={t('searchHint')}
          aria-label={t('searchTitle')}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          enterkeyhint="search"
          onInput={(event) => {
            entered.value = false;
            query.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || composing(event) || query.peek().trim() === '') return;
            if (outcome.peek()?.state === 'found') openFirst();
            else entered.value = true;
          }}
        />
        <NarrowDown client={client} thread={thread} narrow={narrow} />
        <p class="note" role="status">
          {said(now)}
        </p>
        <div class="results">
          {now === null && <RecentList recent={recent} query={query} />}
          {now?.state === 'found' && (
            <>
              <Named answer={now} onUser={openUser} onGroup={(id) => openThread(peerOf(id))} />
              <Messages client={client} hits={now.messages} onOpen={(hit) => void openHit(hit)} />
              {now.next_cursor !== null && (
                <button type="button" class="plain" disabled={now.goesOn} onClick={() => void goOn()}>
                  {t('searchGoOn')}
                </button>
              )}
            </>
          )}
        </div>
      </div>
    </Dialog>
  );
}

/** How it stands, in a sentence. */
function said(now: Outcome | null): string {
  if (now === null) return '';
  if (now.state === 'waiting') return t('searching');
  if (now.state === 'failed') return errorText(now.code, { n: now.seconds });
  const { messages, users, conversations, next_cursor, back_to, indexed } = now;
  const n = messages.length;
  const sentences = [
    now.goesOn
      ? t('searching')
      : n > 0
        ? t(next_cursor === null ? 'searchFound' : 'searchFoundSoFar', { n })
        : next_cursor === null
          ? users.length + conversations.length === 0 && t('searchNothing')
          : t('searchNothingYet'),
    next_cursor !== null && back_to !== null && t('searchBackTo', { day: dayName(dayOf(back_to)) }),
    indexed < 1 && t('searchIndexed', { n: Math.floor(indexed * 100) }),
  ];
  return sentences.filter(Boolean).join(' ');
}

function RecentList({ recent, query }: { recent: Recent; query: Signal<string> }) {
  const searches = recent.searches.value;
  if (searches.length === 0) return <p class="note">{t('searchHelp')}</p>;
  return (
    <>
      <h3 class="label">{t('searchRecent')}</h3>
      <ul>
        {searches.map((search) => (
          <li key={search}>
            <button
              type="button"
              class="conversation recent"
              onClick={() => Object.assign(query, { value: search })}
            >
              <bdi>{search}</bdi>
            </button>
          </li>
        ))}
      </ul>
      <button type="button" class="link" onClick={recent.forget}>
        {t('searchForget')}
      </button>
    </>
  );
}

interface NamedProps {
  answer: Answered;
  onUser: (user: User) => void;
  onGroup: (id: number) => void;
}

function Named({ answer: { users, conversations }, onUser, onGroup }: NamedProps) {
  return (
    <>
      {users.length > 0 && <h3 class="label">{t('people')}</h3>}
      <ul>
        {users.map((user) => (
          <Person key={user.user_id} user={user} onOpen={onUser} />
        ))}
      </ul>
      {conversations.length > 0 && <h3 class="label">{t('conversations')}</h3>}
      <ul>
        {conversations.map(({ conversation_id: id, title }) => (
          <Person key={id} user={{ user_id: peerOf(id), username: title }} onOpen={() => onGroup(id)} />
        ))}
      </ul>
    </>
  );
}

/** By conversation, that of the newest first. */
function Messages({
  client,
  hits,
  onOpen,
}: {
  client: Client;
  hits: readonly Hit[];
  onOpen: (hit: Hit) => void;
}) {
  const groups = useMemo(() => {
    const by = new Map<number, Hit[]>();
    for (const hit of hits) by.set(hit.conversation_id, [...(by.get(hit.conversation_id) ?? []), hit]);
    return [...by.values()];
  }, [hits]);
  if (groups.length === 0) return null;
  return (
    <>
      <h3 class="label">{t('searchMessages')}</h3>
      {groups.map((group) => {
        const [first] = group;
        if (first === undefined) return null;
        const peer = peerIn(client.me.user_id, first);
        const user = client.directory.byPeer(peer)?.user.value ?? { user_id: peer, username: '' };
        return (
          <section key={first.conversation_id} aria-label={nameOf(user)}>
            <h4>
              <Avatar user={user} />
              <bdi>{nameOf(user) || '…'}</bdi>
            </h4>
            <ul>
              {group.map((hit) => (
                <HitRow key={hit.msg_id} client={client} hit={hit} onOpen={onOpen} />
              ))}
            </ul>
          </section>
        );
      })}
    </>
  );
}

/** Up and down walk through what was found, from the field too; a letter goes on with what is typed. */
function arrows(event: KeyboardEvent): void {
  if (event.altKey || composing(event) || !(event.currentTarget instanceof HTMLElement)) return;
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
  const { target } = event;
  if (!(target instanceof HTMLElement)) return;
  const stops = [
    ...event.currentTarget.querySelectorAll<HTMLElement>('.filter, .conversation, .results > .plain'),
  ];
  const at = stops.indexOf(target);
  if (at < 0) return;
  event.preventDefault();
  stops[at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
}
