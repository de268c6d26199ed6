import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { altered } from '../altered.js';
import { announce } from '../announce.js';
import { pickEmoji } from '../chosen.js';
import type { Client } from '../client.js';
import { t } from '../i18n/index.js';
import { composing, touch } from '../keys.js';
import { mayEdit } from '../may.js';
import { besides } from '../mentions.js';
import { bytes, clean, isRtl } from '../text.js';
import type { Thread } from '../thread.js';
import { Icon } from './icons.js';
import { Once, Soon } from './lazy.js';

/** Members from which on it is asked before all are mentioned. */
const askedFrom = 32;

/** Where the style can't size a field by its text, a twin of the text does; past this length it scrolls anyway. */
const twinLength = CSS.supports('field-sizing', 'content') ? 0 : 2_000;

export function Composer({ client, thread }: { client: Client; thread: Thread }) {
  const box = useRef<HTMLTextAreaElement>(null);
  const isHere = useRef(false);
  const draft = client.drafts.of(thread.peer);
  const complained = useSignal(false);
  const asking = useSignal(false);
  /** What is edited in place of writing anew. */
  const changes = client.drafts.edits(thread.peer).value;
  const text = changes ? changes.text.value : draft.value;
  const answers = client.drafts.answers(thread.peer).value;
  const size = measure(text, client.limits.value);
  // A book that was pasted: each key would have it read through for its direction and its spelling.
  const huge = text.length > client.limits.value.content;
  const name = thread.user.value.username;

  useLayoutEffect(() => {
    // On a phone that would open the keyboard over what one came to read.
    if (!touch.matches) box.current?.focus({ preventScroll: true });
    return client.drafts.flush;
  }, []);

  // Whoever begins to edit or to answer goes on here, at the end of the text: at once, since the next key may be one that
  // moves or selects. The same edit goes on where it was, whatever it is based on by now.
  useLayoutEffect(() => {
    const isBegun = changes !== null || answers > 0;
    // Whoever comes back to it reads first: on a phone the keyboard would cover that.
    if (isBegun && (isHere.current || !touch.matches)) toField();
    isHere.current = true;
  }, [changes?.text, answers]);

  function toField(): void {
    const field = box.current;
    if (!field || document.querySelector('dialog[open]')) return;
    field.focus({ preventScroll: true });
    field.setSelectionRange(field.value.length, field.value.length);
  }

  /** Back to what was written before. */
  function stop(): void {
    if (changes) client.drafts.edit(thread.peer, null);
    else client.drafts.answer(thread.peer, 0);
    announce(t('cancelled'));
    box.current?.focus({ preventScroll: true });
  }

  /** The last message of one's own, if nothing is after it that isn't here. */
  function editLast(): boolean {
    const { me } = client;
    const items = client.outbox.items.peek();
    const own = client.outbox.said.peek().filter((item) => item.to_user_id === thread.peer);
    const last = own.findLast(({ error }) => error === null) ?? thread.lastOf(me.user_id);
    const shown = last && altered(last, items, me.user_id);
    if (!shown || shown.deleted || !shown.content || !mayEdit(client, thread, last)) return false;
    client.edit(thread, last, shown.content);
    return true;
  }

  const members = thread.group.value?.members ?? 0;
  /** All of a larger group are to be notified by it: that is asked first. */
  const mentionsMany = (content: string) =>
    members > askedFrom && besides(content, client.drafts.named(thread.peer), 1).mention_all === true;

  function send(sure = false): void {
    const content = clean(text);
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
    if (changes) client.saveEdit(thread, content);
    else client.say(thread, content);
    box.current?.focus({ preventScroll: true });
  }

  /** Where the caret is, in place of what is selected. */
  function put(emoji: string): void {
    const field = box.current;
    if (!field) return;
    field.setRangeText(emoji, field.selectionStart, field.selectionEnd, 'end');
    field.dispatchEvent(new InputEvent('input', { bubbles: true }));
    // Once the picker has given the focus back to where it was.
    if (!touch.matches) setTimeout(() => field.focus({ preventScroll: true }));
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (composing(event)) return;
    const isBare = !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (event.key === 'Escape' && (changes || answers > 0)) {
      event.preventDefault();
      stop();
    } else if (event.key === 'ArrowUp' && isBare && !changes && text === '' && editLast())
      event.preventDefault();
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
      {(changes || answers > 0) && (
        <Soon>
          {({ Answering }) => (
            <Answering client={client} thread={thread} edit={changes} seq={answers} onStop={stop} />
          )}
        </Soon>
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
          aria-label={changes ? t('editing') : t('writeTo', { name })}
          aria-invalid={size.over > 0}
          aria-describedby={size.note ? 'size' : undefined}
          enterkeyhint={touch.matches ? 'enter' : 'send'}
          autocomplete="off"
          onInput={(event) => {
            client.drafts.set(thread.peer, event.currentTarget.value);
            if (event.currentTarget.value && !changes) client.type(thread);
          }}
          onKeyDown={onKeyDown}
          onBlur={client.drafts.flush}
        />
        <button
          type="button"
          class="round put-emoji"
          aria-haspopup="dialog"
          title={t('emoji')}
          // The field keeps the focus, and a phone its keyboard.
          onPointerDown={(event) => event.preventDefault()}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => pickEmoji('emoji', put)}
        >
          <Icon name="smile" />
          <span class="vh">{t('emoji')}</span>
        </button>
      </div>
      <button type="submit" class="send" disabled={!text.trim() || size.over > 0}>
        <Icon name={changes ? 'check' : 'send'} />
        <span class="vh">{t(changes ? 'save' : 'send')}</span>
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
