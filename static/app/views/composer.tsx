import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Client } from '../client.js';
import { t } from '../i18n/index.js';
import { composing, touch } from '../keys.js';
import { besides } from '../mentions.js';
import { bytes, clean, isRtl } from '../text.js';
import type { Thread } from '../thread.js';
import { Icon } from './icons.js';
import { Once } from './lazy.js';

/** Members from which on it is asked before all are mentioned. */
const askedFrom = 32;

/** Where the style can't size a field by its text, a twin of the text does; past this length it scrolls anyway. */
const twinLength = CSS.supports('field-sizing', 'content') ? 0 : 2_000;

export function Composer({ client, thread }: { client: Client; thread: Thread }) {
  const box = useRef<HTMLTextAreaElement>(null);
  const draft = client.drafts.of(thread.peer);
  const complained = useSignal(false);
  const asking = useSignal(false);
  const text = draft.value;
  const size = measure(text, client.limits.value);
  // A book that was pasted: each key would have it read through for its direction and its spelling.
  const huge = text.length > client.limits.value.content;
  const name = thread.user.value.username;

  useLayoutEffect(() => {
    // On a phone that would open the keyboard over what one came to read.
    if (!touch.matches) box.current?.focus({ preventScroll: true });
    return client.drafts.flush;
  }, []);

  const members = thread.group.value?.members ?? 0;
  /** All of a larger group are to be notified by it: that is asked first. */
  const mentionsMany = (content: string) =>
    members > askedFrom && besides(content, client.drafts.named(thread.peer), 1).mention_all === true;

  function send(sure = false): void {
    const content = clean(draft.peek());
    if (!content) return;
    if (size.over > 0) {
      complained.value = true;
      return;
    }
    if (mentionsMany(content) && !sure) {
      asking.value = true;
      return;
    }
    asking.value = false;
    client.say(thread, content);
    box.current?.focus({ preventScroll: true });
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || composing(event)) return;
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
      {thread.group.value && (
        <Once>{({ Completion }) => <Completion client={client} thread={thread} box={box} />}</Once>
      )}
      {asking.value && (
        <Once>
          {({ Everybody }) => (
            <Everybody
              n={members}
              onSure={() => send(true)}
              onCancel={() => {
                asking.value = false;
                box.current?.focus();
              }}
            />
          )}
        </Once>
      )}
      <div class="grow" data-text={text.slice(0, twinLength)}>
        <textarea
          ref={box}
          rows={1}
          dir={huge ? (isRtl(text.slice(0, 200)) ? 'rtl' : 'ltr') : 'auto'}
          spellcheck={!huge}
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
      </div>
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
  const whole = text.trim();
  // Surely too long: counted, and not looked at any closer.
  if (whole.length > limits.content) {
    const size = bytes(whole);
    const over = size - limits.content;
    return { over, note: t('tooLong', { n: size, max: limits.content, over }) };
  }
  const content = clean(whole);
  const n = bytes(content);
  // Escapes can make the frame longer than the content; 300 is for what stands around it.
  const frame = bytes(JSON.stringify(content)) + 300;
  const over = Math.max(n - limits.content, frame - limits.frame, 0);
  if (over > 0) return { over, note: t('tooLong', { n, max: limits.content, over }) };
  return { over, note: n > limits.content * 0.7 ? t('bytesLeft', { n: limits.content - n }) : '' };
}
