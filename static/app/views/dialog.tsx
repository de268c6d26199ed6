import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { t } from '../i18n/index.js';
import { Icon } from './icons.js';

/**
 * The browser's own modal: it keeps the focus inside, closes with Escape and gives the focus back. One without `onClose`
 * stays until what it says is over.
 */
export function Dialog({
  title,
  children,
  onClose,
}: {
  title: string;
  children: ComponentChildren;
  onClose?: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const box = dialog.current;
    const before = document.activeElement;
    if (!box?.open) box?.showModal();
    // Screen readers say then what it is and what stands in it; of its first button alone some say nothing.
    if (!box?.querySelector('[autofocus]')) box?.focus({ preventScroll: true });
    return () => {
      box?.close();
      // Chromium gives a field its focus back without its caret: what is typed then goes nowhere.
      if (before instanceof HTMLTextAreaElement || before instanceof HTMLInputElement) before.blur();
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it too, as `cancel`
    <dialog
      ref={dialog}
      tabIndex={-1}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
      onClose={() => {
        // A browser asks once; pressed again, Escape or a phone's back closes it all the same.
        if (!dialog.current?.isConnected) return;
        if (onClose) onClose();
        else dialog.current.showModal();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onClose?.();
      }}
    >
      <div class="dialog">
        <header>
          <h2 id="dialog-title">{title}</h2>
          {onClose && (
            <button type="button" class="round" onClick={onClose}>
              <Icon name="close" />
              <span class="vh">{t('close')}</span>
            </button>
          )}
        </header>
        {children}
      </div>
    </dialog>
  );
}
