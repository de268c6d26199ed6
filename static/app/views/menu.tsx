import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Message } from '../../../schemas/message.js';
import { codeOf } from '../api.js';
import { asked } from '../chosen.js';
import type { Client } from '../client.js';
import { copy } from '../copy.js';
import { errorText, type Key, t } from '../i18n/later.js';
import { notice } from '../notice.js';
import { groupIn } from '../peer.js';
import type { Outgoing } from '../records.js';
import { closeCover, closeWithCover, openCover, openPeer } from '../route.js';
import type { Thread } from '../thread.js';
import { Icon, type IconName } from './icons.js';

interface Action {
  label: Key;
  icon: IconName;
  /** Where not, it is for all. */
  isFor?: (message: Message | Outgoing, me: number) => boolean;
  run: (message: Message | Outgoing, near: HTMLElement, at: Place) => void;
}

/** Where it is said, and to whom. */
interface Place {
  client: Client;
  thread: Thread;
}

const actions: readonly Action[] = [
  {
    label: 'copy',
    icon: 'copy',
    run: ({ content }, near) => void copy(content, near).then(closeCover),
  },
  {
    label: 'whoHasIt',
    icon: 'seen',
    // Of two, the check beside it says so.
    isFor: (message, me) =>
      'seq' in message && message.from_user_id === me && groupIn(openPeer.peek() ?? 0) !== null,
    run: () => openCover('receipts'),
  },
  {
    label: 'unreadFrom',
    icon: 'dot',
    isFor: (message, me) => 'seq' in message && message.from_user_id !== me,
    run: (message, _, { client, thread }) => {
      if (!('seq' in message)) return;
      client.markUnread(thread, message.seq).then(closeWithCover, (error: unknown) => {
        closeCover();
        notice(errorText(codeOf(error)));
      });
    },
  },
];

/** What can be done with a message. The browser's own modal, as every dialog, at the message or, on a phone, below. */
export function Menu({ client, thread }: Place) {
  const me = client.me.user_id;
  const box = useRef<HTMLDialogElement>(null);
  const on = asked.value;
  useLayoutEffect(() => {
    const { current: dialog } = box;
    if (!dialog || !on) {
      closeCover();
      return;
    }
    dialog.showModal();
    const at = on.button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = dialog;
    dialog.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
    dialog.style.top = `${at.bottom + height + 8 < innerHeight ? at.bottom : Math.max(8, at.top - height)}px`;
    return () => {
      dialog.close();
      on.button.focus({ preventScroll: true });
    };
  }, []);
  if (!on) return null;
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
      onKeyDown={step}
    >
      <div role="menu" aria-label={t('actions')}>
        {actions
          .filter(({ isFor }) => isFor?.(on.message, me) ?? true)
          .map(({ label, icon, run }) => (
            <button
              key={label}
              type="button"
              role="menuitem"
              onClick={({ currentTarget }) => run(on.message, currentTarget, { client, thread })}
            >
              <Icon name={icon} />
              {t(label)}
            </button>
          ))}
      </div>
    </dialog>
  );
}

/** Up and down walk through the items, round and round. */
function step(event: KeyboardEvent): void {
  if ((event.key !== 'ArrowDown' && event.key !== 'ArrowUp') || !(event.currentTarget instanceof HTMLElement))
    return;
  const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role=menuitem]')];
  const at = items.findIndex((item) => item.matches(':focus'));
  const by = event.key === 'ArrowDown' ? 1 : items.length - 1;
  event.preventDefault();
  items[(at + by) % items.length]?.focus();
}
