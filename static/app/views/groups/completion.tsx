import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';
import type { User } from '../../../../schemas/user.js';
import type { Client } from '../../client.js';
import { t } from '../../i18n/later.js';
import { composing } from '../../keys.js';
import { allNames, mentionsIn } from '../../mentions.js';
import { fit } from '../../names.js';
import { isWhole, rosterOf } from '../../roster.js';
import { useSearch } from '../../search.js';
import type { Thread } from '../../thread.js';
import { Avatar } from '../avatar.js';
import { Icon } from '../icons.js';
import { Name } from '../name.js';

interface CompletionProps {
  client: Client;
  thread: Thread;
  box: RefObject<HTMLTextAreaElement | null>;
}

interface Offer {
  id: number;
  /** What stands in the text. */
  name: string;
  /** Null for all. */
  user: User | null;
  how: 0 | 1 | 2;
}

/** An @ that begins a word, and what follows it up to the caret; of an address the @ doesn't begin one. */
const behindAt = /(?<![\w.+-])@([^@\n]{0,60})$/;
const offered = 20;

/** Who may be meant, while a name is typed behind an @. The keys are the field's: it keeps the focus. */
export function Completion({ client, thread, box }: CompletionProps) {
  /** What is typed behind the @, and where that stands; null where no name is typed. */
  const token = useSignal<{ at: number; typed: string } | null>(null);
  /** The @ at which the list was closed by hand. */
  const closed = useSignal(-1);
  const active = useSignal(0);
  const query = useComputed(() => (isWhole(thread) ? '' : (token.value?.typed ?? '')));
  const found = useSearch(client.api, query);
  const offers = useComputed(() => {
    if (token.value === null || token.value.at === closed.value) return [];
    return offersOf(token.value.typed, others());
  });

  function others(): readonly User[] {
    const roster = rosterOf(client, thread);
    if (isWhole(thread)) return roster;
    const wrote = client.users.knownOf(writers(thread));
    const more = Array.isArray(found.value) ? found.value : [];
    return [...wrote, ...more.filter((user) => !wrote.some((other) => other.user_id === user.user_id))];
  }

  function offersOf(typed: string, users: readonly User[]): Offer[] {
    const lately = writers(thread);
    const rank = new Map([...lately].map((id, index) => [id, index]));
    const people = users.flatMap((user): Offer[] => {
      const how = fit(user.username, typed);
      if (how === null || user.deleted || user.user_id === client.me.user_id) return [];
      return [{ id: user.user_id, name: user.username, user, how }];
    });
    people.sort(
      (a, b) =>
        a.how - b.how ||
        (rank.get(a.id) ?? rank.size) - (rank.get(b.id) ?? rank.size) ||
        a.name.localeCompare(b.name),
    );
    const name = t('mentionAll');
    const how = fit(name, typed);
    const all: Offer[] = how !== null && mayAll() ? [{ id: 0, name, user: null, how }] : [];
    return [...people.slice(0, offered), ...all];
  }

  function look(): void {
    const field = box.current;
    if (!field) return;
    const before = field.value.slice(0, field.selectionStart);
    const typed = field.selectionStart === field.selectionEnd ? behindAt.exec(before)?.[1] : undefined;
    const next = typed === undefined ? null : { at: before.length - typed.length - 1, typed };
    if (next?.at === token.peek()?.at && next?.typed === token.peek()?.typed) return;
    if (next?.at !== closed.peek()) closed.value = -1;
    active.value = 0;
    token.value = next;
  }

  function choose({ id, name }: Offer): void {
    const field = box.current;
    const now = token.peek();
    if (!field || !now) return;
    client.drafts.name(thread.peer, { id, name });
    const end = now.at + 1 + now.typed.length;
    const space = field.value[end] === ' ' ? '' : ' ';
    field.setRangeText(`@${name}${space}`, now.at, end, 'end');
    if (space === '') field.setSelectionRange(field.selectionEnd + 1, field.selectionEnd + 1);
    token.value = null;
    field.dispatchEvent(new InputEvent('input', { bubbles: true }));
    token.value = null;
    field.focus();
  }

  const mayAll = (): boolean => {
    const { role, members = 0 } = thread.group.peek() ?? {};
    return members <= client.limits.peek().mentionAll || role !== 'member';
  };

  /** Whoever writes a whole name means it, chosen or not: an input method may write it with what follows. */
  function noteWhole(): void {
    const text = box.current?.value ?? '';
    if (!text.includes('@')) return;
    const names = others().flatMap(({ user_id, username, deleted }) =>
      deleted || user_id === client.me.user_id ? [] : [{ id: user_id, name: username }],
    );
    for (const named of mentionsIn(text, mayAll() ? [...names, ...allNames] : names))
      client.drafts.name(thread.peer, named);
  }

  // So does whoever types it without its accents.
  useSignalEffect(() => {
    const exact = offers.value.find(({ how }) => how === 0);
    const typed = token.peek()?.typed.trim();
    if (exact && typed) client.drafts.name(thread.peer, { id: exact.id, name: typed });
  });

  useEffect(() => {
    const field = box.current;
    const form = field?.form;
    if (!field || !form) return;
    const onKey = (event: KeyboardEvent) => {
      const list = offers.peek();
      if (event.key === 'Enter') noteWhole();
      if (list.length === 0 || event.target !== field || composing(event)) return;
      const chosen = list[active.peek()];
      const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? list.length - 1 : 0;
      if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (step > 0) active.value = (active.peek() + step) % list.length;
      else if ((event.key === 'Enter' || event.key === 'Tab') && chosen) choose(chosen);
      else if (event.key === 'Escape') closed.value = token.peek()?.at ?? -1;
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    const onInput = () => {
      noteWhole();
      look();
    };
    const onCaret = () => {
      if (document.activeElement === field) look();
    };
    const onLeave = () => {
      token.value = null;
    };
    // Before the form's own: Enter chooses, and sends nothing.
    form.addEventListener('keydown', onKey, true);
    field.addEventListener('input', onInput);
    field.addEventListener('blur', onLeave);
    document.addEventListener('selectionchange', onCaret);
    look();
    return () => {
      form.removeEventListener('keydown', onKey, true);
      field.removeEventListener('input', onInput);
      field.removeEventListener('blur', onLeave);
      document.removeEventListener('selectionchange', onCaret);
    };
  }, [thread]);

  const isOpen = offers.value.length > 0;
  const at = Math.min(active.value, offers.value.length - 1);
  // What the field says of itself is its own element's.
  useEffect(() => {
    const field = box.current;
    if (!field) return;
    const attributes = { 'aria-controls': 'mentionable', 'aria-activedescendant': `mention-${at}` };
    field.setAttribute('aria-autocomplete', 'list');
    for (const [name, value] of Object.entries(attributes))
      if (isOpen) field.setAttribute(name, value);
      else field.removeAttribute(name);
    document.getElementById(`mention-${at}`)?.scrollIntoView({ block: 'nearest' });
  }, [isOpen, at]);

  return (
    <div class="completion">
      <p class="vh" role="status">
        {isOpen && t('mentionable', { n: offers.value.length })}
      </p>
      {isOpen && (
        <div id="mentionable" role="listbox" aria-label={t('mention')}>
          {offers.value.map((offer, index) => (
            // biome-ignore lint/a11y: the keys are the field's, which keeps the focus
            <div
              key={offer.id}
              id={`mention-${index}`}
              role="option"
              aria-selected={index === at}
              // The field keeps the focus, and a phone its keyboard.
              onPointerDown={(event) => event.preventDefault()}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => choose(offer)}
            >
              {offer.user ? (
                <>
                  <Avatar user={offer.user} />
                  <Name user={offer.user} />
                </>
              ) : (
                <>
                  <span class="avatar everyone" aria-hidden="true">
                    <Icon name="group" />
                  </span>
                  <span>
                    <bdi>{offer.name}</bdi>
                    <span class="note">{t('mentionAllHint', { n: thread.group.value?.members ?? 0 })}</span>
                  </span>
                </>
              )}
            </div>
          ))}
        </div>
      )}
    </div>
  );
}

const lookedBack = 200;

/** Who has written, the last one first. */
function writers(thread: Thread): Set<number> {
  const ids = new Set<number>();
  for (let seq = thread.position; seq > 0 && seq > thread.position - lookedBack; seq--) {
    const from = thread.messages.get(seq)?.from_user_id;
    if (from !== undefined) ids.add(from);
  }
  return ids;
}
