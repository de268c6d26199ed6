import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Client } from '../client.js';
import { t } from '../i18n/index.js';
import { bytes, clean } from '../text.js';
import type { Thread } from '../thread.js';
import { Icon } from './icons.js';

/** On a phone the Enter key breaks the line, and the button sends. */
const touch = matchMedia('(hover: none) and (pointer: coarse)');

export function Composer({ client, thread }: { client: Client; thread: Thread }) {
  const box = useRef<HTMLTextAreaElement>(null);
  const draft = client.drafts.of(thread.peer);
  const complained = useSignal(false);
  const text = draft.value;
  const size = measure(text, client.limits.value);
  const name = thread.user.value.username;

  useLayoutEffect(() => grow(box.current), [text]);
  useLayoutEffect(() => {
    // On a phone that would open the keyboard over what one came to read.
    if (!touch.matches) box.current?.focus({ preventScroll: true });
  }, []);

  function send(): void {
    const content = clean(draft.peek());
    if (!content) return;
    if (size.over > 0) {
      complained.value = true;
      return;
    }
    client.say(thread, content);
    box.current?.focus({ preventScroll: true });
  }

  function onKeyDown(event: KeyboardEvent): void {
    // An input method takes Enter to mean "this word": neither `isComposing` nor 229 is a send.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (touch.matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    send();
  }

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {size.note && (
        <p id="size" class={size.over > 0 ? 'size over' : 'size'} role={size.over > 0 ? 'alert' : undefined}>
          {size.note}
        </p>
      )}
      <textarea
        ref={box}
        rows={1}
        dir="auto"
        value={text}
        placeholder={t('write')}
        aria-label={t('writeTo', { name })}
        aria-invalid={size.over > 0}
        aria-describedby={size.note ? 'size' : undefined}
        enterkeyhint={touch.matches ? 'enter' : 'send'}
        autocomplete="off"
        onInput={(event) => {
          client.drafts.set(thread.peer, event.currentTarget.value);
          if (event.currentTarget.value) client.type(thread);
        }}
        onKeyDown={onKeyDown}
        onBlur={client.drafts.flush}
      />
      <button type="submit" class="send" disabled={!text.trim() || size.over > 0}>
        <Icon name="send" />
        <span class="vh">{t('send')}</span>
      </button>
    </form>
  );
}

/** Says in the server's unit how much room is left, once it gets narrow. */
function measure(text: string, limits: { content: number; frame: number }): { over: number; note: string } {
  // No unit of a string takes more than three bytes.
  if (text.length * 3 < limits.content * 0.7) return { over: 0, note: '' };
  const content = clean(text);
  const n = bytes(content);
  // Escapes can make the frame longer than the content; 300 is for what stands around it.
  const frame = bytes(JSON.stringify(content)) + 300;
  const over = Math.max(n - limits.content, frame - limits.frame, 0);
  if (over > 0) return { over, note: t('tooLong', { n, max: limits.content, over }) };
  return { over, note: n > limits.content * 0.7 ? t('bytesLeft', { n: limits.content - n }) : '' };
}

function grow(box: HTMLTextAreaElement | null): void {
  if (!box) return;
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight}px`;
}
