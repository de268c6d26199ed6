import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Message } from '../../../schemas/message.js';
import { selected } from '../acting.js';
import { altered } from '../altered.js';
import { announce } from '../announce.js';
import { codeOf } from '../api.js';
import { asked, pickEmoji } from '../chosen.js';
import type { Client } from '../client.js';
import { copy } from '../copy.js';
import { errorText, type Key, t } from '../i18n/later.js';
import { isOwn, mayDelete, mayEdit, mayWrite } from '../may.js';
import { notice } from '../notice.js';
import { groupIn } from '../peer.js';
import { recent } from '../recent-emoji.js';
import type { Outgoing } from '../records.js';
import { closeCover, closeWithCover, linkTo, openCover } from '../route.js';
import type { Thread } from '../thread.js';
import { Icon, type IconName } from './icons.js';
import { askDeletion } from './messages/deletion.js';
import { pin } from './messages/pins.js';
import { react } from './messages/react.js';
import { save } from './messages/saved.js';

interface Action {
  label: Key;
  icon: IconName;
  isDangerous?: boolean;
  isFor: (asked: Asked) => boolean;
  run: (asked: Asked) => void;
}

/** Where it is said, and to whom. */
interface Place {
  client: Client;
  thread: Thread;
}

interface Asked extends Place {
  message: Message | Outgoing;
  /** As it is shown. */
  content: string;
  isDeleted: boolean;
  /** 0 of one that isn't stored yet. */
  seq: number;
  button: HTMLElement;
}

/** The menu is closed first, so that the focus goes where the action puts it. */
function closeThen(run: () => void): void {
  closeCover();
  setTimeout(run);
}

const actions: readonly Action[] = [
  {
    label: 'reply',
    icon: 'reply',
    isFor: ({ client, thread, seq, isDeleted }) => seq > 0 && !isDeleted && mayWrite(client, thread),
    run: ({ client, thread, seq }) =>
      closeThen(() => {
        client.drafts.edit(thread.peer, null);
        client.drafts.answer(thread.peer, seq);
      }),
  },
  {
    label: 'edit',
    icon: 'write',
    isFor: ({ client, thread, message, isDeleted }) => !isDeleted && mayEdit(client, thread, message),
    run: ({ client, thread, message, content }) => closeThen(() => client.edit(thread, message, content)),
  },
  {
    label: 'copy',
    icon: 'copy',
    isFor: ({ isDeleted }) => !isDeleted,
    run: ({ content, button }) => void copy(content, button).then(closeCover),
  },
  {
    label: 'replies',
    icon: 'list',
    isFor: ({ seq, isDeleted }) => seq > 0 && !isDeleted,
    run: () => openCover('replies'),
  },
  {
    label: 'whoHasIt',
    icon: 'seen',
    // Of two, the check beside it says so.
    isFor: ({ client, thread, message, seq }) =>
      seq > 0 && isOwn(message, client.me.user_id) && groupIn(thread.peer) !== null,
    run: () => openCover('receipts'),
  },
  {
    label: 'pinHere',
    icon: 'pin',
    isFor: ({ client, thread, message, seq, isDeleted }) =>
      seq > 0 && !isDeleted && !isPinned(message) && mayWrite(client, thread),
    run: ({ client, thread, seq }) => closeThen(() => void pin(client, thread, seq, true)),
  },
  {
    label: 'unpin',
    icon: 'pin',
    isFor: ({ client, thread, message }) => isPinned(message) && mayWrite(client, thread),
    run: ({ client, thread, seq }) => closeThen(() => void pin(client, thread, seq, false)),
  },
  {
    label: 'saveMessage',
    icon: 'star',
    isFor: ({ seq, isDeleted }) => seq > 0 && !isDeleted,
    run: ({ client, thread, seq }) => closeThen(() => void save(client, thread.conversationId ?? 0, seq)),
  },
  {
    label: 'copyLink',
    icon: 'link',
    isFor: ({ seq }) => seq > 0,
    run: ({ thread, seq, button }) =>
      void copy(linkTo(thread.conversationId ?? 0, seq), button).then(closeCover),
  },
  {
    label: 'unreadFrom',
    icon: 'dot',
    isFor: ({ client, message, seq }) => seq > 0 && !isOwn(message, client.me.user_id),
    run: ({ client, thread, seq }) => {
      client.markUnread(thread, seq).then(closeWithCover, (error: unknown) => {
        closeCover();
        notice(errorText(codeOf(error)));
      });
    },
  },
  {
    label: 'select',
    icon: 'tick',
    isFor: ({ seq, isDeleted }) => seq > 0 && !isDeleted,
    run: ({ seq }) =>
      closeThen(() => {
        selected.value = new Set([seq]);
      }),
  },
  {
    label: 'discard',
    icon: 'trash',
    isDangerous: true,
    isFor: ({ client, thread, message, isDeleted }) => !isDeleted && mayDelete(client, thread, message),
    run: ({ message }) => askDeletion([message]),
  },
];

const isPinned = (message: Message | Outgoing): boolean => 'pinned' in message && message.pinned === true;
const isRefused = (message: Message | Outgoing): boolean => 'error' in message && message.error !== null;

/** What can be done with a message. The browser's own modal, as every dialog, at the message or, on a phone, below. */
export function Menu({ client, thread }: Place) {
  const box = useRef<HTMLDialogElement>(null);
  const on = asked.value;
  useLayoutEffect(() => {
    const { current: dialog } = box;
    if (!dialog || !on) {
      closeCover();
      return;
    }
    dialog.showModal();
    const { left, top, bottom } = on.button.getBoundingClientRect();
    const at = on.at ? { left: on.at.x, top: on.at.y, bottom: on.at.y } : { left, top, bottom };
    const { offsetWidth: width, offsetHeight: height } = dialog;
    const edge = Math.min(
      innerWidth - 8,
      on.button.closest('.row')?.getBoundingClientRect().right ?? innerWidth,
    );
    const below = at.bottom + height + 8 < innerHeight;
    dialog.style.left = `${Math.max(8, Math.min(at.left, edge - width))}px`;
    dialog.style.top = `${below ? at.bottom : Math.max(8, Math.min(at.top, innerHeight) - height)}px`;
    return () => {
      dialog.close();
      on.button.focus({ preventScroll: true });
    };
  }, []);
  if (!on) return null;
  const { button } = on;
  // What was sent meanwhile is stored, and what is stored may have changed.
  const message = ('seq' in on.message && thread.messages.get(on.message.seq)) || on.message;
  const { content, deleted } = altered(message, client.outbox.items.value, client.me.user_id);
  const isDeleted = deleted || content === '';
  const seq = 'seq' in message ? message.seq : 0;
  const asks = { client, thread, message, content, isDeleted, seq, button };
  const mayReact = !isDeleted && mayWrite(client, thread) && !isRefused(message);
  // Below the message it is seen.
  const reactTo = (emoji: string) =>
    announce(t(react(client, thread, message, emoji) ? 'reactedNow' : 'unreactedNow', { emoji }));
  return (
    <dialog
      ref={box}
      class="menu"
      aria-label={t('actions')}
      onCancel={(event) => {
        event.preventDefault();
        closeCover();
      }}
      onClick={(event) => {
        if (event.target === box.current) closeCover();
      }}
      onContextMenu={(event) => event.preventDefault()}
      onKeyDown={step}
    >
      <div role="menu" aria-label={t('actions')}>
        {mayReact && (
          // biome-ignore lint/a11y/useSemanticElements: a group of a menu, and no field set
          <div class="quick" role="group" aria-label={t('react')}>
            {recent()
              .slice(0, quickOnes)
              .map((emoji) => (
                <button
                  key={emoji}
                  type="button"
                  role="menuitem"
                  class="emoji-sign"
                  aria-label={t('reactBy', { emoji })}
                  onClick={() => closeThen(() => reactTo(emoji))}
                >
                  {emoji}
                </button>
              ))}
            <button type="button" role="menuitem" onClick={() => pickEmoji('react', reactTo)}>
              <Icon name="plus" />
              <span class="vh">{t('otherEmoji')}</span>
            </button>
          </div>
        )}
        {actions
          .filter(({ isFor }) => isFor(asks))
          .map(({ label, icon, isDangerous, run }) => (
            <button
              key={label}
              type="button"
              role="menuitem"
              class={isDangerous ? 'danger' : ''}
              onClick={({ currentTarget }) => run({ ...asks, button: currentTarget })}
            >
              <Icon name={icon} />
              {t(label)}
            </button>
          ))}
      </div>
    </dialog>
  );
}

const quickOnes = 5;

/** Up and down walk through the items, round and round; left and right, too, where several stand in a row. */
function step(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: 0, End: 0 }[event.key];
  if (by === undefined || !(event.currentTarget instanceof HTMLElement)) return;
  const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role=menuitem]')];
  const at = items.findIndex((item) => item.matches(':focus'));
  const isAcross = event.key === 'ArrowRight' || event.key === 'ArrowLeft';
  if (isAcross && !items[at]?.closest('.quick')) return;
  event.preventDefault();
  const next =
    event.key === 'Home' ? 0 : event.key === 'End' ? items.length - 1 : stepped(items, at, by, isAcross);
  items[next]?.focus();
}

/** Up and down leave the row as a whole. */
function stepped(items: readonly HTMLElement[], at: number, by: number, isAcross: boolean): number {
  const inRow = (index: number) => items[index]?.closest('.quick') != null;
  let next = (at + by + items.length) % items.length;
  while (!isAcross && at >= 0 && inRow(at) && inRow(next)) next = (next + by + items.length) % items.length;
  if (!isAcross && at >= 0 && !inRow(at) && inRow(next)) next = 0;
  return next;
}
