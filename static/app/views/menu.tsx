import { signal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { copy } from '../copy.js';
import { type Key, t } from '../i18n/index.js';
import { closeCover, openCover } from '../route.js';
import { Icon, type IconName } from './icons.js';

/** The message whose menu is open, and the button that opened it. */
const asked = signal<{ content: string; button: HTMLElement } | null>(null);

export function openMenu(content: string, button: HTMLElement): void {
  asked.value = { content, button };
  openCover('menu');
}

interface Action {
  label: Key;
  icon: IconName;
  run: (content: string, near: HTMLElement) => Promise<void>;
}

const actions: readonly Action[] = [
  {
    label: 'copy',
    icon: 'copy',
    run: copy,
  },
];

/** What can be done with a message. The browser's own modal, as every dialog, at the message or, on a phone, below. */
export function Menu() {
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
        {actions.map(({ label, icon, run }) => (
          <button
            key={label}
            type="button"
            role="menuitem"
            onClick={async ({ currentTarget }) => {
              await run(on.content, currentTarget);
              closeCover();
            }}
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
